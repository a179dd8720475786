//! What a checkout would do, decided before anything is touched.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use git2::{ObjectType, Odb, Oid};
use model::{Key, RepoPath};

use super::entry::{is_unmodified, staged};
use super::obstacle::{Obstacle, Waiting};
use super::place::{OpenWorkTree, Parent, Seen, look_at};
use crate::conversions::{Converted, Outgoing};
use crate::index::{EntryRef, Index, IndexEntry, SKIP_WORKTREE};
use crate::lease::is_being_written;
use crate::naming::is_of_another_name;
use crate::pointer::{MAX_POINTER, key_of_pointer};
use crate::stat::is_at_rest;
use crate::tree::raw::{self, Blob, Mode};
use crate::tree::small_blob;
use crate::{Error, HashVerdict, Result, Store, Verifier};

/// What a leaf of the target tree is in the work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LeafContent {
    Symlink(Vec<u8>),
    /// A pointer: the content of the key if it is here, else the pointer itself.
    Annexed {
        key: Key,
        pointer: Vec<u8>,
    },
    /// What the blob says.
    Regular,
    /// Only a directory; what is in it belongs to the submodule.
    Submodule,
}

/// A file to be made or replaced.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) path: RepoPath,
    pub(super) blob: Blob,
    pub(super) content: LeafContent,
    /// The unmodified file that is replaced, and what it is in the index.
    pub(super) replaces: Option<(Seen, Blob)>,
}

/// A file that only changes its name.
#[derive(Debug)]
pub(super) struct Move {
    pub(super) from: RepoPath,
    pub(super) seen: Seen,
    pub(super) to: RepoPath,
    pub(super) blob: Blob,
    pub(super) content: LeafContent,
}

/// All that a checkout does.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) deletions: Vec<(RepoPath, Seen)>,
    pub(super) moves: Vec<Move>,
    pub(super) writes: Vec<Write>,
    /// Directories that must give way to a file; all that is in them is deleted.
    pub(super) directories: Vec<RepoPath>,
    /// What is in the work tree as the target has it.
    pub(super) accepted: Vec<(RepoPath, Blob, Seen)>,
    /// Paths where only the index changes, with the extended flags that stay.
    pub(super) index_only: Vec<(RepoPath, Option<Blob>, u16)>,
    /// Paths that stay as they are.
    pub(super) waiting: Vec<Waiting>,
    /// The user's files that some of these wait for, as far as committing them first would help.
    pub(super) in_the_way: Vec<RepoPath>,
}

/// What decides.
pub(super) struct Planner<'a> {
    pub(super) store: &'a Store<'a>,
    pub(super) outgoing: &'a Outgoing,
    pub(super) odb: &'a Odb<'a>,
    pub(super) index: &'a Index,
    pub(super) place: &'a mut OpenWorkTree,
    pub(super) trust_mode: bool,
}

impl Plan {
    fn write(&mut self, path: &RepoPath, blob: Blob, content: LeafContent, replaces: Option<(Seen, Blob)>) {
        self.writes.push(Write {
            path: path.clone(),
            blob,
            content,
            replaces,
        });
    }

    /// Leaves a path as it is.
    fn wait(&mut self, path: &RepoPath, why: Obstacle) {
        if why == Obstacle::Changed {
            self.in_the_way.push(path.clone());
        }
        self.waiting.push(Waiting {
            path: path.as_bytes().into(),
            why,
        });
    }
}

