//! The note that a checkout is under way: `<git dir>/anabranch/checkout`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use model::Oid;

use crate::{Annex, Error, Result, make_below};

/// A checkout that was begun: the branch, and the commits it goes from and to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) branch: String,
    pub(super) from: Option<Oid>,
    pub(super) to: Oid,
}

impl Marker {
    fn path(annex: &Annex) -> PathBuf {
        annex.git_dir().join("anabranch").join("checkout")
    }

    /// Reads the note; none if no checkout is under way, or if the note makes no sense (it is written in one piece, so
    /// then it is not ours).
    pub(super) fn read(annex: &Annex) -> Result<Option<Self>> {
        let path = Self::path(annex);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Ok(None),
            Err(e) => Err(Error::io("read", &path)(e)),
        }
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
        let path = Self::path(annex);
        let directory = path.parent().unwrap_or(annex.git_dir());
        make_below(annex.git_dir(), directory).map_err(Error::io("create the directory", directory))?;
        let new = path.with_extension("new");
        let writing = || Error::io("write", &new);
        let from = self.from.map_or("nothing".to_owned(), |from| from.to_string());
        let mut file = File::create(&new).map_err(writing())?;
        write!(file, "from {from}\nto {}\nbranch {}\n", self.to, self.branch)
            .and_then(|()| file.sync_data())
            .map_err(writing())?;
        fs::rename(&new, &path).map_err(Error::io("write", &path))?;
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(Error::io("write", directory))
    }

    /// Removes the note.
    pub(super) fn remove(annex: &Annex) -> Result<()> {
        let path = Self::path(annex);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &path)(e)),
            _ => Ok(()),
        }
    }
}
