use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bstr::ByteSlice;
use model::RepoPath;
use nix::fcntl::{FcntlArg, fcntl};

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

/// Takes `journal.lck` alone, waiting for others; it is released when the file is closed.
///
/// An OFD lock: git-annex's `fcntl` locks see it, and threads of one process exclude each other.
pub(super) fn lock(annex: &Annex) -> Result<File> {
    let path = annex.annex_file("journal.lck");
    create_directory(&annex.annex_dir())?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(Error::io("open", &path))?;
    let whole = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    loop {
        match fcntl(&file, FcntlArg::F_OFD_SETLKW(&whole)) {
            Ok(_) => return Ok(file),
            Err(nix::errno::Errno::EINTR) => {}
            Err(problem) => return Err(Error::io("lock", &path)(problem.into())),
        }
    }
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

/// Writes a journal file as git-annex does: complete, under its name in `othertmp`, then renamed; and durably.
pub(super) fn write_file(annex: &Annex, journal: &str, path: &[u8], content: &[u8]) -> Result<()> {
    let target = file(annex, journal, path);
    let (temporary, directory) = (annex.annex_file("othertmp"), annex.annex_file(journal));
    create_directory(&temporary)?;
    create_directory(&directory)?;
    let mut new = tempfile::NamedTempFile::new_in(&temporary).map_err(Error::io("create a file in", &temporary))?;
    new.write_all(content)
        .and_then(|()| new.as_file().sync_all())
        .map_err(Error::io("write", new.path()))?;
    new.persist(&target)
        .map_err(|problem| Error::io("rename", &target)(problem.error))?;
    File::open(&directory)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::io("make durable", &directory))
}

fn create_directory(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .create(path)
        .map_err(Error::io("create", path))
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
