use std::collections::BTreeSet;

use git2::Oid;

use super::others::other_branches;
use super::transitions::{self, Transitions};
use super::writing::Writer;
use super::{Branch, DEEPEST, read_committed, tip, tree_of};
use crate::logs::{UuidLog, union};
use crate::objects::{Bulk, DIRECTORY, Tree, TreeEntry};
use crate::oid::from_git;
use crate::{Directory, Error, Result};

/// What a merge did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The tip afterwards; none if there is no branch and nothing to make it from.
    pub tip: Option<model::Oid>,
    /// True if the tip moved, by the merge or by committing the journal.
    pub changed: bool,
    /// For people: the branches that were not merged, and why. All others were.
    pub refused: Vec<String>,
}

impl Branch<'_> {
    /// Commits the journal, then merges every ref that ends in `/git-annex` and is not merged yet: by moving the
    /// branch forward, or by one commit with all of them as parents, each file the union of its lines. That commit
    /// depends on its parents only: repositories that merge the same branches apart from each other make the same one,
    /// so they agree at once.
    ///
    /// `git annex forget` is honoured in both directions: what others have forgotten is not brought back, and what
    /// was forgotten here is not taken from those who still have it. When the branch is rebuilt on top of a forgetting
    /// one, git-annex's copy of the old one (`index`, `index.lck`) is removed, else its next commit would bring all
    /// back; it makes itself a new one. Does nothing but commit the journal if `annex.merge-annex-branches` is false.
    pub fn merge(&self) -> Result<Merged> {
        let repo = self.annex.git()?;
        let before = tip(&repo)?;
        let writer = Writer::lock(self.annex, &repo)?;
        writer.fold()?;
        let refused = merge(&writer)?;
        let tip = tip(&repo)?;
        Ok(Merged {
            tip: tip.map(from_git),
            changed: tip != before,
            refused,
        })
    }
}

/// Of a merge. git-annex names the refs that it merges (`merging origin/git-annex into git-annex`); these are others in
/// every repository, and the commit is to be the same in all.
const SUBJECT: &str = "merging git-annex branches";

/// Somebody's branch that is not merged yet.
struct Candidate {
    tip: Oid,
    tree: Oid,
    transitions: Transitions,
}

/// Merges what is not merged yet; the journal must be committed. Tells what was refused.
pub(super) fn merge(writer: &Writer<'_>) -> Result<Vec<String>> {
    let repo = writer.repo;
    let config = repo.config().map_err(Error::git("read the configuration"))?;
    if !config.get_bool("annex.merge-annex-branches").unwrap_or(true) {
        return Ok(Vec::new());
    }
    let ours = tip(repo)?;
    let mut refused = Vec::new();
    let found = candidates(writer, ours, &mut refused)?;
    if found.is_empty() {
        return Ok(refused);
    }
    let known = transitions::of(repo, ours)?;
    let mut wanted = known.clone();
    wanted.extend(found.iter().flat_map(|theirs| theirs.transitions.iter().cloned()));
    let (complete, behind): (Vec<_>, Vec<_>) = found.into_iter().partition(|theirs| theirs.transitions == wanted);
    if behind.is_empty() && (known == wanted || ours.is_none()) {
        merge_plainly(writer, ours, &complete)?;
    } else {
        merge_across(writer, ours, &known, &wanted, &complete, &behind)?;
    }
    Ok(refused)
}

/// The refs to be merged: each commit once, and none that another of them has merged already.
fn candidates(writer: &Writer<'_>, ours: Option<Oid>, refused: &mut Vec<String>) -> Result<Vec<Candidate>> {
    let repo = writer.repo;
    let ignored = transitions::ignored(writer.annex)?;
    let mut found: Vec<(String, Oid)> = Vec::new();
    for (name, id) in other_branches(repo)? {
        if Some(id) == ours || ignored.contains(&id.to_string()) || found.iter().any(|(_, other)| *other == id) {
            continue;
        }
        match ours.map_or(Ok(false), |ours| repo.graph_descendant_of(ours, id)) {
            Ok(true) => {}
            Ok(false) => found.push((name, id)),
            Err(problem) => refused.push(format!("{name} was not merged: {}", problem.message())),
        }
    }
    let newest = |id: Oid| {
        // No commit comes after itself.
        let newer = |&(_, other): &(String, Oid)| repo.graph_descendant_of(other, id).unwrap_or(false);
        !found.iter().any(newer)
    };
    let found: Vec<_> = found.iter().filter(|(_, id)| newest(*id)).collect();

    let tuned_here = tunings(repo, ours)?;
    let mut candidates = Vec::new();
    for (name, id) in found {
        // One damaged branch must not keep the others from being merged.
        match candidate(repo, *id, &tuned_here) {
            Ok(candidate) => candidates.push(candidate),
            Err(why) => refused.push(format!("{name} was not merged: {why}")),
        }
    }
    Ok(candidates)
}

fn candidate(repo: &git2::Repository, tip: Oid, tuned_here: &Tunings) -> Result<Candidate> {
    if !tunings(repo, Some(tip))?.is_subset(tuned_here) {
        return Err(Error::Refused(
            "that repository is tuned in another way (difference.log); nothing is lost, but the two cannot work together"
                .to_owned(),
        ));
    }
    Ok(Candidate {
        tip,
        tree: tree_of(repo, tip)?,
        transitions: transitions::of(repo, Some(tip))?,
    })
}

/// Repositories that are tuned, and how.
type Tunings = BTreeSet<(Vec<u8>, Vec<u8>)>;

