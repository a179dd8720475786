//! Why one path is not synced, or not now.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use bstr::ByteSlice;
use model::RepoPath;
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use super::{Walk, has_repository, is_of_file_system, told};
use crate::ignore::{IgnoreRule, RulesFile};
use crate::index::{EntryRef, GITLINK};
use crate::lease::is_being_written;
use crate::openat::{open_child, open_directory, open_file};
use crate::pointer::{MAX_POINTER, is_edited_pointer, key_of_pointer};
use crate::stat::Stat;

/// How it stands with a path in the work tree, the index and the rules of what is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is tracked, and nothing keeps it from being taken in as it is.
    Tracked,
    /// It is tracked, and differs from its index entry.
    Changed,
    /// It is not tracked, and nothing keeps it from being added.
    New,
    /// A process has it open for writing.
    BeingWritten,
    /// It is a pointer that a program has edited before its content came.
    EditedPointer,
    /// It is tracked, and gone from the work tree.
    Deleted,
    /// It is neither there nor tracked.
    Gone,
    /// git ignores it, or a directory that it is in.
    Ignored {
        /// The file that says so, from the top of the work tree if it is in it.
        by: PathBuf,
        /// The line there, from 1.
        line: usize,
    },
    /// This directory is a git repository of its own; the path is it or lies in it.
    Nested(PathBuf),
    /// It is a directory.
    Directory,
    /// It is no file, but this.
    Special(&'static str),
    /// The file system keeps it for a program that has it open, and removes it by itself.
    Passing,
    /// The system does not let it be read, for this reason.
    Unreadable(String),
}

impl Walk<'_> {
    /// Says how it stands with one path.
    pub(in crate::look) fn standing(mut self, path: &RepoPath) -> Standing {
        let path = path.as_bytes();
        let entry = self.entries.iter(&self.entries.file(path)).next();
        let is_new = entry.is_none() && self.entries.is_empty(&self.entries.below(path));
        match self.enter_above(path, is_new) {
            Ok((directory, name)) => self.of_name(&directory, path, name, entry.as_ref(), is_new),
            Err(standing) => standing,
        }
    }

    /// Enters all directories on the way to a path. Returns the last of them and the name there, or how it stands with the
    /// path if the way tells.
    fn enter_above<'p>(&mut self, path: &'p [u8], is_new: bool) -> Result<(OwnedFd, &'p [u8]), Standing> {
        let mut directory = open_directory(&self.root, b"").map_err(unreadable)?;
        let mut start = 0;
        self.enter(&directory, &path[..start], is_new)?;
        while let Some(end) = path[start..].find_byte(b'/').map(|slash| start + slash) {
            let above = &path[..end];
            if is_new && let Some(rule) = self.ignore.rule(above, true) {
                return Err(self.ignored(rule, path));
            }
            directory = open_child(&directory, &path[start..end]).map_err(|errno| match errno {
                Errno::NOENT | Errno::NOTDIR => absent(is_new),
                errno => unreadable(errno),
            })?;
            if is_new && has_repository(&directory) {
                return Err(Standing::Nested(shown(above)));
            }
            start = end + 1;
            self.enter(&directory, &path[..start], is_new)?;
        }
        Ok((directory, &path[start..]))
    }

    /// How it stands with a path, by what has its name in its directory.
    fn of_name(
        &self,
        directory: &OwnedFd,
        path: &[u8],
        name: &[u8],
        entry: Option<&EntryRef<'_>>,
        is_new: bool,
    ) -> Standing {
        let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Stat::from(stat),
            Err(Errno::NOENT) => return absent(is_new),
            Err(errno) => return unreadable(errno),
        };
        let kind = FileType::from_raw_mode(stat.mode);
        let special = match kind {
            FileType::Fifo => Some("a pipe (fifo)"),
            FileType::Socket => Some("a socket"),
            FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
            FileType::RegularFile | FileType::Directory | FileType::Symlink | FileType::Unknown => None,
        };
        if let Some(special) = special {
            return Standing::Special(special);
        }
        let is_directory = kind == FileType::Directory;
        if is_new && let Some(rule) = self.ignore.rule(path, is_directory) {
            return self.ignored(rule, path);
        }
        if is_directory {
            let is_nested = open_child(directory, name).is_ok_and(|inside| has_repository(&inside));
            return match is_nested {
                true => Standing::Nested(shown(path)),
                false => Standing::Directory,
            };
        }
        if is_new && is_of_file_system(name) {
            return Standing::Passing;
        }
        if kind == FileType::RegularFile {
            match open_file(directory, name) {
                Ok(file) => {
                    if let Some(standing) = self.of_file(&File::from(file), entry, &stat) {
                        return standing;
                    }
                }
                Err(errno) => return unreadable(errno),
            }
        }
        match entry {
            _ if is_new => Standing::New,
            Some(entry) if self.has_changed(entry, &stat) => Standing::Changed,
            Some(_) | None => Standing::Tracked,
        }
    }

    /// True if the stat data of a file differ from its index entry.
    fn has_changed(&self, entry: &EntryRef<'_>, stat: &Stat) -> bool {
        entry.mode != GITLINK && !entry.is_not_looked_at() && !entry.is_of(stat, self.trust_ctime)
    }

    /// Enters a directory on the way to a path; fails if the path is new and it is not known what is ignored there.
    fn enter(&mut self, directory: &OwnedFd, path: &[u8], is_new: bool) -> Result<(), Standing> {
        if self.enter_rules(directory, path, is_new) || !is_new {
            return Ok(());
        }
        match self.look.unreadable.pop() {
            Some((rules, why)) => Err(Standing::Unreadable(format!("of {}, {why}", rules.display()))),
            None => Ok(()),
        }
    }

    /// What only a file itself tells.
    fn of_file(&self, file: &File, entry: Option<&EntryRef<'_>>, stat: &Stat) -> Option<Standing> {
        if is_being_written(file) {
            return Some(Standing::BeingWritten);
        }
        if entry.is_some_and(|entry| self.is_unchanged(entry, stat)) {
            return None;
        }
        let mut start = vec![0; usize::try_from(stat.size).unwrap_or(MAX_POINTER).min(MAX_POINTER)];
        let read = rustix::io::pread(file, &mut start, 0).ok()?;
        start.truncate(read);
        let staged = entry.and_then(|entry| self.blob(entry));
        let staged = staged.and_then(|blob| key_of_pointer(blob.data()));
        is_edited_pointer(&start, staged.as_ref()).then_some(Standing::EditedPointer)
    }

    fn ignored(&self, rule: IgnoreRule, path: &[u8]) -> Standing {
        let by = match rule.file {
            RulesFile::Gitignore(prefix) => shown(&[&path[..prefix], b".gitignore"].concat()),
            RulesFile::Exclude => PathBuf::from(".git/info/exclude"),
            RulesFile::ExcludesFile => self.excludes_file.clone().unwrap_or_default(),
        };
        Standing::Ignored { by, line: rule.line }
    }
}

fn absent(is_new: bool) -> Standing {
    match is_new {
        true => Standing::Gone,
        false => Standing::Deleted,
    }
}

fn unreadable(errno: Errno) -> Standing {
    Standing::Unreadable(told(errno))
}

fn shown(path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(std::ffi::OsString::from_vec(path.to_owned()))
}
