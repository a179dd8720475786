//! STAND-INS, to be removed: what other modules of this crate provide once they are merged. Each says what replaces it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bstr::ByteSlice;
use digest::Digest;
use md5::Md5;
use model::Key;

use crate::{Annex, Error, Result};

/// Replaced by `pointer::MAX_POINTER`.
pub(crate) const MAX_POINTER: usize = 32768;

/// Replaced by `pointer::key_of_pointer`.
pub(crate) fn key_of_pointer(content: &[u8]) -> Option<Key> {
    if content.len() > MAX_POINTER {
        return None;
    }
    let (first, rest) = content.split_once_str(b"\n").unwrap_or((content, b""));
    let first = first.strip_suffix(b"\r").unwrap_or(first);
    if !rest.is_empty() && !rest.ends_with(b"\n") {
        return None;
    }
    if !rest.lines_with_terminator().all(|line| line.contains_str("/annex/")) {
        return None;
    }
    first.find(b"/annex/objects/")?;
    let (_, name) = first.rsplit_once_str(b"/")?;
    Key::from_file_name(name).ok()
}

/// Replaced by `pointer::key_of_symlink`.
pub(crate) fn key_of_symlink(target: &[u8]) -> Option<Key> {
    key_of_pointer(target)
}

/// Replaced by `annex.store().find(key)`.
pub(crate) fn find_object(annex: &Annex, key: &Key) -> Option<PathBuf> {
    let name = std::ffi::OsString::from_vec(key.to_file_name().into());
    let digest: [u8; 16] = Md5::digest(key.without_chunk()).into();
    let word = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let letter = |i: u32| char::from(b"0123456789zqjxkmvwgpfZQJXKMVWGPF"[(word >> (6 * i)) as usize & 31]);
    let mixed = String::from_iter([letter(1), letter(0), '/', letter(3), letter(2)]);
    let hex = hex::encode(digest);
    let lower = format!("{}/{}", &hex[..3], &hex[3..6]);
    [mixed, lower]
        .iter()
        .map(|directory| annex.annex_file("objects").join(directory).join(&name).join(&name))
        .find(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file()))
}

/// Replaced by `store::Incoming`: a file in `annex/othertmp` that is removed unless it was moved away.
pub(crate) struct Incoming {
    path: PathBuf,
    keep: bool,
}

impl Incoming {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn moved_away(mut self) {
        self.keep = true;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.keep {
            // What remains of a failure is emptied by whoever next has othertmp to itself.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Replaced by the store's scratch room (which holds `othertmp.lck` shared).
pub(crate) fn scratch(annex: &Annex) -> Result<Incoming> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = annex.annex_file("othertmp").join(format!("c{}-{number}", std::process::id()));
    Ok(Incoming { path, keep: false })
}

/// Replaced by the store's scratch room.
pub(crate) fn make_scratch_directory(annex: &Annex) -> Result<()> {
    let directory = annex.annex_file("othertmp");
    fs::create_dir_all(&directory).map_err(Error::io("create the directory", &directory))
}

/// Replaced by `Store::content_for_work_tree`: a copy of the content, ready to be renamed into the work tree; none if
/// the content is not here.
pub(crate) fn content_for_work_tree(annex: &Annex, key: &Key, thin: bool, executable: bool) -> Result<Option<Incoming>> {
    let Some(object) = find_object(annex, key) else {
        return Ok(None);
    };
    let incoming = scratch(annex)?;
    let path = incoming.path().to_owned();
    let copying = || Error::io("copy content to", &path);
    if thin && fs::hard_link(&object, incoming.path()).is_ok() {
        let mode = fs::Permissions::from_mode(if executable { 0o755 } else { 0o644 });
        fs::set_permissions(incoming.path(), mode).map_err(copying())?;
        return Ok(Some(incoming));
    }
    let mut from = File::open(&object).map_err(Error::io("open", &object))?;
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(if executable { 0o777 } else { 0o666 })
        .open(incoming.path())
        .map_err(copying())?;
    let copied = io::copy(&mut from, &mut to).map_err(copying())?;
    let found = from.metadata().map_err(Error::io("look at", &object))?;
    if copied != found.size() {
        return Err(Error::Damaged(format!("{} changed while it was copied", object.display())));
    }
    if let Ok(modified) = found.modified() {
        to.set_modified(modified).map_err(copying())?;
    }
    Ok(Some(incoming))
}

/// Replaced by `index::Staged`: `.git/index`, read, changed and replaced under `index.lock`.
pub(crate) struct Staged {
    index: git2::Index,
    copy: PathBuf,
    lock: PathBuf,
    place: PathBuf,
    /// When the index was written last: entries not older than this may hide a change made in the same tick.
    written_at: Option<(i64, i64)>,
    done: bool,
}

impl Staged {
    pub(crate) fn begin(annex: &Annex) -> Result<Self> {
        let directory = annex.git_dir().join("anabranch");
        fs::create_dir_all(&directory).map_err(Error::io("create the directory", &directory))?;
        let place = annex.git_dir().join("index");
        let lock = annex.git_dir().join("index.lock");
        let copy = directory.join("index");
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&lock) {
                Ok(_) => break,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(Error::Busy(lock)),
                Err(e) => return Err(Error::io("create", &lock)(e)),
            }
        }
        let opened = || -> Result<(git2::Index, Option<(i64, i64)>)> {
            let written_at = match fs::copy(&place, &copy) {
                Ok(_) => {
                    let found = fs::metadata(&place).map_err(Error::io("look at", &place))?;
                    Some((found.mtime(), found.mtime_nsec()))
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    match fs::remove_file(&copy) {
                        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &copy)(e))?,
                        _ => None,
                    }
                }
                Err(e) => return Err(Error::io("copy", &place)(e)),
            };
            let index = git2::Index::open(&copy).map_err(Error::git("read the index"))?;
            Ok((index, written_at))
        };
        match opened() {
            Ok((index, written_at)) => Ok(Self {
                index,
                copy,
                lock,
                place,
                written_at,
                done: false,
            }),
            Err(error) => {
                let _ = fs::remove_file(&lock);
                Err(error)
            }
        }
    }

    pub(crate) fn index(&mut self) -> &mut git2::Index {
        &mut self.index
    }

    pub(crate) fn written_at(&self) -> Option<(i64, i64)> {
        self.written_at
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.index.write().map_err(Error::git("write the index"))?;
        fs::rename(&self.copy, &self.lock).map_err(Error::io("rename", &self.copy))?;
        fs::rename(&self.lock, &self.place).map_err(Error::io("rename", &self.lock))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.lock);
        }
    }
}

