mod halves;
mod pointers;
mod rules;
mod standing;
mod tracked;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use bstr::ByteSlice;
use git2::{Odb, OdbObject, Repository};
use model::{Key, RepoPath};
use rustix::fs::{AtFlags, FileType, RawDir, statat};
use rustix::io::Errno;

use super::{Candidate, Look, Nested, Prior, Removed, RootState, Scope};
use crate::ignore::Ignore;
use crate::index::{EXECUTABLE, Entries, EntryRef, GITLINK, Index, REGULAR, SYMLINK, Span};
use crate::oid::to_git;
use crate::openat::{is_spelt_so, open_child, open_directory};
use crate::pointer::{POINTER_SIZES, key_of_pointer, key_of_symlink, leads_to_objects};
use crate::stat::{FileTime, Stat};
use crate::{Annex, Error, Result, Store};

use halves::Half;
pub(super) use halves::everything;
pub use standing::Standing;
use tracked::Tracked;

/// Directories nested deeper are not entered: each costs an open file, and no person makes them.
const MAX_DEPTH: usize = 400;

/// What each file system keeps at its top for its own repairs, readable for root alone.
const LOST_AND_FOUND: &[u8] = b"lost+found";

const NEITHER: &str = "it is neither a file nor a directory now";

/// One pass over the work tree.
pub(super) struct Walk<'i> {
    root: OwnedFd,
    store: Store<'i>,
    objects: Odb<'i>,
    entries: Entries<'i>,
    written_at: FileTime,
    trust_ctime: bool,
    trust_mode: bool,
    ignore: Ignore,
    excludes_file: Option<PathBuf>,
    listing: Vec<MaybeUninit<u8>>,
    /// Directories that lack tracked files, which have another device number than the directory has, and what to tell of
    /// it: either the files were deleted, or their file system is not mounted now, or one is that hides them.
    emptied: Vec<(Vec<u8>, Span, u32, &'static str)>,
    renumbered: BTreeMap<u32, u32>,
    half: Half,
    look: Look,
}

/// An open directory on the way to a path.
struct Level {
    /// Its path with a slash at the end; nothing at the top.
    path: Vec<u8>,
    directory: OwnedFd,
    /// False where only tracked files matter.
    adds: bool,
    /// How many lists of rules were in force before those of this directory.
    rules: usize,
}

/// Where names are looked at: in an open directory.
#[derive(Clone, Copy)]
struct Within<'d> {
    directory: &'d OwnedFd,
    /// Where the names begin in their paths.
    start: usize,
    /// False where only tracked files matter.
    adds: bool,
    depth: usize,
}

/// What is known of a name before it is looked at.
#[derive(Clone, Copy)]
enum Listed {
    Absent,
    As(FileType),
}

