//! Making the work tree and the index follow a commit, and giving pointer files their content.
//!
//! # What is never done
//!
//! Nothing in the work tree is overwritten or deleted unless it is the file that its index entry was made from, or holds
//! byte for byte what git has, and no program has it open for writing ([`taken_away`]). Each file is looked at once more
//! right before it is touched. No directory is entered through a symlink, and no path is written that [`model::RepoPath`]
//! refuses. No hook runs. What git converts on its way out, by filters, encodings, line ends or `ident`, git converts here
//! too ([`Outgoing`]): files are the bytes that git would check out.
//!
//! # Paths that wait
//!
//! A path that cannot follow (a file of the user's is in its place, a program has it open, the system refuses) stays as it
//! is, with its index entry, and all others follow. The branch then moves not to the target but to a *partial commit*: its
//! parent is where the branch was, its tree is that of the target without the changes that wait. So the work tree, the
//! index and HEAD agree, and which paths wait *is* the difference between the partial commit and the merge of it with the
//! target. A user who edits, renames or deletes a file that waits acts on the version that
//! is there, and the next merge meets the act as what it is, concurrent with the target: both are kept. The merge goes on to
//! others all the same: `refs/heads/synced/BRANCH` names it before the branch moves.
//!
//! By default a checkout that meets uncommitted files touches nothing and names them: where they can be committed first,
//! that is one commit less.
//!
//! # Crashes
//!
//! A checkout changes the work tree, then the index, then the branch. Cut off in between, the difference between
//! work tree and index would look like the user's edits: files that came would be added under whatever key this
//! repository makes, and files that went would be committed as deleted. So the order is:
//!
//! 1. The plan; a checkout that is blocked ends here and has touched nothing. The note `<git dir>/anabranch/checkout`
//!    (from, to, branch), on disk before the first file changes.
//! 2. The new files, complete and on disk under temporary names.
//! 3. `index.lock`, and the lock of the branch: from here on no commit can slip in between, and step 6 cannot fail for
//!    want of the right old value. If the index has changed since the plan, a new plan is made.
//! 4. The work tree: names that change, then deletions, then new files, which are renamed, then all of it on disk.
//! 5. The index, replaced by one rename, with the stat data of what was written.
//! 6. The branch.
//! 7. The note is removed.
//!
//! Whoever looks for the user's changes first calls [`Annex::finish_checkout`]: if the note is there, the same plan is
//! made again from the same two commits and carried out. What step 4 did already is recognised: a file that is gone as
//! it should be, or that holds what it should hold. Between steps 5 and 6 the index already agrees with the target,
//! so only the branch moves; after 6 only the note is left. A file that the user changed since the crash waits, like any
//! other that is in the way. If the branch is at neither of the two commits, someone else has gone on, or the partial commit
//! was made; the note is dropped.

mod act;
mod depopulate;
mod entry;
mod marker;
mod obstacle;
mod place;
mod plan;
mod populate;
#[cfg(test)]
mod races;
mod rename;
mod restore;
mod retired;
mod taken_away;
#[cfg(test)]
mod tests;

use std::path::Path;

use git2::{ObjectType, Repository};
use model::{Key, Oid, RepoPath};

use crate::conversions::Outgoing;
use crate::identity::signature;
use crate::index::{PATIENCE, Staged};
use crate::locks::LockFile;
use crate::objects::{Bulk, Kept};
use crate::oid::{from_git, to_git};
use crate::ref_lock::{RefLock, move_ref};
use crate::tree::head::head_of;
use crate::tree::{Head, tree_of};
use crate::{Annex, Error, Result, Store};
use act::{Done, Ready};
use entry::trusts_mode;
use marker::Marker;
pub use obstacle::{Obstacle, Waiting};
use place::OpenWorkTree;
pub(crate) use place::look_at;
use plan::{Plan, Planner};
pub use retired::Retired;
pub(crate) use taken_away::{Taken, TakenAway};

