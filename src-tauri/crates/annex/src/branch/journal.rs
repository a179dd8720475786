use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;

use bstr::ByteSlice;
use model::RepoPath;
use rustix::fs::FileType;

use crate::locks::LockFile;
use crate::{Annex, Directory, Error, Result};

const JOURNAL: &str = "journal";

/// A change that waits in the journal: the complete new content of one file of the branch.
pub(super) struct Pending {
    pub(super) path: Vec<u8>,
    pub(super) content: Vec<u8>,
    journal: Arc<Directory>,
    name: OsString,
}

impl Pending {
    /// Removes the journal file, its content being committed.
    pub(super) fn remove(&self) -> Result<()> {
        self.journal.remove(&self.name).map(drop)
    }
}

/// Takes `journal.lck` alone, waiting for others.
pub(super) fn lock(annex: &Annex) -> Result<LockFile> {
    LockFile::exclusive(&annex.annex_file("journal.lck"))
}

/// What waits in the journal, sorted by path. To be called with the lock held.
pub(super) fn pending(annex: &Annex) -> Result<Vec<Pending>> {
    let Some(journal) = open(annex, JOURNAL)? else {
        return Ok(Vec::new());
    };
    let journal = Arc::new(journal);
    let mut found = Vec::new();
    for (name, kind) in journal.names()? {
        let Some(path) = decode(name.as_bytes()) else {
            continue;
        };
        if kind != FileType::RegularFile {
            continue;
        }
        if let Some(content) = read_file(&journal, &name)? {
            let journal = Arc::clone(&journal);
            found.push(Pending {
                path,
                content,
                journal,
                name,
            });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The files of the branch that the journal says something of. Without its lock: a file may be committed and gone by the
/// time that it is read.
pub(super) fn paths(annex: &Annex) -> Result<Vec<Vec<u8>>> {
    let names = open(annex, JOURNAL)?.map_or(Ok(Vec::new()), |journal| journal.names())?;
    let files = names.iter().filter(|(_, kind)| *kind == FileType::RegularFile);
    Ok(files.filter_map(|(name, _)| decode(name.as_bytes())).collect())
}

/// True if something waits in the journal.
pub(super) fn is_waiting(annex: &Annex) -> bool {
    let names = open(annex, JOURNAL).and_then(|journal| journal.map_or(Ok(Vec::new()), |journal| journal.names()));
    // One that cannot be read is for who commits what is in it to tell.
    names.map_or(true, |names| !names.is_empty())
}

fn open(annex: &Annex, journal: &str) -> Result<Option<Directory>> {
    Directory::find_below(annex.git_dir(), &annex.annex_file(journal))
}

/// One of the journals, for reading; opened when it is first asked, and asked for again while it is not there.
pub(super) struct Reader<'a> {
    annex: &'a Annex,
    journal: &'static str,
    open: std::cell::OnceCell<Directory>,
}

impl<'a> Reader<'a> {
    /// The journal that is committed.
    pub(super) fn of(annex: &'a Annex) -> Self {
        Self::of_named(annex, JOURNAL)
    }

    pub(super) fn of_named(annex: &'a Annex, journal: &'static str) -> Self {
        Self {
            annex,
            journal,
            open: std::cell::OnceCell::new(),
        }
    }

    /// What the journal says about one file of the branch.
    pub(super) fn read(&self, path: &[u8]) -> Result<Option<Vec<u8>>> {
        let open = match self.open.get() {
            Some(open) => open,
            None => match open(self.annex, self.journal)? {
                Some(found) => self.open.get_or_init(|| found),
                None => return Ok(None),
            },
        };
        read_file(open, OsStr::from_bytes(&encode(path)))
    }
}

/// Reads a journal file. An empty one is what a crash leaves of a file whose data had not reached the disk (git-annex
/// does not fsync the journal, and writes no empty log): it must not replace what is known.
fn read_file(journal: &Directory, name: &OsStr) -> Result<Option<Vec<u8>>> {
    Ok(journal.read(name)?.filter(|content| !content.is_empty()))
}

/// Writes journal files as git-annex does: complete, in `othertmp`, then renamed; and durably.
pub(super) fn write_files(annex: &Annex, journal: &str, files: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    let store = annex.store();
    let directory = store.make_directory(journal)?;
    for (path, content) in files {
        let name = OsString::from_vec(encode(path));
        let (mut new, incoming) = store.scratch_file(0o644)?;
        new.write_all(content)
            .and_then(|()| new.sync_all())
            .map_err(Error::io("write", &directory.path().join(&name)))?;
        incoming.rename_into(&directory, &name)?;
    }
    directory.sync()
}

/// Writes what waits for a commit.
pub(super) fn write(annex: &Annex, files: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    write_files(annex, JOURNAL, files)
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