impl<'i> Walk<'i> {
    pub(super) fn new(annex: &'i Annex, git: &'i Repository, top: &Path, index: &'i Index) -> Result<Self> {
        let config = git
            .config()
            .and_then(|mut config| config.snapshot())
            .map_err(Error::git("read the configuration"))?;
        let flag = |name: &str, default| config.get_bool(name).unwrap_or(default);
        let excludes_file = config.get_path("core.excludesFile").ok().or_else(default_excludes_file);
        // As long as it is not known what they ignore, nothing can be looked at.
        let read = |path: &Path| match std::fs::read(path) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory
                ) =>
            {
                Ok(Vec::new())
            }
            read => read.map_err(Error::io("read", path)),
        };
        let root = rustix::fs::open(
            top,
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .map_err(|errno| Error::io("open", top)(errno.into()))?;
        Ok(Self {
            root,
            store: annex.store(),
            objects: git.odb().map_err(Error::git("open the objects"))?,
            entries: index.entries(),
            written_at: index.written_at,
            trust_ctime: flag("core.trustctime", true),
            trust_mode: flag("core.fileMode", true),
            ignore: Ignore::new(
                &read(&git.commondir().join("info/exclude"))?,
                &excludes_file.as_deref().map(read).transpose()?.unwrap_or_default(),
                flag("core.ignoreCase", false),
            ),
            excludes_file,
            listing: vec![MaybeUninit::uninit(); 32 << 10],
            emptied: Vec::new(),
            renumbered: BTreeMap::new(),
            half: Half::Both,
            look: Look::empty(RootState::Same),
        })
    }

    /// Looks, and says what was found, with the top of the work tree that it was found in.
    pub(super) fn over(mut self, scope: &Scope) -> (Look, OwnedFd) {
        let paths = match scope {
            Scope::Everything => None,
            Scope::Paths(paths) => looked_at(paths),
        };
        match paths {
            Some(paths) => {
                let mut way = Vec::new();
                paths.iter().for_each(|path| self.path(path.as_bytes(), &mut way));
            }
            None => self.everything(),
        }
        self.finish()
    }

    fn finish(mut self) -> (Look, OwnedFd) {
        for (path, range, device, reason) in std::mem::take(&mut self.emptied) {
            let old = self.entries.iter(&range).next().map(|entry| entry.dev);
            if old.and_then(|old| self.renumbered.get(&old)) == Some(&device) {
                self.remove(range);
            } else {
                self.unreadable(&path, reason.to_owned());
            }
        }
        self.look.nested.sort();
        self.look.nested.dedup();
        self.look.renumbered = self.renumbered.into_iter().collect();
        (self.look, self.root)
    }

    fn everything(&mut self) {
        match open_directory(&self.root, b"") {
            Ok(root) => self.directory(&root, &mut Vec::new(), self.entries.all(), true, 0),
            Err(errno) if self.half.reports_on(b"") => self.unreadable(b"", told(errno)),
            Err(_) => {}
        }
    }

    /// Looks at one path; where something on the way to it is no directory (any more), at that. `way` leads to the path
    /// before, of which all directories that the two share are still open.
    fn path(&mut self, path: &[u8], way: &mut Vec<Level>) {
        while let Some(level) = way.pop_if(|level| !path.starts_with(&level.path)) {
            self.ignore.leave_to(level.rules);
        }
        if way.is_empty() {
            match open_directory(&self.root, b"") {
                Ok(root) => way.push(self.level(root, &[], true)),
                Err(errno) => return self.unreadable(b"", told(errno)),
            }
        }
        while let Some(level) = way.last() {
            let at = level.path.len();
            let Some(end) = path[at..].find_byte(b'/').map(|slash| at + slash) else {
                return self.single(&level.directory, path, at, level.adds);
            };
            let adds = level.adds && !self.ignore.covers(&path[..end], true);
            match open_child(&level.directory, &path[at..end]) {
                Ok(_) if !is_spelt_so(&level.directory, &path[at..end]) => {
                    return self.single(&level.directory, &path[..end], at, adds);
                }
                Ok(child) => way.push(self.level(child, &path[..=end], adds)),
                Err(Errno::NOENT | Errno::NOTDIR) => return self.single(&level.directory, &path[..end], at, adds),
                Err(errno) => return self.unreadable(&path[..end], told(errno)),
            }
        }
    }

    /// Enters a directory on the way to a path.
    fn level(&mut self, directory: OwnedFd, path: &[u8], adds: bool) -> Level {
        let rules = self.ignore.depth();
        let adds = self.enter_rules(&directory, path, adds);
        let is_nested = !path.is_empty() && has_repository(&directory);
        if is_nested && adds {
            let above = path.strip_suffix(b"/").unwrap_or(path);
            self.nested(path, self.entries.below(above));
        }
        Level {
            path: path.to_owned(),
            directory,
            adds: adds && !is_nested,
            rules,
        }
    }

    fn single(&mut self, directory: &OwnedFd, path: &[u8], start: usize, adds: bool) {
        let mut path = path.to_owned();
        let tracked = Tracked {
            file: self.entries.file(&path),
            below: self.entries.below(&path),
        };
        let within = Within {
            directory,
            start,
            adds,
            depth: path.iter().filter(|&&b| b == b'/').count(),
        };
        let listed = match is_spelt_so(directory, &path[start..]) {
            true => Listed::As(FileType::Unknown),
            false => Listed::Absent,
        };
        self.name(within, &mut path, listed, tracked);
    }

    /// Looks at everything in a directory. `path` is its path with a slash at the end (nothing at the top), `tracked`
    /// the entries below it; `adds` is false where only tracked files matter.
    fn directory(&mut self, directory: &OwnedFd, path: &mut Vec<u8>, tracked: Span, adds: bool, depth: usize) {
        let reports = self.half.reports_on(path);
        let names = match self.list(directory, path) {
            Ok(names) => names,
            Err(errno) if reports => return self.unreadable(path, told(errno)),
            Err(_) => return,
        };
        if names.is_empty() && !self.entries.is_empty(&tracked) {
            if reports {
                self.emptied(directory, path, tracked);
            }
            return;
        }
        let position = |name: &[u8]| names.binary_search_by(|(other, _)| (**other).cmp(name));
        let has = |name: &[u8]| position(name).is_ok();
        let is_nested = depth > 0 && has(b".git");
        if is_nested && adds {
            self.nested(path, tracked.clone());
        }
        let rules = self.ignore.depth();
        let mut adds = adds && !is_nested;
        if has(b".gitignore") {
            adds = self.enter_rules(directory, path, adds);
        }
        let start = path.len();
        let within = Within {
            directory,
            start,
            adds,
            depth,
        };
        let mut is_seen = vec![false; names.len()];
        // Mostly, the names are in the order of the entries.
        let mut expected = 0;
        let mut rest = self.entries.iter(&tracked);
        while let Some(next) = rest.peek() {
            let (name, of_name) = self.name_of(next.path, start, rest.rest());
            path.truncate(start);
            if !self.half.covers(path, name) {
                rest.pass(&of_name.file);
                rest.pass(&of_name.below);
                continue;
            }
            path.extend_from_slice(name);
            let found = match names.get(expected) {
                Some((other, _)) if **other == *name => Ok(expected),
                Some(_) | None => position(name),
            };
            let listed = match found {
                Ok(found) => {
                    is_seen[found] = true;
                    expected = found + 1;
                    Listed::As(names[found].1)
                }
                Err(_) => Listed::Absent,
            };
            rest.pass(&of_name.file);
            rest.pass(&of_name.below);
            self.name(within, path, listed, of_name);
        }
        if adds {
            for ((name, kind), _) in names.iter().zip(is_seen).filter(|&(_, seen)| !seen) {
                path.truncate(start);
                if !self.half.covers(path, name) {
                    continue;
                }
                path.extend_from_slice(name);
                self.name(within, path, Listed::As(*kind), Tracked::default());
            }
        }
        path.truncate(start);
        self.ignore.leave_to(rules);
    }

    /// Looks at one name in a directory.
    fn name(&mut self, within: Within<'_>, path: &mut Vec<u8>, listed: Listed, tracked: Tracked) {
        let start = within.start;
        let reports = self.half.reports_on(path);
        let Listed::As(mut kind) = listed else {
            if reports {
                self.absent(within.directory, &path[..start], tracked);
            }
            return;
        };
        if &path[start..] == b".git" {
            return;
        }
        let mut found = None;
        if kind == FileType::Unknown {
            match self.stat(within.directory, path, start) {
                Ok(stat) => {
                    found = Some(stat);
                    kind = FileType::from_raw_mode(stat.mode);
                }
                Err(_) if !reports => return,
                Err(Errno::NOENT) => return self.absent(within.directory, &path[..start], tracked),
                Err(errno) => return self.unreadable(path, told(errno)),
            }
        }
        match kind {
            FileType::Directory => {
                if self.entries.iter(&tracked.file).any(|entry| entry.mode == GITLINK) {
                    return;
                }
                if reports {
                    self.remove(tracked.file);
                }
                self.below_directory(within, path, tracked.below);
            }
            _ if !reports => {}
            FileType::RegularFile | FileType::Symlink => {
                self.remove(tracked.below);
                self.file(within, path, found, tracked.file);
            }
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {
                if !self.entries.is_empty(&tracked.file) || !self.entries.is_empty(&tracked.below) {
                    self.unreadable(path, NEITHER.to_owned());
                }
            }
        }
    }

    fn below_directory(&mut self, within: Within<'_>, path: &mut Vec<u8>, tracked: Span) {
        let reports = self.half.reports_on(path);
        let mut adds = within.adds && !self.ignore.covers(path, true);
        if adds && let Err(reason) = RepoPath::parse(path) {
            if reports {
                self.look.refused.push((path.clone().into(), reason.to_string()));
            }
            adds = false;
        }
        if !adds && self.entries.is_empty(&tracked) {
            return;
        }
        if within.depth >= MAX_DEPTH {
            if reports {
                self.unreadable(path, format!("it lies more than {MAX_DEPTH} directories deep"));
            }
            return;
        }
        match open_child(within.directory, &path[within.start..]) {
            Ok(child) => {
                path.push(b'/');
                self.directory(&child, path, tracked, adds, within.depth + 1);
                path.pop();
            }
            Err(_) if !reports => {}
            Err(Errno::NOENT) => self.remove(tracked),
            Err(errno) => self.unreadable(path, told(errno)),
        }
    }

    /// Looks at a file, unless it is new and is left alone; `found` is its stat data if that is known already.
    fn file(&mut self, within: Within<'_>, path: &[u8], found: Option<Stat>, tracked: Span) {
        let is_left_alone = || is_of_file_system(&path[within.start..]) || self.ignore.covers(path, false);
        if self.entries.is_empty(&tracked) && (!within.adds || is_left_alone()) {
            return;
        }
        match found.map_or_else(|| self.stat(within.directory, path, within.start), Ok) {
            Ok(stat) => self.compare(path, stat, tracked),
            Err(Errno::NOENT) => self.remove(tracked),
            Err(errno) => self.unreadable(path, told(errno)),
        }
    }

    /// Compares a file with its entry, if it has one.
    fn compare(&mut self, path: &[u8], stat: Stat, tracked: Span) {
        let mut staged = self.entries.iter(&tracked);
        let entry = match (staged.next(), staged.next()) {
            (entry, None) if entry.is_none_or(|entry| entry.stage() == 0) => entry,
            // The sides of a conflict wait for the user.
            _ => return,
        };
        if let Some(entry) = &entry
            && self.is_unchanged(entry, &stat)
        {
            if entry.dev != stat.dev as u32 && entry.dev != 0 {
                self.renumbered.insert(entry.dev, stat.dev as u32);
            }
            return self.stand_in(path, entry, stat);
        }
        if !stat.is_file() && !stat.is_symlink() {
            return self.unreadable(path, NEITHER.to_owned());
        }
        match RepoPath::parse(path) {
            Ok(path) => {
                let candidate = Candidate {
                    path,
                    stat,
                    prior: entry.as_ref().map(Prior::of),
                    known: None,
                };
                match entry {
                    Some(_) => self.look.modified.push(candidate),
                    None => self.look.added.push(candidate),
                }
            }
            Err(reason) => self.look.refused.push((path.into(), reason.to_string())),
        }
    }

    /// Takes note that files are gone; conflicts, submodules and what the user told git not to look at are not.
    fn remove(&mut self, tracked: Span) {
        for entry in self.entries.iter(&tracked) {
            if entry.stage() != 0 || entry.mode == GITLINK || entry.is_not_looked_at() {
                continue;
            }
            match RepoPath::parse(entry.path) {
                Ok(path) => self.look.removed.push(Removed {
                    path,
                    entry: entry.owned(),
                }),
                Err(reason) => self.look.refused.push((entry.path.to_vec().into(), reason.to_string())),
            }
        }
    }

    /// Takes note that files are gone from a directory, unless a file system is mounted there that may hide them.
    fn absent(&mut self, directory: &OwnedFd, path: &[u8], tracked: Tracked) {
        let device = |directory: &OwnedFd| rustix::fs::fstat(directory).map(|stat| Stat::from(stat).dev as u32);
        for tracked in [tracked.file, tracked.below] {
            if self.entries.is_empty(&tracked) {
                continue;
            }
            match (device(&self.root), device(directory)) {
                (Ok(top), Ok(device)) if device != top && self.lay_elsewhere(&tracked, device) => {
                    let reason = "what was there lay on another file system than the one that is mounted there now";
                    self.emptied.push((path.to_owned(), tracked, device, reason));
                }
                (Ok(_), Ok(_)) => self.remove(tracked),
                (Err(errno), _) | (_, Err(errno)) => self.unreadable(path, told(errno)),
            }
        }
    }

    /// True if some of these entries were staged from another device.
    fn lay_elsewhere(&self, tracked: &Span, device: u32) -> bool {
        let mut entries = self.entries.iter(tracked);
        entries.any(|entry| entry.dev != device && entry.dev != 0)
    }

    fn emptied(&mut self, directory: &OwnedFd, path: &[u8], tracked: Span) {
        match rustix::fs::fstat(directory).map(Stat::from) {
            Ok(stat) => {
                let device = stat.dev as u32;
                match self.lay_elsewhere(&tracked, device) {
                    true => {
                        let reason =
                            "it is empty, but what was there lay on another file system, which may not be mounted";
                        self.emptied.push((path.to_owned(), tracked, device, reason));
                    }
                    false => self.remove(tracked),
                }
            }
            Err(errno) => self.unreadable(path, told(errno)),
        }
    }

    /// Takes note of a directory that is a repository of its own.
    fn nested(&mut self, path: &[u8], tracked: Span) {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let path = PathBuf::from(OsString::from_vec(path.to_owned()));
        let tracked = self.entries.count(&tracked);
        self.look.nested.push(Nested { path, tracked });
    }

    fn unreadable(&mut self, path: &[u8], reason: String) {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        if path == LOST_AND_FOUND && self.entries.is_empty(&self.entries.below(path)) {
            return;
        }
        let path = PathBuf::from(OsString::from_vec(path.to_owned()));
        self.look.unreadable.push((path, reason));
    }

    fn stat(&self, directory: &OwnedFd, path: &[u8], start: usize) -> rustix::io::Result<Stat> {
        #[cfg(test)]
        super::tests::seam(path)?;
        statat(directory, &path[start..], AtFlags::SYMLINK_NOFOLLOW).map(Stat::from)
    }

    /// All names in a directory with their kinds, sorted.
    fn list(&mut self, directory: &OwnedFd, _path: &[u8]) -> rustix::io::Result<Vec<(Box<[u8]>, FileType)>> {
        #[cfg(test)]
        super::tests::seam(_path)?;
        let mut names = Vec::new();
        let mut listing = RawDir::new(directory, &mut self.listing);
        while let Some(entry) = listing.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push((name.into(), entry.file_type()));
            }
        }
        names.sort_unstable_by(|(a, _): &(Box<[u8]>, _), (b, _)| a.cmp(b));
        Ok(names)
    }
}