impl Planner<'_> {
    /// Decides what leads from one tree to another.
    pub(super) fn plan(mut self, from: Option<Oid>, to: Oid) -> Result<Plan> {
        let mut plan = Plan::default();
        let mut changes = Vec::new();
        let mut unusable = Vec::new();
        raw::differences(self.odb, from, Some(to), &mut |path, old, new| {
            match RepoPath::parse(path) {
                Ok(path) => changes.push((path, old, new)),
                Err(why) => unusable.push((path.to_vec(), new, why)),
            }
            Ok(())
        })?;
        for (mut path, new, why) in unusable {
            path.truncate(4096);
            // What never could be written need not be removed.
            if new.is_some() {
                plan.waiting.push(Waiting {
                    path: path.into(),
                    why: Obstacle::unfit(why),
                });
            }
        }
        changes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut in_the_way = HashSet::new();
        for (path, old, new) in changes {
            if let Err(error) = self.decide(&path, old, new, &mut plan, &mut in_the_way) {
                let obstacle = Obstacle::of(&error).ok_or(error)?;
                plan.wait(&path, obstacle);
            }
        }
        self.check_the_way(&mut plan, in_the_way);
        self.find_moves(&mut plan)?;
        Ok(plan)
    }

    /// Decides what becomes of one path. What keeps a new file from its directory goes into `in_the_way`.
    fn decide(
        &mut self,
        path: &RepoPath,
        old: Option<Blob>,
        new: Option<Blob>,
        plan: &mut Plan,
        in_the_way: &mut HashSet<RepoPath>,
    ) -> Result<()> {
        let entry = self.index.entry(path.as_bytes());
        let now = entry.as_ref().and_then(staged);
        let announced = entry.as_ref().is_some_and(IndexEntry::is_intent_to_add);
        if now == new && !announced {
            return Ok(());
        }
        if now != old || announced {
            // The user staged something else.
            plan.wait(path, Obstacle::Changed);
            return Ok(());
        }
        if entry.as_ref().is_some_and(IndexEntry::is_left_out) {
            plan.index_only.push((path.clone(), new, SKIP_WORKTREE));
            return Ok(());
        }
        let content = new.map(|blob| self.content(path, blob)).transpose()?;
        let seen = match old {
            Some(_) => self.place.look(path)?,
            None => self.look_for_room(path, in_the_way)?,
        };
        let is_submodule = |blob: Option<Blob>| blob.is_some_and(|blob| blob.mode == Mode::Submodule);
        let unmodified = match (&entry, &seen) {
            (Some(entry), Some(seen)) => self.is_unmodified(path, entry, seen)?,
            _ => false,
        };
        match (old, new.zip(content), seen) {
            (None, None, _) => {}
            (_, Some((blob, content @ LeafContent::Submodule)), seen)
                if seen.is_none_or(|seen| seen.is_directory()) =>
            {
                plan.write(path, blob, content, None);
            }
            (Some(_), None, _) if is_submodule(old) => plan.index_only.push((path.clone(), None, 0)),
            (_, Some((blob, content)), None) if old.is_none() || is_submodule(old) => {
                plan.write(path, blob, content, None);
            }
            (_, Some((blob, content)), Some(seen)) if seen.is_directory() && (old.is_none() || is_submodule(old)) => {
                plan.directories.push(path.clone());
                plan.write(path, blob, content, None);
            }
            (Some(_), None, None) => plan.index_only.push((path.clone(), None, 0)),
            (Some(_), None, Some(seen)) if seen.is_directory() => plan.index_only.push((path.clone(), None, 0)),
            (Some(_), None, Some(seen)) if unmodified => plan.deletions.push((path.clone(), seen)),
            (Some(old), Some((blob, content)), Some(seen)) if unmodified => {
                plan.write(path, blob, content, Some((seen, old)));
            }
            (_, Some((blob, content)), Some(seen)) if self.holds(path, &seen, blob, Some(&content))? => {
                plan.accepted.push((path.clone(), blob, seen));
            }
            (_, _, seen) => plan.wait(path, self.why_kept(path, seen)?),
        }
        Ok(())
    }

    /// Looks at where a new file is to be.
    fn look_for_room(&mut self, path: &RepoPath, in_the_way: &mut HashSet<RepoPath>) -> Result<Option<Seen>> {
        let seen = match self.place.parent(path, false)? {
            Parent::Open(parent) => look_at(parent, path),
            Parent::Missing => Ok(None),
            Parent::InTheWay(what) => {
                in_the_way.insert(what);
                Ok(None)
            }
        };
        let seen = seen.map_err(self.place.error("look at", path))?;
        // Another name's file may be about to go.
        let is_of_another = seen.is_some() && self.place.is_folded(path)?;
        Ok(seen.filter(|_| !is_of_another))
    }

    /// Why a file of the user's stays as it is.
    fn why_kept(&mut self, path: &RepoPath, seen: Option<Seen>) -> Result<Obstacle> {
        let open = match seen {
            Some(seen) if seen.is_file() => self.place.read(path)?,
            Some(_) | None => None,
        };
        // Until it is closed, nobody can commit it.
        Ok(match open.is_some_and(|file| is_being_written(&file)) {
            true => Obstacle::Open,
            false => Obstacle::Changed,
        })
    }

    /// Reads what the work tree is to have, and refuses what no file system can.
    pub(super) fn content(&self, path: &RepoPath, blob: Blob) -> Result<LeafContent> {
        match blob.mode {
            Mode::Submodule => Ok(LeafContent::Submodule),
            Mode::Symlink => match small_blob(self.odb, blob.id)? {
                Some(target) if !target.is_empty() && target.len() < 4096 && !target.contains(&0) => {
                    Ok(LeafContent::Symlink(target))
                }
                _ => Err(Error::Damaged(format!(
                    "{path} in git is a symlink with a target that no file system can hold; nothing was changed"
                ))),
            },
            Mode::File | Mode::Executable => {
                let pointer = small_blob(self.odb, blob.id)?;
                Ok(pointer
                    .and_then(|pointer| key_of_pointer(&pointer).map(|key| (key, pointer)))
                    .map_or(LeafContent::Regular, |(key, pointer)| LeafContent::Annexed {
                        key,
                        pointer,
                    }))
            }
        }
    }

    /// True if the file in the work tree is the one that its index entry was made from, or holds the same.
    pub(super) fn is_unmodified(&mut self, path: &RepoPath, entry: &EntryRef<'_>, seen: &Seen) -> Result<bool> {
        if is_unmodified(entry, seen, self.index.written_at, self.trust_mode) {
            return Ok(true);
        }
        staged(entry).map_or(Ok(false), |blob| self.holds(path, seen, blob, None))
    }

    /// True if the file in the work tree is, byte for byte, what git would check out (or the content that this stands for).
    fn holds(&mut self, path: &RepoPath, seen: &Seen, blob: Blob, content: Option<&LeafContent>) -> Result<bool> {
        let executable = match blob.mode {
            Mode::Symlink => {
                let target = self.place.target(path)?;
                return Ok(target.is_some_and(|target| hashes_to(&target, blob.id)));
            }
            Mode::Submodule => return Ok(false),
            Mode::File => false,
            Mode::Executable => true,
        };
        if !seen.is_file() || self.trust_mode && seen.is_executable() != executable {
            return Ok(false);
        }
        let Some(mut file) = self.place.read(path)? else {
            return Ok(false);
        };
        let shown = self.place.shown(path);
        let reading = || Error::io("read", &shown);
        match self.converted(path, blob, content)? {
            Some(Ok(converted)) => return is_same(&mut file, &converted).map_err(reading()),
            Some(Err(_)) => return Ok(false),
            None => {}
        }
        if seen.size <= MAX_POINTER as u64 {
            if is_blob((&mut file).take(MAX_POINTER as u64), blob.id).map_err(reading())? {
                return Ok(true);
            }
            file.rewind().map_err(reading())?;
        }
        let content = match content {
            Some(content) => Cow::Borrowed(content),
            None => Cow::Owned(self.content(path, blob)?),
        };
        match &*content {
            LeafContent::Annexed { key, .. } if key.size().is_none_or(|size| size == seen.size) => {
                match self.store.find(key) {
                    Some(object) => is_same(&mut file, &object),
                    None => is_content_of(key, &mut file),
                }
                .map_err(reading())
            }
            LeafContent::Regular => {
                let header = self.odb.read_header(blob.id);
                let (size, _) = header.map_err(Error::git(format!("read the content of {path}")))?;
                Ok(size as u64 == seen.size && is_blob(&file, blob.id).map_err(reading())?)
            }
            LeafContent::Annexed { .. } | LeafContent::Symlink(_) | LeafContent::Submodule => Ok(false),
        }
    }

    /// What git would check out, where that is not what it has.
    fn converted(&self, path: &RepoPath, blob: Blob, content: Option<&LeafContent>) -> Result<Option<Converted>> {
        if !self.outgoing.converts(path)? {
            return Ok(None);
        }
        let is_regular = match content {
            Some(content) => *content == LeafContent::Regular,
            None => self.content(path, blob)? == LeafContent::Regular,
        };
        match is_regular {
            true => self.outgoing.file(path, blob.id),
            false => Ok(None),
        }
    }

    /// Checks that what is where a directory or file is to be will have been deleted by then.
    fn check_the_way(&mut self, plan: &mut Plan, in_the_way: HashSet<RepoPath>) {
        let deleted: HashSet<RepoPath> = plan.deletions.iter().map(|(path, _)| path.clone()).collect();
        let mut stuck: Vec<RepoPath> = in_the_way.into_iter().filter(|path| !deleted.contains(path)).collect();
        for directory in &plan.directories {
            find_others(&self.place.shown(directory), directory, &deleted, &mut stuck);
        }
        if stuck.is_empty() {
            return;
        }
        let is_stuck = |path: &RepoPath| stuck.iter().any(|other| path.is_within(other) || other.is_within(path));
        let (waiting, writes) = std::mem::take(&mut plan.writes)
            .into_iter()
            .partition(|write| write.replaces.is_none() && is_stuck(&write.path));
        plan.writes = writes;
        plan.directories.retain(|directory| !is_stuck(directory));
        let waiting: Vec<Write> = waiting;
        plan.waiting.extend(waiting.into_iter().map(|write| Waiting {
            path: write.path.as_bytes().into(),
            why: Obstacle::Changed,
        }));
        plan.in_the_way.append(&mut stuck);
    }

    /// Turns a deletion and a new file with the same content into a change of name.
    fn find_moves(&mut self, plan: &mut Plan) -> Result<()> {
        if plan.deletions.is_empty() {
            return Ok(());
        }
        let mut sources: HashMap<Blob, Vec<usize>> = HashMap::new();
        for (at, (path, _)) in plan.deletions.iter().enumerate().rev() {
            if let Some(blob) = self.index.entry(path.as_bytes()).as_ref().and_then(staged) {
                sources.entry(blob).or_default().push(at);
            }
        }
        let deleted: HashSet<RepoPath> = plan.deletions.iter().map(|(path, _)| path.clone()).collect();
        let directories: HashSet<RepoPath> = plan.directories.iter().cloned().collect();
        let mut moved = HashSet::new();
        let mut writes = Vec::with_capacity(plan.writes.len());
        for write in std::mem::take(&mut plan.writes) {
            let free = write.replaces.is_none()
                && !directories.contains(&write.path)
                && std::iter::successors(write.path.parent(), RepoPath::parent).all(|above| !deleted.contains(&above));
            let source = match sources.get_mut(&write.blob).filter(|_| free) {
                Some(sources) => sources.pop(),
                None => None,
            };
            let source = match source {
                Some(at) => self.may_move(&plan.deletions[at], &write)?.then_some(at),
                None => None,
            };
            match source {
                Some(at) => {
                    moved.insert(at);
                    let (from, seen) = plan.deletions[at].clone();
                    plan.moves.push(Move {
                        from,
                        seen,
                        to: write.path,
                        blob: write.blob,
                        content: write.content,
                    });
                }
                None => writes.push(write),
            }
        }
        plan.writes = writes;
        let mut at = 0;
        plan.deletions.retain(|_| {
            at += 1;
            !moved.contains(&(at - 1))
        });
        Ok(())
    }

    /// False for a pointer whose content is here by now, since writing the file again fills it, for a file that git may
    /// convert otherwise under its new name, and for one that is not at rest under a name for which its key was not made:
    /// writing the file again makes it older ([`Store::content_for_work_tree`] says why). A link to the object stays one.
    fn may_move(&self, (from, seen): &(RepoPath, Seen), write: &Write) -> Result<bool> {
        Ok(match &write.content {
            LeafContent::Annexed { key, pointer } => {
                let is_pointer = seen.size == pointer.len() as u64;
                let is_too_young = seen.links == 1
                    && is_of_another_name(key, &write.path)
                    && !is_at_rest(seen.mtime, SystemTime::now());
                !(is_pointer || is_too_young) || !self.store.is_present(key)
            }
            LeafContent::Symlink(_) => true,
            LeafContent::Regular => self.outgoing.keeps_bytes([from, &write.path])?,
            LeafContent::Submodule => false,
        })
    }
}

