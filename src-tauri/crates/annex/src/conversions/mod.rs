//! What git does to the content of a file on its way in and out: filters, encodings, line ends, `ident`.
//!
//! Only git does it, so that nothing is stored otherwise than git would, and no clone has other bytes than git would check
//! out. Here is decided for which files it has to be asked: for those alone a process is started, one for all of a batch.

mod hidden;
mod outgoing;
mod program;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, OnceLock, PoisonError};

use bstr::{BString, ByteSlice};
use git2::Config;
use model::{Oid, RepoPath};

use crate::attributes::{Attribute, Attributes};
use crate::handles::Git;
pub(crate) use hidden::show_filters;
pub(crate) use outgoing::{Converted, Outgoing};

use crate::index::Index;
use crate::oid::to_git;
use crate::pointer::key_of_pointer;
use crate::tree::small_blob;
use crate::{Annex, Error, Result};

/// The conversions that hold for the files of one tree at one moment. May be asked by several threads.
pub(crate) struct Conversions {
    annex: Annex,
    git: Mutex<Git>,
    attributes: Attributes,
    line_ends: LineEnds,
    /// The filters that the configuration defines, each with the direction that it works in.
    drivers: Vec<Driver>,
    /// Whether there is any rule by which something may be converted; found out when it is needed.
    are_possible: OnceLock<bool>,
}

struct Driver {
    name: BString,
    cleans: bool,
    smudges: bool,
}

/// `core.autocrlf` and `core.eol`.
#[derive(Debug, Clone, Copy)]
struct LineEnds {
    /// Files of which nothing is said may be text.
    guess: bool,
    /// Text gets returns on its way out.
    returns: bool,
}

/// What git does to one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conversion {
    /// The filter that governs it, unless it is git-annex's.
    filter: Option<BString>,
    encoding: bool,
    ident: bool,
    /// Returns may go on the way in.
    text: bool,
    /// Returns may come on the way out.
    returns: bool,
}

impl Conversion {
    /// True if a filter governs the file that is not git-annex's.
    pub(crate) fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// True if git itself has to keep the file: a pointer in its place would be converted as well.
    pub(crate) fn is_gits(&self) -> bool {
        self.filter.is_some() || self.encoding
    }

    /// True if git may store other bytes than the file has.
    pub(crate) fn changes_on_the_way_in(&self) -> bool {
        self.is_gits() || self.ident || self.text
    }
}

impl Conversions {
    /// Those of files in the work tree.
    pub(crate) fn of_work_tree(annex: &Annex) -> Result<Self> {
        let git = annex.git()?;
        let attributes = Attributes::of_work_tree(annex, &git)?;
        Self::read(annex, git, attributes)
    }

    /// Those of files in a tree.
    fn of_tree(annex: &Annex, tree: git2::Oid) -> Result<Self> {
        let git = annex.git()?;
        let attributes = Attributes::of_tree(annex, &git, tree)?;
        Self::read(annex, git, attributes)
    }

    fn read(annex: &Annex, git: Git, attributes: Attributes) -> Result<Self> {
        let doing = || Error::git("read the configuration");
        let config = git.config().and_then(|mut config| config.snapshot()).map_err(doing())?;
        Ok(Self {
            annex: annex.clone(),
            git: Mutex::new(git),
            attributes,
            line_ends: LineEnds::read(&config),
            drivers: drivers(&config).map_err(doing())?,
            are_possible: OnceLock::new(),
        })
    }

    /// What git does to a file.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be known.
    pub(crate) fn of(&self, path: &RepoPath) -> std::result::Result<Conversion, String> {
        let names = ["filter", "working-tree-encoding", "ident", "text", "crlf", "eol"];
        let [filter, encoding, ident, text, crlf, eol] = self.attributes.of(path, names)?;
        let filter = match filter {
            Attribute::Text(name) if name != "annex" => Some(name),
            Attribute::Text(_) | Attribute::None | Attribute::Set | Attribute::Unset => None,
        };
        let encoding = match encoding {
            Attribute::Text(name) => !name.is_empty() && !is_utf8(&name),
            Attribute::Set | Attribute::Unset => true,
            Attribute::None => false,
        };
        let (text, returns) = self.line_ends.apply(&text, &crlf, &eol);
        Ok(Conversion {
            filter,
            encoding,
            ident: ident == Attribute::Set,
            text,
            returns,
        })
    }