/// What a look at these paths looks at: the paths without those that lie below others; none for the whole work tree. New
/// rules in a `.gitignore` or `.gitattributes` concern all that is beside and below it.
pub fn looked_at(paths: &[RepoPath]) -> Option<Vec<RepoPath>> {
    let mut paths: Vec<RepoPath> = paths
        .iter()
        .map(|path| match &**path.file_name() {
            b".gitignore" | b".gitattributes" => path.parent(),
            _ => Some(path.clone()),
        })
        .collect::<Option<_>>()?;
    // By components, so that what lies below a path comes right after it.
    paths.sort_by(|a, b| {
        a.as_bytes()
            .split(|&b| b == b'/')
            .cmp(b.as_bytes().split(|&b| b == b'/'))
    });
    paths.dedup_by(|path, above| path.is_within(above));
    Some(paths)
}

fn has_repository(directory: &OwnedFd) -> bool {
    statat(directory, ".git", AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// True for the name that a file system gives a deleted file which a program still has open: `.fuse_hidden` or `.nfs` and a
/// number. It goes when the program closes it.
fn is_of_file_system(name: &[u8]) -> bool {
    let number = name
        .strip_prefix(b".fuse_hidden")
        .or_else(|| name.strip_prefix(b".nfs"));
    number.is_some_and(|number| number.len() >= 16 && number.iter().all(u8::is_ascii_hexdigit))
}

fn default_excludes_file() -> Option<PathBuf> {
    let directory = std::env::var_os("XDG_CONFIG_HOME").filter(|value| !value.is_empty());
    let directory = directory.map(PathBuf::from);
    let directory = directory.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    Some(directory.join("git/ignore"))
}

/// The system's answer in words for people.
pub(crate) fn told(errno: Errno) -> String {
    match errno {
        Errno::ACCESS | Errno::PERM => "you have no permission to read it".to_owned(),
        other => model::readable_error(&other.into()),
    }
}