fn hashes_to(data: &[u8], id: Oid) -> bool {
    Oid::hash_object(ObjectType::Blob, data).is_ok_and(|hash| hash == id)
}

/// True if a blob has what is read.
fn is_blob(mut read: impl Read, id: Oid) -> std::io::Result<bool> {
    let mut data = Vec::new();
    read.read_to_end(&mut data)?;
    Ok(hashes_to(&data, id))
}

/// True if what the file holds is proven to be the content of `key`.
fn is_content_of(key: &Key, file: &mut fs::File) -> std::io::Result<bool> {
    let mut verifier = Verifier::for_key(key);
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(verifier.finish() == HashVerdict::Matches),
            n => verifier.update(&part[..n]),
        }
    }
}

fn is_same(file: &mut fs::File, other: &Path) -> std::io::Result<bool> {
    let mut other = fs::File::open(other)?;
    let (mut ours, mut theirs) = (vec![0; 1 << 16], Vec::new());
    loop {
        let n = file.read(&mut ours)?;
        theirs.clear();
        // At the end of the one, nothing must be left of the other.
        (&mut other).take(n.max(1) as u64).read_to_end(&mut theirs)?;
        if n == 0 || theirs != ours[..n] {
            return Ok(theirs == ours[..n]);
        }
    }
}

/// Finds what is below a directory and is not about to be deleted.
fn find_others(directory: &Path, path: &RepoPath, deleted: &HashSet<RepoPath>, others: &mut Vec<RepoPath>) {
    let Ok(entries) = fs::read_dir(directory) else {
        others.push(path.clone());
        return;
    };
    for entry in entries {
        let inner = entry.as_ref().ok().and_then(|entry| {
            let mut inner = path.as_bytes().to_vec();
            inner.push(b'/');
            inner.extend_from_slice(entry.file_name().as_bytes());
            RepoPath::parse(&inner).ok()
        });
        let is_directory = entry
            .as_ref()
            .ok()
            .and_then(|entry| entry.file_type().ok())
            .map(|kind| kind.is_dir());
        match (entry, inner, is_directory) {
            (Ok(entry), Some(inner), Some(true)) => find_others(&entry.path(), &inner, deleted, others),
            (Ok(_), Some(inner), Some(false)) if deleted.contains(&inner) => {}
            (_, Some(inner), _) => others.push(inner),
            _ => others.push(path.clone()),
        }
    }
}
