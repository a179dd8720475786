use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use git2::{ObjectType, Repository};
use model::{Oid, RepoPath};

use super::head::Head;
use super::prepare::{GitForm, Prepared};
use super::{Counts, Intake, IntakeOptions, Postponed};
use crate::conversions::Conversions;
use crate::identity::signature;
use crate::index::{EXECUTABLE, EntryRef, IndexEntry, PATIENCE, REGULAR, SYMLINK, Staged};
use crate::look::{Look, Prior, RootState, head_tree};
use crate::objects::Bulk;
use crate::oid::{from_git, to_git};
use crate::openat::Directories;
use crate::pointer::{pointer_for, symlink_target};
use crate::ref_lock::PreparedRef;
use crate::stat::Stat;
use crate::{Annex, Error, Result};

/// How much of the patience for the index the branch stays locked at a time: git waits a tenth of a second for the lock of a
/// branch.
const WITH_BRANCH: Duration = Duration::from_millis(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Files that have been read and paths that are gone, on the way into the index and a commit.
pub(super) struct Staging<'a> {
    annex: &'a Annex,
    git: &'a Repository,
    root: &'a OwnedFd,
    look: &'a Look,
    options: &'a IntakeOptions<'a>,
    bulk: Bulk<'a>,
    files: Vec<Stored>,
}

/// A file whose blob has been made.
struct Stored {
    entry: IndexEntry,
    path: RepoPath,
    prior: Option<Prior>,
    counted: fn(&mut Counts) -> &mut usize,
}

/// An edited index and the commit for it, not in place yet.
pub(super) struct Draft {
    /// None if the index stays as it is.
    staged: Option<Staged>,
    head: Head,
    outcome: StagedCommit,
}

/// How putting a draft in place went.
enum Tried {
    Done(StagedCommit),
    /// Another program holds the index; the draft may still be good.
    Busy(Box<Draft>, Error),
    /// The index or the branch is another than the draft was made from.
    Changed,
}

/// What staging comes to if it is put in place.
#[derive(Default)]
pub(super) struct StagedCommit {
    pub(super) commit: Option<Oid>,
    pub(super) counts: Counts,
    pub(super) postponed: Vec<(RepoPath, Postponed)>,
}

impl<'a> Staging<'a> {
    /// Makes the blobs of all files.
    pub(super) fn begin(
        annex: &'a Annex,
        git: &'a Repository,
        root: &'a OwnedFd,
        prepared: Vec<Prepared>,
        look: &'a Look,
        options: &'a IntakeOptions<'a>,
    ) -> Result<Self> {
        let mut bulk = Bulk::begin(git)?;
        let mut files = Vec::with_capacity(prepared.len());
        let trust_mode = git
            .config()
            .and_then(|config| config.get_bool("core.fileMode"))
            .unwrap_or(true);
        for file in prepared {
            let mode = mode(&file.stat, file.prior, trust_mode);
            let counted = counted(&file.content);
            let oid = blob(&mut bulk, &file.path, file.content)?;
            let entry = IndexEntry::new(file.path.as_bytes(), mode, oid, &file.stat);
            files.push(Stored {
                entry,
                path: file.path,
                prior: file.prior,
                counted,
            });
        }
        Ok(Self {
            annex,
            git,
            root,
            look,
            options,
            bulk,
            files,
        })
    }

    /// Makes the index and the commit without the lock of the index.
    pub(super) fn draft(&mut self) -> Result<Draft> {
        let staged = Staged::draft(self.annex, self.git)?;
        self.edit(staged)
    }

    fn draft_under_lock(&mut self) -> Result<Draft> {
        let staged = Staged::open(self.annex, self.git)?;
        self.edit(staged)
    }

