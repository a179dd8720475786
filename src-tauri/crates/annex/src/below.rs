//! What lies below a git directory, reached from an open directory and never through a link.
//!
//! Who may write into a repository (on somebody's drive, or shared by a group) may put a link at any name in it. Whatever
//! is made, written, emptied or removed here stays inside: the git directory is opened once, through whatever links lead to
//! it, and everything below it is named by a directory that is open. A link, or anything else that is not what it must be,
//! is refused by name.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::fs::{linkat, mkdirat, openat, renameat, renameat_with, statat, unlinkat};
use rustix::io::Errno;

use crate::durable::sync_directory;
use crate::openat::{open_child, open_directory, open_file_below};
use crate::sharing::{Sharing, umask};
use crate::{Error, Result};

/// Files are opened without following a link, and without waiting for the other end of a pipe.
const FILE: OFlags = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY);

/// A directory below a git directory (or that itself), open; nothing on the way down to it was a link. Whatever is made in
/// it is made for all who share the repository, as git does it.
#[derive(Debug)]
pub struct Directory {
    open: OwnedFd,
    path: PathBuf,
    top: Arc<Top>,
}

/// The git directory that directories lie below.
#[derive(Debug)]
struct Top {
    path: PathBuf,
    sharing: OnceLock<Sharing>,
}

