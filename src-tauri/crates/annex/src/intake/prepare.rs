//! What is to be staged for one file: found out by reading it, while nothing else changes.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use model::{Key, Oid, RepoPath};
use rustix::fs::{AtFlags, readlinkat, statat};
use sha1::{Digest, Sha1};

use super::reading::{self, unreadable};
use super::{IntakeOptions, Postponed, StagedAs};
use crate::conversions::{Conversion, Conversions};
use crate::index::{EXECUTABLE, REGULAR};
use crate::lease::is_being_written;
use crate::look::{Candidate, Prior};
use crate::objects::{LARGE, Made, directory};
use crate::openat::Directories;
use crate::pointer::{MAX_POINTER, is_edited_pointer, key_of_pointer, key_of_symlink, pointer_for, symlink_target};
use crate::stat::{Stat, is_younger};
use crate::store::{Incoming, Ingested, Making, Store};
use crate::{Backend, Error, HashVerdict, Verifier, naming};

/// A file of the work tree, read.
pub(super) struct Prepared {
    pub(super) path: RepoPath,
    pub(super) prior: Option<Prior>,
    /// What the file was when it was found unchanged after reading.
    pub(super) stat: Stat,
    pub(super) content: GitForm,
}

/// What stands for a file in git.
pub(super) enum GitForm {
    /// The same as under the file's old name.
    Renamed(Prior),
    /// These bytes: a pointer file, as it is.
    Pointer(Vec<u8>),
    /// These bytes, for git itself to keep.
    Git(Vec<u8>),
    /// The same, too many for memory: a blob already.
    LargeGit(Made),
    /// What git makes of the file, by filters and conversions of its own; none until it has.
    ByGit(Conversion, Option<Oid>),
    /// A symlink to this target.
    Symlink(Vec<u8>),
    /// An annexed symlink that leads elsewhere than it must from where it lies now: to be replaced by this target.
    Misplaced(Vec<u8>),
    /// The pointer to this key, or the symlink to its object.
    Annexed(Annexed),
}

/// Content that has been hashed and waits to become an object.
pub(super) struct Annexed {
    pub(super) key: Key,
    pub(super) incoming: Option<Incoming>,
    /// The object is the same inode as the file.
    pub(super) is_linked: bool,
    pub(super) is_unlocked: bool,
    /// The permissions that the file had before it was write-protected.
    pub(super) permissions: Option<u32>,
}

/// All that reading files needs, shared by the threads that do.
#[derive(Clone, Copy)]
pub(super) struct Preparing<'a> {
    pub(super) store: &'a Store<'a>,
    pub(super) conversions: &'a Conversions,
    pub(super) options: &'a IntakeOptions<'a>,
    pub(super) root: &'a OwnedFd,
    pub(super) top: &'a Path,
    pub(super) now: SystemTime,
    pub(super) has_symlinks: bool,
    /// Enough space is free for all files together, so that it need not be asked for each.
    pub(super) is_roomy: bool,
    /// The bytes of files for git that are in memory.
    pub(super) in_memory: &'a AtomicU64,
}

/// So many bytes of files for git are kept in memory; those that are read after become blobs at once.
const MOST_IN_MEMORY: u64 = 64 << 20;