    /// False if a blob surely has the bytes that its file had: nothing is converted anywhere, or it is a pointer.
    pub(crate) fn may_have_made(&self, blob: Oid) -> bool {
        let is_possible = self.are_possible();
        let git = self.git.lock().unwrap_or_else(PoisonError::into_inner);
        let content = || small_blob(&git.odb().ok()?, to_git(blob)).ok().flatten();
        is_possible && content().is_none_or(|content| key_of_pointer(&content).is_none())
    }

    /// False if no file that is staged can have been converted: no attributes file and no setting speaks of any.
    fn are_possible(&self) -> bool {
        *self.are_possible.get_or_init(|| {
            let git = self.git.lock().unwrap_or_else(PoisonError::into_inner);
            let has_attributes = Index::read(&self.annex, &git).is_ok_and(|index| index.may_have_attributes());
            self.line_ends.guess || self.attributes.are_shared() || has_attributes
        })
    }

    /// Why a file cannot be given to git, if it cannot.
    ///
    /// Without the program of its filter git would take the file as it is, secrets included.
    pub(crate) fn obstacle(&self, conversion: &Conversion) -> Option<String> {
        let name = conversion.filter.as_ref()?;
        let is_defined = self.drivers.iter().any(|driver| driver.name == *name && driver.cleans);
        (!is_defined).then(|| {
            format!(
                "git's filter {name} is to pass it, and that is not set up here; set it up, or take filter={name} out of .gitattributes"
            )
        })
    }
}

impl LineEnds {
    fn read(config: &Config) -> Self {
        let text = |name: &str| config.get_string(name).ok().map(|value| value.to_ascii_lowercase());
        let automatic = text("core.autocrlf");
        let is_input = automatic.as_deref() == Some("input");
        let is_on = !is_input && config.get_bool("core.autocrlf").unwrap_or(false);
        Self {
            guess: is_input || is_on,
            returns: is_on || !is_input && text("core.eol").as_deref() == Some("crlf"),
        }
    }

    /// Whether returns may go on the way in, and come on the way out.
    fn apply(self, text: &Attribute, crlf: &Attribute, eol: &Attribute) -> (bool, bool) {
        // `crlf` is what `text` was called before.
        let text = match (said_of_text(text), said_of_text(crlf)) {
            (None, other) => other,
            (this, _) => this,
        };
        let eol = match eol {
            Attribute::Text(eol) => Some(eol.as_bytes()),
            Attribute::None | Attribute::Set | Attribute::Unset => None,
        };
        let returns = match (text, eol) {
            (Some(Text::No), _) => return (false, false),
            (_, Some(b"crlf")) => true,
            (_, Some(b"lf")) | (Some(Text::Input), _) => false,
            (Some(Text::Yes), _) => self.returns,
            (None, _) if self.guess => self.returns,
            (None, _) => return (false, false),
        };
        (true, returns)
    }
}

#[derive(Debug, Clone, Copy)]
enum Text {
    /// Also where git is to guess.
    Yes,
    No,
    Input,
}

fn said_of_text(attribute: &Attribute) -> Option<Text> {
    match attribute {
        Attribute::Set => Some(Text::Yes),
        Attribute::Unset => Some(Text::No),
        Attribute::Text(value) if value == "input" => Some(Text::Input),
        Attribute::Text(value) if value == "auto" => Some(Text::Yes),
        Attribute::Text(_) | Attribute::None => None,
    }
}

fn is_utf8(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"utf-8") || name.eq_ignore_ascii_case(b"utf8")
}

fn drivers(config: &Config) -> std::result::Result<Vec<Driver>, git2::Error> {
    let mut drivers: Vec<Driver> = Vec::new();
    config
        .entries(Some("^filter\\..*\\.(clean|smudge|process)$"))?
        .for_each(|entry| {
            let Some((name, way)) = entry
                .name_bytes()
                .strip_prefix(b"filter.")
                .and_then(|rest| rest.rsplit_once_str("."))
            else {
                return;
            };
            if entry.value().is_ok_and(str::is_empty) {
                return;
            }
            let at = drivers
                .iter()
                .position(|driver| driver.name == name)
                .unwrap_or_else(|| {
                    drivers.push(Driver {
                        name: name.into(),
                        cleans: false,
                        smudges: false,
                    });
                    drivers.len() - 1
                });
            drivers[at].cleans |= way != b"smudge";
            drivers[at].smudges |= way != b"clean";
        })?;
    Ok(drivers)
}