impl Directory {
    /// Opens a git directory itself, through whatever links lead to it.
    pub fn top(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| Error::io("open", path)(errno.into()))?;
        let top = Top {
            path: path.to_owned(),
            sharing: OnceLock::new(),
        };
        Ok(Self {
            open,
            path: path.to_owned(),
            top: Arc::new(top),
        })
    }

    fn at(&self, open: OwnedFd, path: PathBuf) -> Self {
        let top = Arc::clone(&self.top);
        Self { open, path, top }
    }

    /// Read when the first thing is made that it concerns.
    fn sharing(&self) -> Sharing {
        *self.top.sharing.get_or_init(|| Sharing::of_git_dir(&self.top.path))
    }

    /// Opens the directory at `path`, which lies below `top`; none if there is none, or no `top` any more.
    pub fn find_below(top: &Path, path: &Path) -> Result<Option<Self>> {
        let below = relative(top, path)?;
        match Self::top(top) {
            Ok(top) => top.find(below),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the directory at `path`, which lies below the git directory `top`, and what is missing above it, for all who
    /// share the repository. `top` itself is never made: where it is missing, the drive that held it is gone, and whatever
    /// was made would lie on another file system. `NotFound` then.
    pub fn make_below(top: &Path, path: &Path) -> Result<Self> {
        Self::top(top)?.make(relative(top, path)?)
    }

    /// Opens a directory below this one; none if there is none.
    pub fn find(&self, below: impl AsRef<Path>) -> Result<Option<Self>> {
        let below = below.as_ref();
        match open_directory(&self.open, below.as_os_str().as_bytes()) {
            Ok(open) => Ok(Some(self.at(open, self.path.join(below)))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("open", below, errno)),
        }
    }

    /// Opens a directory below this one, and makes what is missing.
    pub fn make(&self, below: impl AsRef<Path>) -> Result<Self> {
        self.make_with(below, &|made| self.sharing().directory_mode(made))
    }

    /// Opens a directory below this one, and makes what is missing; `mkdir` gives it a mode, and `mode` says what is to
    /// become of that.
    pub fn make_with(&self, below: impl AsRef<Path>, mode: &dyn Fn(u32) -> u32) -> Result<Self> {
        let below = below.as_ref();
        if let Some(found) = self.find(below)? {
            return Ok(found);
        }
        let mut at: Option<Self> = None;
        for name in below {
            let above = at.as_ref().unwrap_or(self);
            at = Some(above.make_child(name, mode)?);
        }
        at.map_or_else(|| self.again(), Ok)
    }

    fn make_child(&self, name: &OsStr, mode: &dyn Fn(u32) -> u32) -> Result<Self> {
        let path = self.path.join(name);
        let made = match mkdirat(&self.open, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            // Also when somebody else makes the same at the same moment.
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(Error::io("create the directory", &path)(errno.into())),
        };
        let open =
            open_child(&self.open, name.as_bytes()).map_err(|errno| self.failed("open", name.as_ref(), errno))?;
        let made_here = self.at(open, path);
        if made {
            let now = made_here.stat()?.st_mode & 0o7777;
            let wanted = mode(now);
            if wanted != now {
                made_here.set_mode(wanted)?;
            }
        }
        Ok(made_here)
    }

    fn again(&self) -> Result<Self> {
        let open = open_directory(&self.open, b"").map_err(|errno| self.failed("open", Path::new(""), errno))?;
        Ok(self.at(open, self.path.clone()))
    }

    /// Where it is, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is known of the directory itself.
    pub(crate) fn stat(&self) -> Result<Stat> {
        rustix::fs::fstat(&self.open).map_err(|errno| Error::io("examine", &self.path)(errno.into()))
    }

    /// Sets the permissions of the directory itself.
    pub fn set_mode(&self, mode: u32) -> Result<()> {
        match rustix::fs::fchmod(&self.open, Mode::from_raw_mode(mode)) {
            // File systems without permissions say so.
            Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(Error::io("set the permissions of", &self.path)(errno.into())),
        }
    }

    /// What has a name here, a link itself and not what it leads to; none if nothing has.
    pub fn kind(&self, name: impl AsRef<OsStr>) -> Option<FileType> {
        let found = statat(&self.open, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileType::from_raw_mode(found.st_mode))
    }

    /// Opens a regular file that is here; none if nothing has that name.
    pub fn open(&self, name: impl AsRef<OsStr>, write: bool) -> Result<Option<File>> {
        let name = name.as_ref();
        let how = if write { OFlags::RDWR } else { OFlags::RDONLY };
        match openat(&self.open, name, FILE | how, Mode::empty()) {
            Ok(file) => self.regular(name, file.into()).map(Some),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
            Err(errno) => Err(self.failed("open", name.as_ref(), errno)),
        }
    }

    /// Opens a regular file below this directory for reading, in one step; none if nothing is there.
    pub fn open_below(&self, below: &Path) -> Result<Option<File>> {
        match open_file_below(&self.open, below.as_os_str().as_bytes(), FILE) {
            Ok(file) => self.regular(below.as_os_str(), file.into()).map(Some),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
            Err(errno) => Err(self.failed("open", below, errno)),
        }
    }

    fn regular(&self, name: &OsStr, file: File) -> Result<File> {
        let path = self.path.join(name);
        match file.metadata().map_err(Error::io("examine", &path))?.is_file() {
            true => Ok(file),
            false => Err(refusal(&path)),
        }
    }

    /// Reads a regular file that is here; none if nothing has that name.
    pub fn read(&self, name: impl AsRef<OsStr>) -> Result<Option<Vec<u8>>> {
        let name = name.as_ref();
        let Some(mut file) = self.open(name, false)? else {
            return Ok(None);
        };
        let mut content = Vec::new();
        file.read_to_end(&mut content)
            .map_err(Error::io("read", &self.path.join(name)))?;
        Ok(Some(content))
    }

    /// Opens a file for appending, and makes it if nothing has that name.
    pub(crate) fn append(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<File> {
        let name = name.as_ref();
        let flags = FILE | OFlags::WRONLY | OFlags::APPEND;
        loop {
            match openat(&self.open, name, flags, Mode::empty()) {
                Ok(file) => return self.regular(name, file.into()),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(self.failed("open", name.as_ref(), errno)),
            }
            match self.create(name, flags, mode) {
                Ok(file) => return Ok(file),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(self.failed("create", name.as_ref(), errno)),
            }
        }
    }

    fn create(&self, name: &OsStr, flags: OFlags, mode: u32) -> rustix::io::Result<File> {
        let flags = flags | FILE | OFlags::CREATE | OFlags::EXCL;
        let made = openat(&self.open, name, flags, Mode::from_raw_mode(mode))?;
        self.share(&made, mode)?;
        Ok(made.into())
    }

    /// Gives a file that was made with `mode` to those who share the repository.
    pub(crate) fn share(&self, file: impl AsFd, mode: u32) -> rustix::io::Result<()> {
        let made = mode & !umask();
        let wanted = self.sharing().file_mode(made);
        if wanted == made {
            return Ok(());
        }
        rustix::fs::fchmod(file, Mode::from_raw_mode(wanted))
    }

    /// Makes a file of a name that nothing has; `AlreadyExists` if something has it.
    pub fn create_new(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<File> {
        Ok(self.create(name.as_ref(), OFlags::RDWR, mode)?)
    }

    /// Makes a file that has no name yet; none where the file system has no such files.
    pub(crate) fn nameless(&self, mode: u32) -> io::Result<Option<File>> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let Ok(made) = openat(&self.open, ".", flags, Mode::from_raw_mode(mode)) else {
            return Ok(None);
        };
        self.share(&made, mode)?;
        Ok(Some(made.into()))
    }

    /// Gives a file of [`Self::nameless`] a name that nothing has; `AlreadyExists` if something has it.
    pub(crate) fn give_name(&self, file: &File, name: impl AsRef<OsStr>) -> io::Result<()> {
        let source = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(linkat(CWD, source, &self.open, name.as_ref(), AtFlags::SYMLINK_FOLLOW)?)
    }

    /// A new file of a name of its own that begins with `prefix`; deleted unless it is given another name.
    pub fn new_file(self: &Arc<Self>, prefix: &str, mode: u32) -> Result<NewFile> {
        self.new_file_between(prefix, "", mode)
    }

    /// The same of a name that also ends in `suffix`.
    pub(crate) fn new_file_between(self: &Arc<Self>, prefix: &str, suffix: &str, mode: u32) -> Result<NewFile> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = OsString::from(format!("{prefix}anabranch-{}-{number}{suffix}", std::process::id()));
            match self.create(&name, OFlags::RDWR, mode) {
                Ok(file) => {
                    return Ok(NewFile {
                        directory: Arc::clone(self),
                        name: Some(name),
                        file,
                    });
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(Error::io("create a file in", &self.path)(errno.into())),
            }
        }
    }

    /// Replaces a file, complete under another name first, so that at no moment there is half a file. On disk when this
    /// returns. A link of that name goes, and what it leads to stays.
    pub fn replace(self: &Arc<Self>, name: impl AsRef<OsStr>, content: &[u8], mode: u32) -> Result<()> {
        let name = name.as_ref();
        let fill = |file: &mut File| {
            let written = file.write_all(content).and_then(|()| file.sync_all());
            written.map_err(Error::io("write", &self.path.join(name)))
        };
        // A kill leaves nothing of a file without a name, which nobody would ever remove.
        if self.kind(name).is_none()
            && let Ok(Some(mut nameless)) = self.nameless(mode)
        {
            fill(&mut nameless)?;
            if self.give_name(&nameless, name).is_ok() {
                return self.sync();
            }
        }
        let mut new = self.new_file(".", mode)?;
        fill(&mut new.file)?;
        new.rename(name)?;
        self.sync()
    }

    /// Refuses what has a name here and is no regular file.
    pub fn refuse_other_than_file(&self, name: impl AsRef<OsStr>) -> Result<()> {
        match self.kind(name.as_ref()) {
            None | Some(FileType::RegularFile) => Ok(()),
            Some(_) => Err(refusal(&self.path.join(name.as_ref()))),
        }
    }

    /// Removes a file or a link that is here; false if nothing has that name.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> Result<bool> {
        let name = name.as_ref();
        match unlinkat(&self.open, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(Error::io("remove", &self.path.join(name))(errno.into())),
        }
    }

    /// Removes an empty directory that is here.
    pub fn remove_directory(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(unlinkat(&self.open, name.as_ref(), AtFlags::REMOVEDIR)?)
    }

    /// Gives what has a name in `from` a name here, in the place of what has it.
    pub fn rename_here(&self, from: impl AsFd, old: &OsStr, new: impl AsRef<OsStr>) -> Result<()> {
        let new = new.as_ref();
        let renamed = renameat(from, old, &self.open, new).and_then(|()| sync_renamed(&self.open, new));
        renamed.map_err(|errno| self.failed("rename", new.as_ref(), errno))
    }

    /// The names of all that is here.
    pub(crate) fn names(&self) -> Result<Vec<(OsString, FileType)>> {
        let failed = |errno: Errno| Error::io("list", &self.path)(errno.into());
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.open).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                let name = OsString::from_vec(name.to_vec());
                let told = entry.file_type();
                let kind = match told == FileType::Unknown {
                    // Not every file system tells it along.
                    true => self.kind(&name).unwrap_or(told),
                    false => told,
                };
                names.push((name, kind));
            }
        }
        Ok(names)
    }

    /// Removes all that is in it. What cannot be removed only takes space.
    pub(crate) fn empty(&self) {
        for (name, kind) in self.names().unwrap_or_default() {
            if kind == FileType::Directory {
                if let Ok(Some(below)) = self.find(&name) {
                    below.empty();
                }
                let _ = self.remove_directory(&name);
            } else {
                let _ = self.remove(&name);
            }
        }
    }

    /// Makes what happened to names here durable.
    pub fn sync(&self) -> Result<()> {
        match sync_directory(&self.open) {
            // A file system that cannot sync a directory keeps names in order by itself or not at all.
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            Err(errno) => Err(Error::io("write to disk", &self.path)(errno.into())),
        }
    }

    /// Makes all that was written to its file system durable.
    pub fn sync_file_system(&self) -> Result<()> {
        let synced = crate::durable::sync_file_system(&self.open);
        synced.map_err(|errno| Error::io("write to disk", &self.path)(errno.into()))
    }

    /// The error of an operation on something below, which names what is in the way if a link is, or a file.
    pub(crate) fn failed(&self, doing: &'static str, below: &Path, errno: Errno) -> Error {
        let path = self.path.join(below);
        if !matches!(errno, Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO) {
            return Error::io(doing, &path)(errno.into());
        }
        let mut at = self.path.clone();
        for name in below {
            at.push(name);
            let is_directory = at.symlink_metadata().is_ok_and(|found| found.is_dir());
            if !is_directory {
                break;
            }
        }
        refusal(&at)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.open.as_fd()
    }
}