/// The lines of `difference.log` that say that a repository is tuned.
fn tunings(repo: &git2::Repository, commit: Option<Oid>) -> Result<Tunings> {
    let content = read_committed(repo, commit, b"difference.log")?.unwrap_or_default();
    let log = UuidLog::parse(&content);
    Ok(log
        .values()
        .filter(|(_, value)| !matches!(*value, b"" | b"fromList []"))
        .map(|(uuid, value)| (uuid.to_vec(), value.to_vec()))
        .collect())
}

fn merge_plainly(writer: &Writer<'_>, ours: Option<Oid>, theirs: &[Candidate]) -> Result<()> {
    let repo = writer.repo;
    if let [only] = theirs {
        let forward = |ours| repo.graph_descendant_of(only.tip, ours).unwrap_or(false);
        if ours.is_none_or(forward) {
            return writer.move_branch(only.tip, ours, SUBJECT);
        }
    }
    let mut parents: Vec<(Oid, Oid)> = theirs.iter().map(|theirs| (theirs.tip, theirs.tree)).collect();
    if let Some(ours) = ours {
        parents.push((ours, tree_of(repo, ours)?));
    }
    // In an order that is the same in every repository: it may matter to what becomes of odd trees.
    parents.sort_unstable();
    let mut bulk = Bulk::begin(repo)?;
    let mut tree = None;
    for &(_, other) in &parents {
        tree = Some(union_trees(&mut bulk, tree, other, 0)?);
    }
    let Some(tree) = tree else { return Ok(()) };
    let parents: Vec<Oid> = parents.into_iter().map(|(tip, _)| tip).collect();
    writer.commit_merge(bulk, tree, &parents, ours, SUBJECT).map(drop)
}

/// Merges branches that have not all forgotten the same: those `behind` give their lines only, not their history, and
/// so does ours if it lacks something.
fn merge_across(
    writer: &Writer<'_>,
    ours: Option<Oid>,
    known: &Transitions,
    wanted: &Transitions,
    complete: &[Candidate],
    behind: &[Candidate],
) -> Result<()> {
    let repo = writer.repo;
    let mut parents: Vec<(Oid, Oid)> = complete.iter().map(|theirs| (theirs.tip, theirs.tree)).collect();
    let mut givers: Vec<Oid> = Vec::new();
    let merged_by_git_annex = transitions::merged(writer.annex)?;
    let mut ignore = Vec::new();
    let ours_tree = ours.map(|ours| tree_of(repo, ours)).transpose()?;
    let ours_forgot_all = known == wanted && ours.is_some();
    if let (true, Some(ours), Some(tree)) = (ours_forgot_all, ours, ours_tree) {
        parents.insert(0, (ours, tree));
    } else {
        givers.extend(ours_tree);
    }
    for theirs in behind {
        // Two who forgot different things: one of the other's must be built upon, else neither would give way.
        if parents.is_empty() && !theirs.transitions.is_subset(known) {
            parents.push((theirs.tip, theirs.tree));
            continue;
        }
        ignore.push(theirs.tip.to_string());
        if !merged_by_git_annex.contains(&theirs.tip.to_string()) {
            givers.push(theirs.tree);
        }
    }
    let Some((&(first, base), more)) = parents.split_first() else {
        return Ok(());
    };
    let mut bulk = Bulk::begin(repo)?;
    let mut tree = base;
    for &other in more.iter().map(|(_, tree)| tree).chain(&givers) {
        tree = union_trees(&mut bulk, Some(tree), other, 0)?;
    }
    tree = transitions::apply(&mut bulk, tree, wanted)?;
    let subject = transitions::subject(wanted);
    if !ours_forgot_all {
        forget_index(writer)?;
    }
    if tree == base && more.is_empty() {
        if ours != Some(first) {
            writer.move_branch(first, ours, &subject)?;
        }
    } else {
        let parents: Vec<Oid> = parents.iter().map(|(tip, _)| *tip).collect();
        writer.commit(bulk, tree, &parents, ours, &subject)?;
    }
    transitions::ignore(writer.annex, &ignore)
}

/// Removed before the branch moves: a crash between leaves git-annex to build its index from what the branch is then.
fn forget_index(writer: &Writer<'_>) -> Result<()> {
    let annex = writer.annex;
    if let Some(directory) = Directory::find_below(annex.git_dir(), &annex.annex_dir())? {
        for name in ["index", "index.lck"] {
            directory.remove(name)?;
        }
    }
    Ok(())
}

/// The union of two trees; reads only what differs. Whatever is no file of lines on both sides stays as ours has it.
pub(super) fn union_trees(bulk: &mut Bulk<'_>, ours: Option<Oid>, theirs: Oid, depth: usize) -> Result<Oid> {
    let Some(ours) = ours.filter(|ours| *ours != theirs) else {
        return Ok(theirs);
    };
    let mut tree: Tree = bulk.read_tree(ours)?;
    let other = bulk.read_tree(theirs)?;
    let mut changed = false;
    for (name, new) in other.entries() {
        let merged = match tree.get(name) {
            None => new,
            Some(old) if old.is_directory() && new.is_directory() && depth < DEEPEST => TreeEntry {
                mode: DIRECTORY,
                id: union_trees(bulk, Some(old.id), new.id, depth + 1)?,
            },
            Some(old) if old.is_blob() && new.is_blob() && old.id != new.id => {
                let content = union(&bulk.read_blob(old.id)?, &bulk.read_blob(new.id)?);
                TreeEntry::file(bulk.blob(&content)?)
            }
            Some(_) => continue,
        };
        if tree.get(name) != Some(merged) {
            tree.set(name, Some(merged));
            changed = true;
        }
    }
    if changed { bulk.tree(tree) } else { Ok(ours) }
}