impl Preparing<'_> {
    /// Reads one file, for which `staged` is staged now. None if it is to be left alone.
    pub(super) fn prepare(
        &self,
        directories: &mut Directories<'_>,
        candidate: &Candidate,
        staged: Option<&StagedAs>,
    ) -> Result<Option<Prepared>, Postponed> {
        if self.options.cancelled.load(Ordering::Relaxed) {
            return Err(Postponed::Changed);
        }
        let path = &candidate.path;
        let delay = self.options.settings.delayadd;
        if is_younger(candidate.stat.ctime, self.now, delay) {
            return Err(Postponed::TooYoung(delay));
        }
        let (directory, name) = directories.of(path.as_bytes()).map_err(|_| Postponed::Vanished)?;
        let read = match candidate.stat.is_symlink() {
            true => Some((candidate.stat, self.symlink(directory, name, candidate)?)),
            false => self.file(directory, name, candidate, staged)?,
        };
        Ok(read.map(|(stat, content)| Prepared {
            path: path.clone(),
            prior: candidate.prior,
            stat,
            content,
        }))
    }

    /// Reads a regular file, unless it only has another name than before.
    fn file(
        &self,
        directory: &OwnedFd,
        name: &[u8],
        candidate: &Candidate,
        staged: Option<&StagedAs>,
    ) -> Result<Option<(Stat, GitForm)>, Postponed> {
        let conversion = self.conversions.of(&candidate.path).map_err(Postponed::Undecided)?;
        let must_be_read = conversion.changes_on_the_way_in() || self.may_have_been_converted(candidate);
        if let Some(known) = candidate.known.filter(|_| !must_be_read) {
            check_unchanged(directory, name, &candidate.stat)?;
            return Ok(Some((candidate.stat, GitForm::Renamed(known))));
        }
        reading::wait_until_datable(&candidate.stat, self.now)?;
        let opened = Opened {
            preparing: self,
            directory,
            name,
            candidate,
            file: reading::open(directory, name, &candidate.stat)?,
        };
        opened.read(conversion, staged)
    }

    /// True if a file for git of this size is not kept in memory until the blobs are made.
    fn is_blob_at_once(&self, size: u64) -> bool {
        size >= LARGE || self.in_memory.fetch_add(size, Ordering::Relaxed) > MOST_IN_MEMORY
    }

    /// Makes a blob of a file in parts.
    fn large(&self, file: &File, size: u64) -> Result<GitForm, Postponed> {
        let mut source = Cancellable {
            file,
            cancelled: self.options.cancelled,
        };
        let made = self
            .store
            .annex()
            .git()
            .and_then(|git| directory(&git))
            .and_then(|objects| Made::of(&Arc::new(objects), &mut source, size));
        match made {
            Ok(Ok(made)) => Ok(GitForm::LargeGit(made)),
            Ok(Err(error)) => {
                let is_changed = [
                    ErrorKind::UnexpectedEof,
                    ErrorKind::InvalidData,
                    ErrorKind::ConnectionAborted,
                ];
                Err(match is_changed.contains(&error.kind()) {
                    true => Postponed::Changed,
                    false => Postponed::Unreadable(error.to_string()),
                })
            }
            Err(error) => Err(Postponed::NotStored(error.to_string())),
        }
    }

    /// True if git may have other bytes of a renamed file than the file has: it was converted under the name that it had.
    fn may_have_been_converted(&self, candidate: &Candidate) -> bool {
        candidate
            .known
            .is_some_and(|known| self.conversions.may_have_made(known.oid))
    }

    /// The backend for new content at a path.
    fn backend(&self, path: &RepoPath) -> Result<String, Postponed> {
        let attribute = (self.options.backend)(path).map_err(Postponed::Undecided)?;
        let named = attribute.filter(|name| Backend::parse(name.as_bytes()).is_some());
        Ok(named.unwrap_or_else(|| self.options.settings.backend.clone()))
    }

    fn symlink(&self, directory: &OwnedFd, name: &[u8], candidate: &Candidate) -> Result<GitForm, Postponed> {
        let target = readlinkat(directory, name, Vec::new()).map_err(|_| Postponed::Changed)?;
        let target = target.into_bytes();
        check_unchanged(directory, name, &candidate.stat)?;
        Ok(match key_of_symlink(&target) {
            Some(key) => {
                let proper = symlink_target(&candidate.path, &key);
                match proper == target {
                    true => GitForm::Symlink(target),
                    false => GitForm::Misplaced(proper),
                }
            }
            None => GitForm::Symlink(target),
        })
    }
}

