//! From changed files to one commit: content is stored, then the index, the tree and the branch follow.
//!
//! The order is what keeps files safe: all content is durable before a pointer to it is staged; a file of the work tree
//! is only replaced (by the symlink of a locked file) when it still is the one that was stored; the branch moves when
//! all it leads to is on disk; the index follows last. After a crash at any point the next look finds the same files
//! again, and what was done already is found done.

mod finish;
mod head;
mod overwritten;
mod prepare;
mod reading;
mod stage;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use git2::Repository;
use model::{Key, Oid, RepoPath};

use crate::conversions::Conversions;
use crate::index::{EXECUTABLE, REGULAR, SYMLINK};
use crate::look::{Candidate, Look, RootState};
use crate::oid::to_git;
use crate::openat::Directories;
use crate::pointer::{MAX_POINTER, POINTER_SIZES, key_of_pointer, key_of_symlink};
use crate::settings::Settings;
use crate::{Annex, Error, Result, Store};
use head::Head;

use prepare::{GitForm, Prepared, Preparing};
use stage::Staging;

/// An answer, or the reason, in words for people, why there is none.
type Reasoned<T> = std::result::Result<T, String>;

/// Answers for an open file of this path and size.
type Ask<'a, T> = dyn Fn(&RepoPath, u64, &File) -> Reasoned<T> + Sync + 'a;

/// What decides how files are taken in.
pub struct IntakeOptions<'a> {
    /// Backend, extensions, dotfiles, small files, thin, delay and reserve are taken from here.
    pub settings: &'a Settings,
    /// Whether `annex.largefiles` (setting or attribute) says that a file of this size belongs in the annex; none if
    /// nothing is set for it. An error is the reason for which the file waits, here and below.
    pub is_large: &'a Ask<'a, Option<bool>>,
    /// Whether `annex.addunlocked` says that a new file of this size stays unlocked.
    pub is_unlocked: &'a Ask<'a, bool>,
    /// The attribute `annex.backend` of a file, which goes before the setting.
    pub backend: &'a (dyn Fn(&RepoPath) -> Reasoned<Option<String>> + Sync),
    /// The commit's message, as in "git-annex in laptop".
    pub message: &'a str,
    /// False if no path shall be taken out of the tree.
    pub allow_removals: bool,
    /// Records keys of which the content is here for good and which may be new here; while it does, files are staged.
    pub record: &'a (dyn Fn(&[Key]) -> Result<()> + Sync),
    /// Set when it is to end soon: what is read by then is committed, the rest is postponed as it is.
    pub cancelled: &'a AtomicBool,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Intake {
    /// The commit made; none if the tree is that of HEAD already.
    pub commit: Option<Oid>,
    /// Keys of which the content is here for good and which may be new here; they have been recorded.
    pub keys_added: Vec<Key>,
    /// Files that were taken in as pointers although their content is here: for [`Annex::populate`].
    pub unfilled: Vec<(RepoPath, Key)>,
    /// Files left for later, with the reason. They will be found again.
    pub postponed: Vec<(RepoPath, Postponed)>,
    /// How much was staged.
    pub counts: Counts,
}

/// How many files were staged, by what stands for them in git.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files of which the content went into the annex.
    pub annexed: usize,
    /// Files of which the content went into git.
    pub in_git: usize,
    /// Pointer files and symlinks, as they are.
    pub links: usize,
    /// Files recognised under a new name.
    pub renamed: usize,
    /// Paths taken out of the tree.
    pub removed: usize,
}

/// Why a file was not staged now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Postponed {
    /// A process has it open for writing.
    BeingWritten,
    /// It changed while it was looked at or read, or something else was staged for it meanwhile; or reading it was cancelled.
    Changed,
    /// It is gone.
    Vanished,
    /// The system refuses to read it, for this reason.
    Unreadable(String),
    /// It changed less than this time ago (`annex.delayadd`, or what the file system needs to date changes).
    TooYoung(Duration),
    /// Its content could not be stored, for this reason.
    NotStored(String),
    /// Tracked files lie below its name, as in a directory, and removals are not allowed now.
    Held,
    /// It is a pointer that somebody has edited, in the belief that it was the content.
    EditedPointer,
    /// git keeps it in a form of its own, by filters or conversions, and cannot make that form, for this reason.
    Unconverted(String),
    /// The settings and attributes do not say where it belongs, for this reason.
    Undecided(String),
}