    /// Moves the branch and puts the index in place, under the locks of both. If somebody has changed either since the
    /// draft was made, another draft is made first; if they do so each time, at last under the lock of the index.
    pub(super) fn put_in_place(&mut self, mut draft: Draft) -> Result<StagedCommit> {
        let began = Instant::now();
        let others: [fn(&mut Self) -> Result<Draft>; 3] = [Self::draft, Self::draft, Self::draft_under_lock];
        let mut others = others.into_iter();
        loop {
            let with_branch = rest_of_first_half(began).map_or(WITH_BRANCH, |_| Duration::ZERO);
            draft = match self.try_put_in_place(draft, with_branch)? {
                Tried::Done(outcome) => return Ok(outcome),
                Tried::Busy(_, busy) if began.elapsed() > PATIENCE => return Err(busy),
                Tried::Busy(draft, _) => {
                    match (&draft.staged, rest_of_first_half(began)) {
                        (Some(staged), Some(half)) => staged.wait_for_rest(half),
                        (Some(_) | None, _) => thread::sleep(PAUSE),
                    }
                    *draft
                }
                Tried::Changed => match others.next() {
                    Some(make) => make(self)?,
                    // The index was locked, so only the branch can have moved.
                    None => return Err(Error::Busy(self.git.path().join("HEAD"))),
                },
            };
        }
    }

    /// The branch is locked first, and while the lock of the index is waited for: git waits for a branch and not for the index.
    fn try_put_in_place(&self, mut draft: Draft, with_branch: Duration) -> Result<Tried> {
        let Some(staged) = &mut draft.staged else {
            return Ok(Tried::Done(draft.outcome));
        };
        let branch = match draft.outcome.commit {
            Some(commit) => {
                let prepared = PreparedRef::new(self.git, commit)?;
                let Some(lock) = draft.head.lock(self.git)? else {
                    return Ok(Tried::Changed);
                };
                Some((lock, prepared))
            }
            None => None,
        };
        let is_current = match staged.take_lock(with_branch) {
            Ok(is_current) => is_current,
            Err(busy @ Error::Busy(_)) => {
                drop(branch);
                return Ok(Tried::Busy(Box::new(draft), busy));
            }
            Err(error) => return Err(error),
        };
        if !is_current || Head::read(self.git)? != draft.head {
            return Ok(Tried::Changed);
        }
        staged.write()?;
        // Cut off in between, what the index has and the branch has not is staged, and committed next time. The other way
        // round it would look as if somebody had staged that it goes.
        draft.staged.take().map_or(Ok(()), Staged::commit)?;
        if let Some((lock, prepared)) = branch {
            lock.set_prepared(prepared, &draft.head.deed(self.options.message))?;
        }
        Ok(Tried::Done(draft.outcome))
    }

    fn edit(&mut self, mut staged: Staged) -> Result<Draft> {
        let (git, look, options) = (self.git, self.look, self.options);
        let mut outcome = StagedCommit::default();
        // It may be another than before: a checkout may have come between.
        let head = Head::read(git)?;
        let mut is_edited = !look.renumbered.is_empty();
        for &(old, new) in &look.renumbered {
            staged.renumber_device(old, new);
        }
        // First what is gone: whether a directory may give way to a file depends on it.
        if options.cancelled.load(Ordering::Relaxed) {
            // What is gone here may be there under a name that was not looked at any more.
            let removed = look.removed.iter().map(|removed| removed.path.clone());
            outcome.postponed.extend(removed.map(|path| (path, Postponed::Changed)));
        } else if options.allow_removals && !look.removed.is_empty() {
            is_edited |= self.remove(&mut staged, &mut outcome)?;
        }
        for file in &self.files {
            let path = &file.entry.path;
            let now = staged.index().entry(path);
            // Since the look, git may have been told not to look at it, as by `git sparse-checkout`.
            if now.as_ref().map(Prior::of) != file.prior || now.as_ref().is_some_and(IndexEntry::is_not_looked_at) {
                outcome.postponed.push((file.path.clone(), Postponed::Changed));
                continue;
            }
            if staged.has_below(path) {
                outcome.postponed.push((file.path.clone(), Postponed::Held));
                continue;
            }
            *(file.counted)(&mut outcome.counts) += 1;
            staged.put(file.entry.clone());
            is_edited = true;
        }
        if !is_edited && !look.staged {
            let staged = None;
            return Ok(Draft { staged, head, outcome });
        }

        let bulk = &mut self.bulk;
        let odb = git.odb().map_err(Error::git("open the objects"))?;
        let tree = staged.write_tree(&|oid| odb.exists(to_git(oid)), &mut |content| {
            bulk.write(ObjectType::Tree, content.to_vec()).map(from_git)
        })?;
        staged.prepare()?;
        let is_first_and_empty = head.tip.is_none() && staged.index().entries().len() == 0;
        if head_tree(git)? != Some(tree) && !is_first_and_empty {
            outcome.commit = Some(commit(git, bulk, &head, tree, options.message)?);
        }
        let staged = Some(staged);
        Ok(Draft { staged, head, outcome })
    }