/// How often a checkout is planned without the lock of the index, before it is planned under it.
const DRAFTS: usize = 3;

/// How files are checked out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckoutOptions {
    /// `annex.thin`: unlocked files are hard links to their objects.
    pub thin: bool,
    /// Whether uncommitted files are left as they are while all others follow; without it, nothing is touched if there are
    /// any.
    pub partial: bool,
}

/// What a checkout did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckedOut {
    /// How many files were made, replaced, renamed or deleted.
    pub changed: usize,
    /// Files that stand in the way: changed or untracked. If there are any, nothing was done at all, and the answer is
    /// to commit them first, or to check out partially.
    pub blocked: Vec<RepoPath>,
    /// Paths that did not follow. They are as they were, and the branch is at a partial commit.
    pub waiting: Vec<Waiting>,
    /// Where the branch is now, or, if paths wait, where it will be when they no longer do; none if nothing was done.
    pub ahead: Option<Oid>,
}

impl Annex {
    /// Makes work tree, index and the branch that is checked out follow the commit `to`, which was made of what `from` has;
    /// the branch itself moves there only if no path waits.
    ///
    /// Busy if `from` is no longer what is checked out: somebody has committed or changed to another branch since, and
    /// what came with that would go again. Refused: in a bare repository, and in the middle of a merge or rebase.
    pub(crate) fn check_out(&self, from: &Head, to: Oid, options: &CheckoutOptions) -> Result<CheckedOut> {
        let _alone = alone(self)?;
        self.finish()?;
        let wanted = Marker {
            branch: from.branch.clone(),
            from: from.commit,
            to,
        };
        self.carry_out(&wanted, options, false, &mut |_| Ok(()))
    }

    /// Finishes a checkout that a crash interrupted; none if there is none. To be called before anything looks for
    /// changes in the work tree. Busy if the checkout is not interrupted but under way in another process.
    pub fn finish_checkout(&self) -> Result<Option<CheckedOut>> {
        if !self.is_checkout_unfinished() {
            return Ok(None);
        }
        let _alone = alone(self)?;
        self.finish()
    }

    fn finish(&self) -> Result<Option<CheckedOut>> {
        let Some(begun) = Marker::read(self)? else {
            return Ok(None);
        };
        let current = self.head().ok().filter(|head| head.branch == begun.branch);
        let is_known = |head: &Head| head.commit == begun.from || head.commit == Some(begun.to);
        if !current.as_ref().is_some_and(is_known) {
            Marker::remove(self)?;
            return Ok(None);
        }
        let git = self.git()?;
        let config = git.config().map_err(Error::git("read the configuration"))?;
        let options = CheckoutOptions {
            thin: config.get_bool("annex.thin").unwrap_or(false),
            partial: true,
        };
        self.carry_out(&begun, &options, true, &mut |_| Ok(())).map(Some)
    }

    /// True if a checkout was begun and not finished.
    pub fn is_checkout_unfinished(&self) -> bool {
        Marker::read(self).is_ok_and(|marker| marker.is_some())
    }

    /// The steps of the module's documentation; `before` is called before each, so that tests can fail there.
    fn carry_out(
        &self,
        wanted: &Marker,
        options: &CheckoutOptions,
        finishing: bool,
        before: &mut Before<'_>,
    ) -> Result<CheckedOut> {
        let Some(top) = self.work_tree() else {
            return Err(Error::Refused(format!(
                "{self:?} is bare: it has no files to check out"
            )));
        };
        let git = self.git()?;
        let store = self.store();
        // Opened before the first file is made or taken away, which lies there until it has its place or is deleted.
        let _scratch = store.hold_scratch()?;
        let to_tree = tree_of(&git, wanted.to)?;
        let mut checkout = Checkout {
            annex: self,
            git: &git,
            top,
            store: &store,
            outgoing: &Outgoing::of_tree(self, Some(to_tree)),
            wanted,
            options,
            finishing,
            noted: false,
        };
        match checkout.begin(before) {
            Ok(Ok(begun)) => checkout.complete(begun, before),
            nothing_done => {
                if checkout.noted {
                    Marker::remove(self)?;
                }
                nothing_done.map(|blocked| CheckedOut {
                    blocked: blocked.err().unwrap_or_default(),
                    ..CheckedOut::default()
                })
            }
        }
    }
}