/// Below this number of files one thread is enough.
const WORTH_A_THREAD: usize = 32;

/// What a thread takes at a time, so that it stays within a directory.
const CHUNK: usize = 16;

impl Annex {
    /// Takes in what a look has found: stores contents, stages, and makes one commit on the branch that is checked out.
    ///
    /// The commit's tree is that of the whole index, so it holds what the user has staged as well. Without any
    /// difference to HEAD's tree there is no commit, but the index learns the files' stat data, so that they are not
    /// looked into again.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], and nothing is changed, while a merge or the like is in progress, with a detached HEAD, on
    /// adjusted and view branches, with unresolved conflicts, or when the work tree is not there any more;
    /// [`Error::Busy`] while git holds the index. What concerns single files is in [`Intake::postponed`].
    pub fn ingest(&self, look: Look, options: &IntakeOptions<'_>, now: SystemTime) -> Result<Intake> {
        let mut intake = Intake::default();
        // One at a place that is not there any more, or is another's, has found nothing.
        if look.is_clean() && look.renumbered.is_empty() {
            return Ok(intake);
        }
        let top = self.work_tree().ok_or_else(|| self.vanished())?;
        let git = self.git()?;
        Head::read(&git)?;
        check_backend(options.settings)?;
        let flags = rustix::fs::OFlags::DIRECTORY.union(rustix::fs::OFlags::CLOEXEC);
        let root = rustix::fs::open(top, flags, rustix::fs::Mode::empty())
            .map_err(|errno| Error::io("open", top)(errno.into()))?;
        if self.root_state_by(&git) != RootState::Same {
            return Err(self.vanished());
        }
        let contents = self.store();
        let conversions = Conversions::of_work_tree(self)?;
        let candidates: Vec<&Candidate> = look.added.iter().chain(&look.modified).collect();
        let total = candidates.iter().map(|candidate| candidate.stat.size).sum();
        let preparing = Preparing {
            store: &contents,
            conversions: &conversions,
            options,
            root: &root,
            top,
            now,
            has_symlinks: has_symlinks(&git) && !options.settings.crippled,
            is_roomy: contents.check_reserve(total, options.settings.diskreserve).is_ok(),
            in_memory: &AtomicU64::new(0),
        };
        let staged = staged_keys(&git, &candidates)?;
        let mut prepared = prepare_all(&preparing, &candidates, &staged, &mut intake.postponed);
        self.store_contents(&contents, &root, &mut prepared, &mut intake)?;
        let store = (&contents, options.settings.thin);
        self.set_aside_overwritten(&git, &root, store, &look, (&candidates, &staged), &intake)?;
        intake.unfilled = unfilled(&git, &contents, &prepared)?;
        stage::convert(&root, &conversions, &mut prepared, &mut intake);
        let keys = intake.keys_added.clone();
        let (staged, recorded) = thread::scope(|scope| {
            let beside = (!keys.is_empty()).then(|| scope.spawn(|| (options.record)(&keys)));
            let staged = Staging::begin(self, &git, &root, prepared, &look, options)
                .and_then(|mut staging| Ok((staging.draft()?, staging)));
            let recorded = beside.map_or(Ok(Ok(())), thread::ScopedJoinHandle::join);
            (
                staged,
                recorded.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            )
        });
        // Last, so that the caller can tell this change of the index from those of others.
        let (draft, mut staging) = staged?;
        let outcome = staging.put_in_place(draft)?;
        intake.commit = outcome.commit;
        intake.counts = outcome.counts;
        intake.postponed.extend(outcome.postponed);
        recorded?;
        Ok(intake)
    }

    pub(super) fn vanished(&self) -> Error {
        let top = self.work_tree().unwrap_or(self.git_dir()).display();
        Error::Refused(format!(
            "{top} is not there any more, or another folder is in its place; nothing was committed and nothing is lost"
        ))
    }
}

fn check_backend(settings: &Settings) -> Result<()> {
    if settings.securehashesonly && !crate::is_secure_backend(settings.backend.as_bytes()) {
        return Err(Error::Refused(format!(
            "annex.securehashesonly is set, and annex.backend is {}, which is not secure; nothing was changed. Correct one of them",
            settings.backend
        )));
    }
    Ok(())
}

fn has_symlinks(git: &Repository) -> bool {
    let config = git.config().and_then(|mut config| config.snapshot());
    config
        .and_then(|config| config.get_bool("core.symlinks"))
        .unwrap_or(true)
}