    /// Takes paths out of the index, if they are gone from the work tree that was opened and from no other. Says
    /// whether there were any.
    fn remove(&self, staged: &mut Staged, outcome: &mut StagedCommit) -> Result<bool> {
        let mut directories = Directories::below(self.root);
        let mut gone = Vec::with_capacity(self.look.removed.len());
        for removed in &self.look.removed {
            let path = removed.path.as_bytes();
            let is_same =
                |entry: &EntryRef<'_>| Prior::of(entry) == Prior::of(&removed.entry) && !entry.is_not_looked_at();
            if staged.index().entry(path).as_ref().is_some_and(is_same) && directories.is_gone(path) {
                gone.push(path);
            } else {
                outcome.postponed.push((removed.path.clone(), Postponed::Changed));
            }
        }
        // After looking at the files: a drive that was unplugged meanwhile took them all.
        if self.annex.root_state_by(self.git) != RootState::Same {
            return Err(self.annex.vanished());
        }
        outcome.counts.removed = gone.len();
        for path in &gone {
            staged.remove(path);
        }
        Ok(!gone.is_empty())
    }
}

/// When the first half of the patience for the index ends, until it does.
fn rest_of_first_half(began: Instant) -> Option<Instant> {
    let half = began + PATIENCE / 2;
    (Instant::now() < half).then_some(half)
}

/// Has git store what only git can, all together. Files for which that fails are postponed.
pub(super) fn convert(root: &OwnedFd, conversions: &Conversions, prepared: &mut Vec<Prepared>, intake: &mut Intake) {
    // Which filters there are may be new, also for the user's own git.
    let is_changed = |file: &Prepared| file.path.file_name() == ".gitattributes";
    if conversions.has_shown_filters() || prepared.iter().any(is_changed) {
        // Where that fails, the files that need it wait; it is tried again for them.
        let _ = conversions.show_filters();
    }
    let files: Vec<_> = prepared
        .iter()
        .filter_map(|file| match &file.content {
            GitForm::ByGit(conversion, _) => Some((&file.path, conversion.clone())),
            GitForm::Renamed(_)
            | GitForm::Pointer(_)
            | GitForm::Git(_)
            | GitForm::LargeGit(_)
            | GitForm::Symlink(_)
            | GitForm::Misplaced(_)
            | GitForm::Annexed(_) => None,
        })
        .collect();
    let mut stored = conversions.store(&files);
    let mut directories = Directories::below(root);
    let mut kept = Vec::with_capacity(prepared.len());
    for mut file in prepared.drain(..) {
        if let GitForm::ByGit(_, staged) = &mut file.content {
            let is_same = directories.stat(file.path.as_bytes()).is_ok_and(|now| now == file.stat);
            *staged = match stored.remove(&file.path) {
                Some(Ok(oid)) if is_same => Some(oid),
                Some(Err(why)) if is_same => {
                    intake.postponed.push((file.path, Postponed::Unconverted(why)));
                    continue;
                }
                Some(Ok(_) | Err(_)) | None => {
                    intake.postponed.push((file.path, Postponed::Changed));
                    continue;
                }
            };
        }
        kept.push(file);
    }
    *prepared = kept;
}