/// Syncs a renamed file again on vfat. There the new name keeps the size and location of the file that it replaced, or none,
/// until the kernel writes the inode, up to half a minute later (`vfat_rename` in Linux 6.12).
fn sync_renamed(directory: &OwnedFd, name: &OsStr) -> rustix::io::Result<()> {
    const VFAT: u64 = 0x4d44;
    if file_system(directory) != Some(VFAT) {
        return Ok(());
    }
    rustix::fs::fsync(openat(directory, name, FILE | OFlags::RDONLY, Mode::empty())?)
}

/// The type of a file system, as in statfs(2); none if it is unknown.
pub(crate) fn file_system(directory: impl AsFd) -> Option<u64> {
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "the type differs between architectures"
    )]
    rustix::fs::fstatfs(directory).ok().map(|found| found.f_type as u64)
}

/// A file that is being written in a directory, under a name of its own; deleted when dropped before it got another one.
#[derive(Debug)]
pub struct NewFile {
    directory: Arc<Directory>,
    /// None when it has its final one.
    name: Option<OsString>,
    file: File,
}

impl NewFile {
    /// The file, for writing and reading.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Where it lies, for messages.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path.join(self.name.as_deref().unwrap_or_default())
    }

    /// The file alone; its name goes.
    pub(crate) fn into_file(mut self) -> io::Result<File> {
        let own = self.name.take().unwrap_or_default();
        unlinkat(&self.directory.open, &own, AtFlags::empty())?;
        self.file.try_clone()
    }

    /// Opens it once more, for reading.
    pub(crate) fn reopen(&self) -> io::Result<File> {
        let own = self.name.as_deref().unwrap_or_default();
        Ok(openat(&self.directory.open, own, FILE | OFlags::RDONLY, Mode::empty())?.into())
    }

    /// Gives it a name in its directory, in the place of what has it.
    pub fn rename(self, name: impl AsRef<OsStr>) -> Result<()> {
        let directory = Arc::clone(&self.directory);
        self.rename_into(&directory, name)
    }

    /// Gives it a name in its directory that nothing has; `AlreadyExists` if something has it.
    pub(crate) fn rename_new(mut self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let own = self.name.take().unwrap_or_default();
        let directory = &self.directory.open;
        if let Err(errno) = renameat_with(directory, &own, directory, name.as_ref(), RenameFlags::NOREPLACE) {
            self.name = Some(own);
            return Err(errno.into());
        }
        sync_renamed(directory, name.as_ref())?;
        self.file.try_clone()
    }

    /// Gives it a name in another directory of the same file system, in the place of what has it.
    pub(crate) fn rename_into(mut self, directory: &Directory, name: impl AsRef<OsStr>) -> Result<()> {
        let Some(own) = self.name.take() else { return Ok(()) };
        let renamed = directory.rename_here(&self.directory.open, &own, name);
        if renamed.is_err() {
            self.name = Some(own);
        }
        renamed
    }
}

impl Write for NewFile {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.file.write(content)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            let _ = self.directory.remove(name);
        }
    }
}

/// Says that something is not what it must be.
fn refusal(path: &Path) -> Error {
    let shown = path.display();
    Error::Refused(match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => format!(
            "{shown} is a link, which could lead anywhere, so Anabranch does not follow it; nothing was changed, there or where it leads. Remove the link, and Anabranch goes on by itself"
        ),
        _ => format!(
            "{shown} is in the way of something that Anabranch needs there; nothing was changed. Move it away, and Anabranch goes on by itself"
        ),
    })
}

fn relative<'p>(top: &Path, path: &'p Path) -> Result<&'p Path> {
    path.strip_prefix(top)
        .map_err(|_| Error::io("open", path)(ErrorKind::InvalidInput.into()))
}

#[cfg(test)]
mod tests;
