//! The note that a checkout is under way: `<git dir>/anabranch/checkout`.

use std::sync::Arc;

use model::Oid;

use crate::{Annex, Directory, Result};

/// A checkout that was begun: the branch, and the commits it goes from and to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) branch: String,
    pub(super) from: Option<Oid>,
    pub(super) to: Oid,
}

/// Its name in the directory of this program.
const NAME: &str = "checkout";

impl Marker {
    /// Reads the note; none if no checkout is under way, or if the note makes no sense (it is written in one piece, so
    /// then it is not ours).
    pub(super) fn read(annex: &Annex) -> Result<Option<Self>> {
        let text = match Directory::find_below(annex.git_dir(), &annex.own_dir())? {
            Some(directory) => directory.read(NAME)?,
            None => None,
        };
        Ok(text.and_then(|text| Self::parse(&String::from_utf8(text).ok()?)))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let from = lines.next()?.strip_prefix("from ")?;
        let to = Oid::parse(lines.next()?.strip_prefix("to ")?)?;
        let branch = lines.next()?.strip_prefix("branch ")?.to_owned();
        let from = match from {
            "nothing" => None,
            from => Some(Oid::parse(from)?),
        };
        Some(Self { branch, from, to })
    }

    /// Writes the note; when this returns it is on disk.
    pub(super) fn write(&self, annex: &Annex) -> Result<()> {
        let from = self.from.map_or("nothing".to_owned(), |from| from.to_string());
        let text = format!("from {from}\nto {}\nbranch {}\n", self.to, self.branch);
        let directory = Directory::make_below(annex.git_dir(), &annex.own_dir())?;
        Arc::new(directory).replace(NAME, text.as_bytes(), 0o644)
    }

    /// Removes the note.
    pub(super) fn remove(annex: &Annex) -> Result<()> {
        match Directory::find_below(annex.git_dir(), &annex.own_dir())? {
            Some(directory) => directory.remove(NAME).map(drop),
            None => Ok(()),
        }
    }
}
