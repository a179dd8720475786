//! Keeping git-annex's line in `.git/info/attributes` from hiding the filters that `.gitattributes` asks for.
//!
//! What stands there goes before every `.gitattributes`, so with `* filter=annex` alone git itself would store what
//! git-crypt or Git LFS is to pass as it is. So the filters that others ask for are repeated below that line.

use std::sync::Arc;

use bstr::ByteSlice;
use rustix::fs::{AtFlags, statat};

use super::{Conversion, Conversions};
use crate::attributes::{self, Attributes};
use crate::index::{Index, Span};
use crate::{Annex, Directory, Result};

impl Conversion {
    /// The name of the filter that governs the file, unless it is git-annex's.
    pub(super) fn filter(&self) -> Option<&[u8]> {
        self.filter.as_ref().map(|name| name.as_bytes())
    }
}

impl Conversions {
    /// Has git see the filters of all attributes files that are known: those in the index, and those that were asked about
    /// here.
    pub(crate) fn show_filters(&self) -> Result<()> {
        show_filters(&self.annex, &self.attributes)
    }

    /// True if git was shown filters, which may be others now.
    pub(crate) fn has_shown_filters(&self) -> bool {
        self.attributes.has_shown_filters()
    }
}

/// Has git see the filters that the attributes files of the index ask for.
pub(crate) fn show_filters(annex: &Annex, attributes: &Attributes) -> Result<()> {
    let git = annex.git()?;
    let Some(info) = Directory::top(git.commondir())?.find("info")?.map(Arc::new) else {
        return Ok(());
    };
    let Some(present) = info.read("attributes")? else {
        return Ok(());
    };
    let index = Index::read(annex, &git)?;
    let entries = index.entries();
    let all = match index.may_have_attributes() {
        true => entries.all(),
        false => Span::default(),
    };
    let names = entries
        .iter(&all)
        .filter_map(|entry| match entry.path.rsplit_once_str("/") {
            Some((directory, b".gitattributes")) => Some(directory),
            _ => (*entry.path == *b".gitattributes").then_some(&b""[..]),
        });
    let lines = attributes.filters(names);
    let wanted = attributes::with_filters(&present, &lines);
    if wanted == present {
        return Ok(());
    }
    let mode = statat(&info, "attributes", AtFlags::SYMLINK_NOFOLLOW).map_or(0o644, |stat| stat.st_mode & 0o777);
    info.replace("attributes", &wanted, mode)
}