/// One checkout on its way.
struct Checkout<'a> {
    annex: &'a Annex,
    git: &'a Repository,
    top: &'a Path,
    store: &'a Store<'a>,
    outgoing: &'a Outgoing,
    wanted: &'a Marker,
    options: &'a CheckoutOptions,
    /// Whether it was begun before, and cut off.
    finishing: bool,
    /// Whether it has written the note of step 1.
    noted: bool,
}

/// A checkout that holds its locks and has all that it will put in place.
struct Begun<'a> {
    staged: Staged,
    branch: RefLock<'a>,
    head: Head,
    ready: Ready<'a>,
    /// Whether anything but the branch changes.
    touches: bool,
}

impl<'a> Checkout<'a> {
    /// Plans, makes the files, and takes the locks last: a git command of the user's fails if it meets that of the index. If
    /// the index has changed by then, it plans again. The inner error is what stands in the way.
    fn begin(&mut self, before: &mut Before<'_>) -> Result<std::result::Result<Begun<'a>, Vec<RepoPath>>> {
        self.head()?;
        let mut drafts = 0;
        loop {
            drafts += 1;
            let mut staged = Staged::draft_unless(drafts > DRAFTS, self.annex, self.git)?;
            let mut plan = self.plan(&staged)?;
            if !self.options.partial && !plan.in_the_way.is_empty() {
                plan.in_the_way.sort();
                plan.in_the_way.dedup();
                return Ok(Err(plan.in_the_way));
            }
            before(Step::Marker)?;
            let touches = !plan.touches_nothing();
            if touches && !self.finishing && !self.noted {
                self.wanted.write(self.annex)?;
                self.noted = true;
            }
            let ready = Ready::make(self.store, self.outgoing, self.top, plan, self.options.thin)?;
            if !staged.take_lock(PATIENCE)? {
                continue;
            }
            let branch = RefLock::take(self.git, &self.reference())?;
            return Ok(Ok(Begun {
                staged,
                branch,
                head: self.head()?,
                ready,
                touches,
            }));
        }
    }

    /// Changes the work tree, the index and the branch, and gives pointers the contents that have come: steps 4 to 7.
    fn complete(&self, begun: Begun<'_>, before: &mut Before<'_>) -> Result<CheckedOut> {
        let Begun {
            mut staged,
            branch,
            head,
            ready,
            touches,
        } = begun;
        before(Step::WorkTree)?;
        let mut done = ready.act(self.store, before)?;
        before(Step::Index)?;
        let (changed, pointers) = (done.changed, std::mem::take(&mut done.pointers));
        let mut waiting = std::mem::take(&mut done.waiting);
        waiting.sort();
        waiting.dedup();
        change_index(&mut staged, done);
        let to = self.wanted.to;
        let partial = match waiting.is_empty() || head.commit == Some(to) {
            true => {
                if touches {
                    note_trees(self.git, &mut staged);
                }
                Partial {
                    reached: Some(to),
                    ahead: to,
                    _kept: Kept::default(),
                }
            }
            false => self.publish_partial(&mut staged, &head, waiting.len())?,
        };
        if touches {
            staged.commit()?;
        } else {
            drop(staged);
        }
        before(Step::Branch)?;
        if let Some(reached) = partial.reached.filter(|reached| head.commit != Some(*reached)) {
            branch.set(reached, &format!("anabranch: check out {to}"))?;
        }
        before(Step::Done)?;
        self.populate(pointers)?;
        if self.noted || self.finishing {
            Marker::remove(self.annex)?;
        }
        Ok(CheckedOut {
            changed,
            blocked: Vec::new(),
            waiting,
            ahead: Some(partial.ahead),
        })
    }

    /// Commits what is staged of a checkout of which paths wait, and lets others fetch the merge of that with the target.
    fn publish_partial(&self, staged: &mut Staged, head: &Head, waiting: usize) -> Result<Partial> {
        let reference = format!("refs/heads/synced/{}", self.wanted.branch);
        let synced = self.git.refname_to_id(&reference).ok();
        let partial = partial_commit(self.git, staged, head, self.wanted.to, synced, waiting)?;
        publish(self.git, &reference, synced, partial.ahead)?;
        Ok(partial)
    }

    /// Gives pointers that were made the contents that have come since.
    fn populate(&self, mut pointers: Vec<(RepoPath, Key)>) -> Result<()> {
        if self.finishing {
            // Pointers that the attempt which was cut off has left.
            self.annex
                .tree_changes(self.wanted.from, self.wanted.to, &mut |change| {
                    let unlocked = change.new.filter(|annexed| !annexed.locked);
                    pointers.extend(unlocked.map(|annexed| (change.path, annexed.key)));
                })?;
        }
        // Content that came meanwhile was given only to the files that the index had then.
        pointers.retain(|(_, key)| self.store.is_present(key));
        self.annex.populate(&pointers, self.options.thin).map(drop)
    }

    fn plan(&self, staged: &Staged) -> Result<Plan> {
        if staged.index().has_conflict() {
            return Err(Error::Refused(format!(
                "{:?} has files in conflict; nothing was changed. Resolve them there (see 'git status')",
                self.annex
            )));
        }
        let odb = self.git.odb().map_err(Error::git("open the object database"))?;
        let from = self.wanted.from.map(|from| tree_of(self.git, from)).transpose()?;
        let planner = Planner {
            store: self.store,
            outgoing: self.outgoing,
            odb: &odb,
            index: staged.index(),
            place: &mut OpenWorkTree::open(self.top)?,
            trust_mode: trusts_mode(self.git),
        };
        planner.plan(from, tree_of(self.git, self.wanted.to)?)
    }

    fn reference(&self) -> String {
        format!("refs/heads/{}", self.wanted.branch)
    }

    /// What is checked out; busy if it is none of what the checkout is about, refused in the middle of a merge.
    fn head(&self) -> Result<Head> {
        if self.git.state() != git2::RepositoryState::Clean {
            return Err(Error::Refused(format!(
                "a merge or rebase is under way in {:?}; nothing was changed. Finish it there (see 'git status'), or give it up with 'git merge --abort'",
                self.annex
            )));
        }
        let head = head_of(self.git)?;
        let is_known = head.commit == self.wanted.from || head.commit == Some(self.wanted.to);
        match head.branch == self.wanted.branch && is_known {
            true => Ok(head),
            false => Err(Error::Busy(self.annex.git_dir().join(self.reference()))),
        }
    }
}

/// Where a checkout may be cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Marker,
    WorkTree,
    /// Within the work tree.
    File,
    Index,
    Branch,
    Done,
}