/// The blob that stands for a file.
fn blob(bulk: &mut Bulk<'_>, path: &RepoPath, content: GitForm) -> Result<Oid> {
    let content = match content {
        GitForm::Renamed(Prior { oid, .. }) | GitForm::ByGit(_, Some(oid)) => return Ok(oid),
        GitForm::ByGit(_, None) => return Err(Error::Refused(format!("{path} was not stored by git"))),
        GitForm::LargeGit(made) => return made.keep().map(from_git),
        GitForm::Annexed(annexed) if annexed.is_unlocked => pointer_for(&annexed.key),
        GitForm::Annexed(annexed) => symlink_target(path, &annexed.key),
        GitForm::Pointer(content) | GitForm::Git(content) => content,
        GitForm::Symlink(target) | GitForm::Misplaced(target) => target,
    };
    bulk.write(ObjectType::Blob, content).map(from_git)
}

fn mode(stat: &Stat, prior: Option<Prior>, trust_mode: bool) -> u32 {
    match prior {
        _ if stat.is_symlink() => SYMLINK,
        Some(prior) if !trust_mode && matches!(prior.mode, REGULAR | EXECUTABLE) => prior.mode,
        _ if trust_mode && stat.is_executable() => EXECUTABLE,
        _ => REGULAR,
    }
}

/// As what a file counts.
fn counted(content: &GitForm) -> fn(&mut Counts) -> &mut usize {
    match content {
        GitForm::Annexed(_) => |counts| &mut counts.annexed,
        GitForm::Git(_) | GitForm::LargeGit(_) | GitForm::ByGit(..) => |counts| &mut counts.in_git,
        GitForm::Renamed(_) => |counts| &mut counts.renamed,
        GitForm::Pointer(_) | GitForm::Symlink(_) | GitForm::Misplaced(_) => |counts| &mut counts.links,
    }
}

/// Makes a commit, durable with all that it leads to.
fn commit(git: &Repository, bulk: &mut Bulk<'_>, head: &Head, tree: Oid, message: &str) -> Result<Oid> {
    let parents: Vec<git2::Oid> = head.tip.into_iter().collect();
    let commit = bulk.commit(to_git(tree), &parents, &signature(git), message)?;
    bulk.save()?;
    Ok(from_git(commit))
}

#[cfg(test)]
mod tests {
    use model::Oid;

    use super::mode;
    use crate::index::{EXECUTABLE, REGULAR, SYMLINK};
    use crate::look::Prior;
    use crate::stat::Stat;

    #[test]
    fn a_file_is_executable_as_the_file_system_says_or_else_as_it_was_staged() {
        let file = rustix::fs::stat("/").map(Stat::from).unwrap();
        for (found, prior, trust_mode, expected) in [
            (0o100_755, None, true, EXECUTABLE),
            (0o100_644, Some(EXECUTABLE), true, REGULAR),
            (0o100_755, Some(REGULAR), true, EXECUTABLE),
            (0o100_755, None, false, REGULAR),
            (0o100_644, Some(EXECUTABLE), false, EXECUTABLE),
            (0o100_755, Some(REGULAR), false, REGULAR),
            (0o100_755, Some(SYMLINK), false, REGULAR),
            (0o120_777, Some(REGULAR), false, SYMLINK),
        ] {
            let stat = Stat { mode: found, ..file };
            let prior = prior.map(|mode| Prior {
                oid: Oid([0; 20]),
                mode,
            });
            assert_eq!(
                mode(&stat, prior, trust_mode),
                expected,
                "{found:o}, {prior:?}, {trust_mode}"
            );
        }
    }
}