/// A regular file that is open and is read.
struct Opened<'a> {
    preparing: &'a Preparing<'a>,
    directory: &'a OwnedFd,
    name: &'a [u8],
    candidate: &'a Candidate,
    file: File,
}

impl Opened<'_> {
    /// Finds out where the file belongs, and reads it for that. Returns what the file was when it was found unchanged; none
    /// if it is to be left alone.
    fn read(&self, conversion: Conversion, staged: Option<&StagedAs>) -> Result<Option<(Stat, GitForm)>, Postponed> {
        let Candidate { path, stat: seen, .. } = self.candidate;
        let settings = self.preparing.options.settings;
        let staged = match staged {
            Some(StagedAs::Pointer(key)) => Some(key),
            // The user has unlocked it: git-annex puts the content in place before it stages the pointer.
            Some(StagedAs::Symlink(key)) if self.is_content_of(key)? => Some(key),
            Some(StagedAs::Symlink(_)) | None => None,
        };
        let start = start_of(&self.file, seen.size)?;
        if is_edited_pointer(&start, staged) {
            return Err(Postponed::EditedPointer);
        }
        let is_wanted_in_git = settings.add_small_files || self.candidate.prior.is_some();
        if conversion.is_gits() {
            return match self.preparing.conversions.obstacle(&conversion) {
                Some(why) => Err(Postponed::Unconverted(why)),
                None => Ok(is_wanted_in_git.then_some((*seen, GitForm::ByGit(conversion, None)))),
            };
        }
        if seen.size <= MAX_POINTER as u64 && key_of_pointer(&start).is_some() {
            return self.unchanged(GitForm::Pointer(start)).map(Some);
        }
        if (settings.dotfiles || !path.is_dotfile()) && self.is_large(staged)? {
            return self.annexed(staged).map(Some);
        }
        match is_wanted_in_git {
            true => self.kept_in_git(conversion).map(Some),
            false => Ok(None),
        }
    }

    /// Reads the file for git to keep.
    fn kept_in_git(&self, conversion: Conversion) -> Result<(Stat, GitForm), Postponed> {
        let seen = self.candidate.stat;
        if conversion.changes_on_the_way_in() {
            return Ok((seen, GitForm::ByGit(conversion, None)));
        }
        if self.preparing.is_blob_at_once(seen.size) {
            return self.unchanged(self.preparing.large(&self.file, seen.size)?);
        }
        let mut content = Vec::with_capacity(usize::try_from(seen.size).unwrap_or(0));
        let read = (&self.file).take(seen.size).read_to_end(&mut content);
        read.map_err(|error| Postponed::Unreadable(error.to_string()))?;
        self.unchanged(GitForm::Git(content))
    }

    /// Reads the file for the annex, unlocked or locked, under a key of the backend that its path has.
    fn annexed(&self, staged: Option<&Key>) -> Result<(Stat, GitForm), Postponed> {
        let (path, size, options) = (&self.candidate.path, self.candidate.stat.size, self.preparing.options);
        let is_unlocked = staged.is_some()
            || !self.preparing.has_symlinks
            || (options.is_unlocked)(path, size, &self.file).map_err(Postponed::Undecided)?;
        let mut backend = self.preparing.backend(path)?;
        if let Some(key) = staged
            && *key.backend() != backend
            && self.is_content_of(key)?
        {
            // It was only touched: under another key it would have to be sent everywhere again.
            if self.preparing.store.is_present(key) {
                return self.unchanged(GitForm::Pointer(pointer_for(key)));
            }
            backend = key.backend().to_string();
        }
        let (stat, annexed) = self.annex(staged, &backend, is_unlocked)?;
        Ok((stat, GitForm::Annexed(annexed)))
    }

    /// Stores the content of the file, write-protecting the file first if it is to be locked.
    fn annex(&self, staged: Option<&Key>, named: &str, is_unlocked: bool) -> Result<(Stat, Annexed), Postponed> {
        let Candidate { path, stat: seen, .. } = self.candidate;
        let settings = self.preparing.options.settings;
        let Some((backend, _)) = Backend::parse(named.as_bytes()) else {
            return Err(Postponed::NotStored(format!("its backend {named} cannot be computed")));
        };
        let wants_link = !is_unlocked || settings.thin && !seen.is_executable();
        if !wants_link && !self.preparing.is_roomy {
            let reserve = self.preparing.store.check_reserve(seen.size, settings.diskreserve);
            reserve.map_err(|error| Postponed::NotStored(error.to_string()))?;
        }
        let permissions = match is_unlocked {
            true => None,
            false => self.protect(),
        };
        let is_protected = permissions.is_some() || seen.mode & 0o222 == 0;
        let full = self.preparing.top.join(path.as_path());
        let making = match wants_link && (is_unlocked || is_protected) {
            true => Making::Link(&full),
            false => Making::Copy,
        };
        let ingested = self.ingest(backend, making, permissions.is_some());
        if let (Err(_), Some(open)) = (&ingested, permissions) {
            let _ = self.file.set_permissions(Permissions::from_mode(open));
        }
        let (now, ingested) = ingested?;
        let extension = naming::extension(path, settings.max_extension_length, settings.max_extensions);
        // Content that is the same keeps its key, under whatever name: it would have to be sent everywhere again.
        let same = staged.filter(|key| naming::is_of(key, named, &ingested.digest, ingested.size));
        let annexed = Annexed {
            key: same.map_or_else(
                || naming::key_for(named, &ingested.digest, ingested.size, &extension),
                Key::clone,
            ),
            incoming: Some(ingested.incoming),
            is_linked: ingested.linked,
            is_unlocked,
            permissions,
        };
        Ok((now, annexed))
    }

    /// Write-protects the file. Returns the permissions that it had; none for somebody else's file, which cannot be
    /// protected, so it is copied.
    fn protect(&self) -> Option<u32> {
        let open = self.candidate.stat.mode & 0o7777;
        let protected = self.file.set_permissions(Permissions::from_mode(open & !0o222));
        protected.is_ok().then_some(open)
    }

    /// Hashes and stores the content of the file in one pass; `protected` if the file was write-protected before. Returns
    /// what the file was when it was found unchanged.
    fn ingest(&self, backend: Backend, making: Making<'_>, protected: bool) -> Result<(Stat, Ingested), Postponed> {
        let mut expected = self.candidate.stat;
        if protected {
            expected.mode &= !0o222;
            // A writer that came before the protection would write into the object.
            if is_being_written(&self.file) {
                return Err(Postponed::BeingWritten);
            }
        }
        let cancelled = Some(self.preparing.options.cancelled);
        let ingested = self.preparing.store.ingest(&self.file, backend, making, cancelled);
        let ingested = ingested.map_err(|error| match matches!(error, Error::Busy(_)) {
            true => Postponed::Changed,
            false => Postponed::NotStored(error.to_string()),
        })?;
        let now = statat(self.directory, self.name, AtFlags::SYMLINK_NOFOLLOW).map_err(|_| Postponed::Vanished)?;
        let now = Stat::from(now);
        // Protecting and linking change the inode's time themselves.
        let is_same = match ingested.linked || protected {
            true => now.is_same_file(&expected),
            false => now == expected,
        };
        match is_same && ingested.size == expected.size {
            true => Ok((now, ingested)),
            false => Err(Postponed::Changed),
        }
    }

    /// True if the file is to be annexed. One that git itself keeps stays there until `annex.largefiles` says otherwise of it,
    /// and as long as it is only touched, as with git-annex's own filter.
    fn is_large(&self, staged: Option<&Key>) -> Result<bool, Postponed> {
        let Candidate { path, stat, prior, .. } = self.candidate;
        let kept_in_git = prior.filter(|prior| staged.is_none() && matches!(prior.mode, REGULAR | EXECUTABLE));
        let said = (self.preparing.options.is_large)(path, stat.size, &self.file).map_err(Postponed::Undecided)?;
        match (said, kept_in_git) {
            (None, kept) => Ok(kept.is_none()),
            (Some(true), Some(prior)) => {
                let mut hasher = Sha1::new();
                hasher.update(format!("blob {}\0", stat.size));
                each_part(&self.file, &mut |part| hasher.update(part))?;
                Ok(hasher.finalize()[..] != prior.oid.0)
            }
            (Some(large), _) => Ok(large),
        }
    }

    /// True if the file holds the content of a key: by its hash, or, where the key has none, because it is the same as the
    /// object.
    fn is_content_of(&self, key: &Key) -> Result<bool, Postponed> {
        let (file, seen) = (&self.file, &self.candidate.stat);
        if key.size().is_some_and(|size| size != seen.size) {
            return Ok(false);
        }
        let mut verifier = Verifier::for_key(key);
        each_part(file, &mut |part| verifier.update(part))?;
        match verifier.finish() {
            HashVerdict::Matches => return Ok(true),
            HashVerdict::Wrong => return Ok(false),
            HashVerdict::SizeOnly => {}
        }
        let Ok(object) = self.preparing.store.open(key) else {
            return Ok(false);
        };
        let found = rustix::fs::fstat(&object).map(Stat::from).map_err(unreadable)?;
        // A file that is the object itself is the same however it was changed.
        if found.size != seen.size || (found.dev, found.ino) == (seen.dev, seen.ino) {
            return Ok(false);
        }
        let (mut at, mut is_same, mut theirs) = (0, true, Vec::new());
        each_part(file, &mut |part| {
            theirs.resize(part.len(), 0);
            is_same &= object.read_exact_at(&mut theirs, at).is_ok() && theirs == part;
            at += part.len() as u64;
        })?;
        Ok(is_same)
    }

    /// What was read, if the file still is what it was before.
    fn unchanged(&self, content: GitForm) -> Result<(Stat, GitForm), Postponed> {
        check_unchanged(self.directory, self.name, &self.candidate.stat)?;
        Ok((self.candidate.stat, content))
    }
}