/// Called before each step.
type Before<'a> = dyn FnMut(Step) -> Result<()> + 'a;

impl Plan {
    fn touches_nothing(&self) -> bool {
        self.deletions.is_empty()
            && self.moves.is_empty()
            && self.writes.is_empty()
            && self.accepted.is_empty()
            && self.index_only.is_empty()
    }
}

fn change_index(staged: &mut Staged, done: Done) {
    for path in &done.removed {
        staged.remove(path.as_bytes());
    }
    for entry in done.entries {
        staged.put(entry);
    }
}

/// Has the index know the trees of what is staged, so that nobody has to make them to compare it with HEAD. If they are not
/// those of a commit, it knows none.
fn note_trees(git: &Repository, staged: &mut Staged) {
    let Ok(odb) = git.odb() else { return };
    let mut are_there = true;
    let hashed = staged.write_tree(&|oid| odb.exists(to_git(oid)), &mut |tree| {
        let id = git2::Oid::hash_object(ObjectType::Tree, tree).map_err(Error::git("hash a tree"))?;
        are_there &= odb.exists(id);
        Ok(from_git(id))
    });
    if hashed.is_err() || !are_there {
        staged.forget_trees();
    }
}

/// What is left of a checkout of which paths wait.
struct Partial {
    /// What the branch is to be at; none if it stays where it is.
    reached: Option<Oid>,
    /// What others are to have, and the branch when no path waits any more.
    ahead: Oid,
    /// Protects both until the refs are set.
    _kept: Kept,
}

