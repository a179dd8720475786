use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bstr::ByteSlice;
use model::RepoPath;

use crate::locks::LockFile;
use crate::{Annex, Error, Result};

/// A change that waits in the journal: the complete new content of one file of the branch.
pub(super) struct Pending {
    pub(super) path: Vec<u8>,
    pub(super) content: Vec<u8>,
    file: PathBuf,
}

impl Pending {
    /// Removes the journal file, its content being committed.
    pub(super) fn remove(&self) -> Result<()> {
        match std::fs::remove_file(&self.file) {
            Err(problem) if problem.kind() != ErrorKind::NotFound => Err(Error::io("remove", &self.file)(problem)),
            _ => Ok(()),
        }
    }
}

/// Takes `journal.lck` alone, waiting for others.
pub(super) fn lock(annex: &Annex) -> Result<LockFile> {
    LockFile::exclusive(&annex.annex_file("journal.lck"))
}

/// What waits in the journal, sorted by path. To be called with the lock held.
pub(super) fn pending(annex: &Annex) -> Result<Vec<Pending>> {
    let directory = annex.annex_file("journal");
    let failed = || Error::io("list", &directory);
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(problem) => return Err(failed()(problem)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed())?;
        let Some(path) = decode(&entry.file_name().into_vec()) else {
            continue;
        };
        if !entry.file_type().map_err(failed())?.is_file() {
            continue;
        }
        if let Some(content) = read_file(&entry.path())? {
            let file = entry.path();
            found.push(Pending { path, content, file });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// What the journal says about one file of the branch.
pub(super) fn read(annex: &Annex, path: &[u8]) -> Result<Option<Vec<u8>>> {
    read_file(&file(annex, "journal", path))
}

/// The file of a branch path in a journal directory.
pub(super) fn file(annex: &Annex, journal: &str, path: &[u8]) -> PathBuf {
    annex
        .annex_file(journal)
        .join(std::ffi::OsStr::from_bytes(&encode(path)))
}

/// Reads a journal file. An empty one is what a crash leaves of a file whose data had not reached the disk (git-annex
/// does not fsync the journal, and writes no empty log): it must not replace what is known.
pub(super) fn read_file(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content).filter(|content| !content.is_empty())),
        Err(problem) if matches!(problem.kind(), ErrorKind::NotFound | ErrorKind::InvalidFilename) => Ok(None),
        Err(problem) => Err(Error::io("read", path)(problem)),
    }
}

/// Writes a journal file as git-annex does: complete, in `othertmp`, then renamed; and durably.
pub(super) fn write_file(annex: &Annex, journal: &str, path: &[u8], content: &[u8]) -> Result<()> {
    let target = file(annex, journal, path);
    let directory = annex.annex_file(journal);
    let store = annex.store();
    store.make_directory(&directory)?;
    let (mut new, incoming) = store.scratch_file(0o644)?;
    new.write_all(content)
        .and_then(|()| new.sync_all())
        .map_err(Error::io("write", &target))?;
    std::fs::rename(incoming.path(), &target).map_err(Error::io("rename", &target))?;
    incoming.moved_away();
    File::open(&directory)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::io("make durable", &directory))
}

/// The name of a journal file.
pub(super) fn encode(path: &[u8]) -> Vec<u8> {
    path.replace("_", "__").replace("/", "_")
}

/// The branch path that a journal file is for; none for temporary files and names that are no path.
pub(super) fn decode(name: &[u8]) -> Option<Vec<u8>> {
    if name.starts_with(b".") || [".tmp", ".lock", "~"].iter().any(|end| name.ends_with_str(end)) {
        return None;
    }
    let mut path = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        let doubled = byte == b'_' && tail.first() == Some(&b'_');
        path.push(if byte == b'_' && !doubled { b'/' } else { byte });
        rest = if doubled { &tail[1..] } else { tail };
    }
    RepoPath::parse(&path).is_ok().then_some(path)
}