fn check_unchanged(directory: &OwnedFd, name: &[u8], seen: &Stat) -> Result<(), Postponed> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map(Stat::from) {
        Ok(now) if now == *seen => Ok(()),
        Ok(_) => Err(Postponed::Changed),
        Err(rustix::io::Errno::NOENT) => Err(Postponed::Vanished),
        Err(errno) => Err(unreadable(errno)),
    }
}

/// A file that is read until that is cancelled.
struct Cancellable<'f> {
    file: &'f File,
    cancelled: &'f AtomicBool,
}

impl Read for Cancellable<'_> {
    fn read(&mut self, part: &mut [u8]) -> std::io::Result<usize> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        self.file.read(part)
    }
}

/// Gives all of a file to `look`, in parts. The file's position stays at its start.
fn each_part(file: &File, look: &mut dyn FnMut(&[u8])) -> Result<(), Postponed> {
    let (mut buffer, mut at) = (vec![0; 1 << 18], 0);
    loop {
        match rustix::io::pread(file, &mut buffer[..], at) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                look(&buffer[..n]);
                at += n as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(unreadable(errno)),
        }
    }
}

/// The start of a file, as much as can be a pointer. The file's position stays at its start.
fn start_of(file: &File, size: u64) -> Result<Vec<u8>, Postponed> {
    let most = usize::try_from(size).unwrap_or(MAX_POINTER).min(MAX_POINTER);
    let mut content = vec![0; most];
    let mut filled = 0;
    loop {
        match rustix::io::pread(file, &mut content[filled..], filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(unreadable(errno)),
        }
    }
    content.truncate(filled);
    Ok(content)
}