/// Replaced by what `index.rs` does about the lock that a killed process of ours left behind.
pub(crate) fn remove_lock_of_the_dead(annex: &Annex) -> Result<()> {
    let lock = annex.git_dir().join("index.lock");
    match fs::remove_file(&lock) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &lock)(e)),
        _ => Ok(()),
    }
}

/// Replaced by `identity::signature`.
pub(crate) fn signature(git: &git2::Repository) -> Result<git2::Signature<'static>> {
    git.signature()
        .or_else(|_| git2::Signature::now("anabranch", "anabranch@localhost"))
        .map_err(Error::git("find out who commits"))
}

/// Replaced by `objects::Bulk::begin(&repo)…finish()`: makes what was written since durable.
pub(crate) fn make_objects_durable(annex: &Annex) -> Result<()> {
    let path = annex.git_dir();
    let directory = File::open(path).map_err(Error::io("open", path))?;
    rustix::fs::syncfs(&directory).map_err(|e| Error::io("write to disk", path)(e.into()))
}

/// Replaced by `locks::Lock::exclusive(annex_file("journal.lck"))`.
pub(crate) fn lock_journal(annex: &Annex) -> Result<File> {
    let path = annex.annex_file("journal.lck");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(Error::io("open", &path))?;
    rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::LockExclusive)
        .map_err(|e| Error::io("lock", &path)(e.into()))?;
    Ok(file)
}

/// Replaced by `annex.branch().merge()`: brings what others pushed into the git-annex branch. Here only fast-forwards.
pub(crate) fn merge_git_annex_branch(annex: &Annex) -> Result<()> {
    let git = annex.git()?;
    let _lock = lock_journal(annex)?;
    let pushed = git.refname_to_id("refs/heads/synced/git-annex").map_err(Error::git("read a ref"))?;
    let forward = match git.refname_to_id("refs/heads/git-annex") {
        Ok(current) => current != pushed && git.graph_descendant_of(pushed, current).unwrap_or(false),
        Err(_) => true,
    };
    if forward {
        git.reference("refs/heads/git-annex", pushed, true, "merge")
            .map_err(Error::git("move the git-annex branch"))?;
    }
    Ok(())
}

/// Used by tests: puts content into the store.
#[cfg(test)]
pub(crate) fn put_object(annex: &Annex, content: &[u8]) -> Key {
    use std::io::Write;

    use sha2::Sha256;
    let key = format!("SHA256E-s{}--{}", content.len(), hex::encode(Sha256::digest(content)));
    let key = Key::parse(key.as_bytes()).unwrap();
    let name = std::ffi::OsString::from_vec(key.to_file_name().into());
    let digest: [u8; 16] = Md5::digest(key.as_bytes()).into();
    let hex = hex::encode(digest);
    let directory = annex
        .annex_file("objects")
        .join(&hex[..3])
        .join(&hex[3..6])
        .join(&name);
    fs::create_dir_all(&directory).unwrap();
    let mut file = File::create(directory.join(&name)).unwrap();
    file.write_all(content).unwrap();
    // As if added a while ago: git trusts the stat data of a file only if it is older than the index.
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).unwrap();
    key
}

/// Replaced by `Verifier::for_key`: true if what the file holds is proven to be the content of `key`.
pub(crate) fn is_content_of(key: &Key, file: &mut File) -> io::Result<bool> {
    use sha2::Sha256;
    if !matches!(&**key.backend(), b"SHA256" | b"SHA256E") {
        return Ok(false);
    }
    let mut hash = Sha256::new();
    let mut part = vec![0; 1 << 16];
    loop {
        match io::Read::read(file, &mut part)? {
            0 => break,
            n => hash.update(&part[..n]),
        }
    }
    let hash = hex::encode(hash.finalize());
    let name = key.name().split_once_str(".").map_or(&**key.name(), |(hash, _)| hash);
    Ok(name == hash.as_bytes())
}