/// Commits what is staged on top of where the branch was: `to` without the changes that wait. Nothing new if that is what the
/// branch has already.
///
/// That commit has what others changed, and not their commits. Were it met by itself, what they changed back since would
/// look as if it had been changed here. So a merge of it with `to` is made too, to be published first.
fn partial_commit(
    git: &Repository,
    staged: &mut Staged,
    head: &Head,
    to: Oid,
    synced: Option<git2::Oid>,
    waiting: usize,
) -> Result<Partial> {
    let odb = git.odb().map_err(Error::git("open the object database"))?;
    let mut bulk = Bulk::begin(git)?;
    let tree = staged.write_tree(&|oid| odb.exists(to_git(oid)), &mut |content| {
        bulk.write(ObjectType::Tree, content.to_vec()).map(from_git)
    })?;
    let before = head.commit.map(|commit| tree_of(git, commit)).transpose()?;
    if before == Some(to_git(tree)) || (before.is_none() && staged.is_empty()) {
        return Ok(Partial {
            reached: None,
            ahead: to,
            _kept: Kept::default(),
        });
    }
    let parents: Vec<git2::Oid> = head.commit.map(to_git).into_iter().collect();
    let message = match waiting {
        1 => "changes from elsewhere, without 1 file that waits\n".to_owned(),
        waiting => format!("changes from elsewhere, without {waiting} files that wait\n"),
    };
    let who = signature(git);
    let reached = bulk.commit(to_git(tree), &parents, &who, &message)?;
    let whole = tree_of(git, to)?;
    // An attempt that was cut off may have published another partial commit with the same changes.
    let other = match synced {
        Some(synced) if tree_of(git, from_git(synced))? == whole && descends(git, synced, to_git(to))? => synced,
        Some(_) | None => to_git(to),
    };
    let mut parents = [reached, other];
    parents.sort();
    let message = format!("Merge branch '{}'\n", head.branch);
    let ahead = bulk.commit(whole, &parents, &who, &message)?;
    let kept = bulk.finish()?;
    Ok(Partial {
        reached: Some(from_git(reached)),
        ahead: from_git(ahead),
        _kept: kept,
    })
}

/// Lets others fetch a commit that is not checked out whole. Where somebody has pushed another commit onto the branch since,
/// that one stays, and the next merge joins the two.
fn publish(git: &Repository, reference: &str, before: Option<git2::Oid>, commit: Oid) -> Result<()> {
    let commit = to_git(commit);
    let is_behind = match before {
        Some(before) => descends(git, commit, before)?,
        None => true,
    };
    if is_behind {
        move_ref(git, reference, before, commit, "anabranch: merged")?;
    }
    Ok(())
}

/// True if a commit has another one in its history.
fn descends(git: &Repository, commit: git2::Oid, from: git2::Oid) -> Result<bool> {
    git.graph_descendant_of(commit, from)
        .map_err(Error::git("compare commits"))
}

/// Keeps others of ours from checking out, and from taking a checkout that is under way for an interrupted one. The
/// system lets go of the lock when the process dies.
fn alone(annex: &Annex) -> Result<LockFile> {
    let path = annex.git_dir().join("anabranch").join("checkout.lck");
    LockFile::try_exclusive(&path)?.ok_or(Error::Busy(path))
}