/// What is staged for a candidate now, if it stands for a content.
enum StagedAs {
    Pointer(Key),
    Symlink(Key),
}

/// For each candidate, what is staged for it now.
fn staged_keys(git: &Repository, candidates: &[&Candidate]) -> Result<Vec<Option<StagedAs>>> {
    let odb = git.odb().map_err(Error::git("open the objects"))?;
    let staged = |candidate: &&Candidate| {
        let prior = candidate.prior.filter(|_| candidate.stat.is_file())?;
        let blob = small_blob(&odb, prior.oid)?;
        match prior.mode {
            REGULAR | EXECUTABLE => key_of_pointer(&blob).map(StagedAs::Pointer),
            SYMLINK => key_of_symlink(&blob).map(StagedAs::Symlink),
            _ => None,
        }
    };
    Ok(candidates.iter().map(staged).collect())
}

/// The content of a blob that may be a pointer or a symlink.
fn small_blob(odb: &git2::Odb<'_>, id: Oid) -> Option<Vec<u8>> {
    let id = to_git(id);
    // Only the size is read of what is too large.
    let is_small = odb.read_header(id).is_ok_and(|(size, _)| size <= MAX_POINTER);
    Some(is_small.then(|| odb.read(id).ok()).flatten()?.data().to_vec())
}

/// The key of a pointer file in git.
fn key_of_blob(odb: &git2::Odb<'_>, id: Oid) -> Option<Key> {
    key_of_pointer(&small_blob(odb, id)?)
}

/// The pointer files among what was read, and among what was renamed unread, whose content is here.
fn unfilled(git: &Repository, store: &Store<'_>, prepared: &[Prepared]) -> Result<Vec<(RepoPath, Key)>> {
    let odb = git.odb().map_err(Error::git("open the objects"))?;
    let key = |file: &Prepared| match &file.content {
        GitForm::Pointer(content) => key_of_pointer(content),
        GitForm::Renamed(known) if POINTER_SIZES.contains(&file.stat.size) => {
            let id = to_git(known.oid);
            // A file that holds its content has that content's size.
            let is_as_in_git = odb.read_header(id).is_ok_and(|(size, _)| size as u64 == file.stat.size);
            let blob = is_as_in_git.then(|| odb.read(id).ok()).flatten();
            blob.and_then(|blob| key_of_pointer(blob.data()))
        }
        GitForm::Renamed(_)
        | GitForm::Git(_)
        | GitForm::LargeGit(_)
        | GitForm::ByGit(..)
        | GitForm::Symlink(_)
        | GitForm::Misplaced(_)
        | GitForm::Annexed(_) => None,
    };
    let found = prepared.iter().filter_map(|file| Some((file.path.clone(), key(file)?)));
    Ok(found.filter(|(_, key)| store.is_present(key)).collect())
}

/// Reads all candidates, on two threads where there are many. The order is kept.
fn prepare_all(
    preparing: &Preparing<'_>,
    candidates: &[&Candidate],
    staged: &[Option<StagedAs>],
    postponed: &mut Vec<(RepoPath, Postponed)>,
) -> Vec<Prepared> {
    let threads = match candidates.len() {
        0..WORTH_A_THREAD => 1,
        _ => thread::available_parallelism().map_or(1, |count| count.get().min(2)),
    };
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::with_capacity(candidates.len()));
    let work = |preparing: Preparing<'_>| {
        let mut directories = Directories::below(preparing.root);
        let mut done = Vec::new();
        loop {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            let end = candidates.len().min(start + CHUNK);
            if start >= end {
                break;
            }
            for at in start..end {
                let outcome = preparing.prepare(&mut directories, candidates[at], staged[at].as_ref());
                done.push((at, outcome));
            }
        }
        let mut all = outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.append(&mut done);
    };
    thread::scope(|scope| {
        if threads > 1 {
            scope.spawn(|| {
                let store = preparing.store.beside();
                let mut preparing = *preparing;
                preparing.store = &store;
                work(preparing);
            });
        }
        work(*preparing);
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    outcomes.sort_unstable_by_key(|(at, _)| *at);
    let mut prepared = Vec::with_capacity(outcomes.len());
    for (at, outcome) in outcomes {
        match outcome {
            Ok(ready) => prepared.extend(ready),
            Err(reason) => postponed.push((candidates[at].path.clone(), reason)),
        }
    }
    prepared
}
