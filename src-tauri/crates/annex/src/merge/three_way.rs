//! Merging two trees.
//!
//! Only what a side changed since the base is looked at, so the cost is that of the changes. libgit2's own merge is not
//! used: it reads all of all three trees, and where a renamed file meets a directory it loses files (seen with 1.9.7:
//! base `d/x`, one side makes `d` a file, the other renames `d/x` within `d`: the new `d` is in no stage of the result).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bstr::{BStr, BString, ByteSlice};
use git2::{ObjectType, Odb, Oid, Repository};
use model::RepoPath;

use super::control::{Control, control, keeps_ignored};
use super::resolve::{LARGEST_TEXT, Labels, Version, resolve, resolve_control, version};
use super::write::write_changes;
use crate::tree::raw::{self, Blob, Mode};
use crate::{Error, Result};

/// A path, as far as the sides are not agreed on it: what it was, and is on each side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Three {
    base: Option<Blob>,
    ours: Option<Blob>,
    theirs: Option<Blob>,
    /// A conflict although only one side has the file: it was renamed in two ways, or renamed and deleted.
    disputed: bool,
}

/// What a merge of two trees made.
#[derive(Debug)]
pub(super) struct Merged {
    /// The tree; it contains no conflicts.
    pub(super) tree: Oid,
    /// Paths that were in conflict and are resolved.
    pub(super) resolved: Vec<RepoPath>,
    /// Paths in conflict for which there is no rule (submodules); they are as ours has them.
    pub(super) unresolved: Vec<RepoPath>,
}

/// Merges `theirs` into `ours`.
pub(super) fn merge_trees(
    git: &Repository,
    base: Option<Oid>,
    ours: Oid,
    theirs: Oid,
    labels: &Labels<'_>,
) -> Result<Merged> {
    let odb = git.odb().map_err(Error::git("open the object database"))?;
    let mut paths = changes_of_both(&odb, base, ours, theirs)?;
    follow_renames(&mut paths);

    // What is in conflict waits until it is known where directories are.
    let Sorted {
        clean: mut result,
        mut conflicts,
        unresolved,
    } = sort(git, &paths)?;
    let mut directories = BTreeSet::new();
    let files = result.iter().filter(|(_, blob)| blob.is_some()).map(|(path, _)| *path);
    for path in files.chain(conflicts.iter().map(|(path, _)| path.as_bstr())) {
        add_parents(path, &mut directories);
    }
    // A file where the other side has a directory is in conflict too.
    for (path, three) in &paths {
        if directories.contains(path) && matches!(result.get(path.as_bstr()), Some(Some(_))) {
            conflicts.push((path, three));
        }
    }
    let mut resolved = Vec::new();
    let mut added = BTreeMap::new();
    for (path, three) in conflicts {
        resolved.push(shown(path.as_bstr())?);
        result.insert(path.as_bstr(), None);
        resolve_conflict(&odb, path, three, directories.contains(path), labels, &mut added)?;
    }
    result.extend(added.iter().map(|(path, blob)| (path.as_bstr(), Some(*blob))));
    for path in result.keys() {
        shown(path)?;
    }
    let changes: Vec<_> = result.into_iter().collect();
    let tree = write_changes(&odb, Some(ours), &changes)?;
    resolved.sort();
    Ok(Merged {
        tree,
        resolved,
        unresolved,
    })
}

/// The paths that either side changed since the base.
fn changes_of_both(odb: &Odb<'_>, base: Option<Oid>, ours: Oid, theirs: Oid) -> Result<BTreeMap<BString, Three>> {
    let mut paths: BTreeMap<BString, Three> = BTreeMap::new();
    raw::differences(odb, base, Some(ours), &mut |path, old, new| {
        let three = Three {
            base: old,
            ours: new,
            theirs: old,
            disputed: false,
        };
        paths.insert(path.into(), three);
        Ok(())
    })?;
    raw::differences(odb, base, Some(theirs), &mut |path, old, new| {
        let three = paths.entry(path.into()).or_insert(Three {
            base: old,
            ours: old,
            theirs: None,
            disputed: false,
        });
        three.theirs = new;
        Ok(())
    })?;
    Ok(paths)
}

/// Paths by what is to be done about them.
#[derive(Default)]
struct Sorted<'p> {
    /// What is certain to become of a path.
    clean: BTreeMap<&'p BStr, Option<Blob>>,
    conflicts: Vec<(&'p BString, &'p Three)>,
    /// Paths in conflict for which there is no rule; `clean` has them as ours has them.
    unresolved: Vec<RepoPath>,
}

fn sort<'p>(git: &Repository, paths: &'p BTreeMap<BString, Three>) -> Result<Sorted<'p>> {
    let mut sorted = Sorted::default();
    for (path, three) in paths {
        let blob = match clean(git, control(path), three)? {
            Some(blob) => blob,
            None if three.is_of_submodules() => {
                sorted.unresolved.push(shown(path.as_bstr())?);
                three.ours
            }
            None => {
                sorted.conflicts.push((path, three));
                continue;
            }
        };
        sorted.clean.insert(path.as_bstr(), blob);
    }
    Ok(sorted)
}

/// Decides about one path in conflict: what is to be added, there or elsewhere.
fn resolve_conflict(
    odb: &Odb<'_>,
    path: &BString,
    three: &Three,
    is_directory: bool,
    labels: &Labels<'_>,
    added: &mut BTreeMap<BString, Blob>,
) -> Result<()> {
    let version = |side: Option<Blob>| -> Result<Option<Version>> {
        // Where a directory is, only the side that changed it has a file that counts.
        let counts = side.filter(|_| !is_directory || side != three.base);
        counts.map(|blob| version(odb, blob)).transpose()
    };
    let (ours, theirs) = (version(three.ours)?, version(three.theirs)?);
    match control(path).filter(|_| !is_directory) {
        Some(control) => resolve_control(odb, path, control, ours, theirs, added)?,
        None => resolve(path, ours, theirs, is_directory, labels, added),
    }
    Ok(())
}

impl Three {
    fn is_of_submodules(&self) -> bool {
        [self.ours, self.theirs]
            .into_iter()
            .flatten()
            .any(|blob| blob.mode == Mode::Submodule)
    }
}

/// What becomes of a path that is not in conflict; none if it is.
fn clean(git: &Repository, control: Option<Control>, three: &Three) -> Result<Option<Option<Blob>>> {
    let Three {
        base,
        ours,
        theirs,
        disputed,
    } = *three;
    if disputed {
        return Ok(None);
    }
    if ours == theirs || theirs == base {
        return Ok(Some(ours));
    }
    if ours == base {
        return Ok(Some(theirs));
    }
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return Ok(None);
    };
    let is_file = |blob: Blob| matches!(blob.mode, Mode::File | Mode::Executable);
    if !is_file(ours) || !is_file(theirs) {
        return Ok(None);
    }
    let mode = merged_mode(base, ours, theirs);
    let base = base.filter(|&base| is_file(base));
    let unchanged = |side: Blob| base.is_some_and(|base| base.id == side.id);
    let id = if ours.id == theirs.id || unchanged(theirs) {
        ours.id
    } else if unchanged(ours) {
        theirs.id
    } else {
        match merged_text(git, control, base, ours, theirs)? {
            Some(id) => id,
            None => return Ok(None),
        }
    };
    Ok(Some(Some(Blob { mode, id })))
}

/// The side that changed the permissions wins; executable, if there was nothing to change.
fn merged_mode(base: Option<Blob>, ours: Blob, theirs: Blob) -> Mode {
    if ours.mode == theirs.mode {
        return ours.mode;
    }
    match base.map(|base| base.mode) {
        Some(Mode::Executable) => Mode::File,
        Some(Mode::File | Mode::Symlink | Mode::Submodule) | None => Mode::Executable,
    }
}

/// Merges two text files by lines; none if they conflict, are not text, or one of them is annexed.
fn merged_text(
    git: &Repository,
    control: Option<Control>,
    base: Option<Blob>,
    ours: Blob,
    theirs: Blob,
) -> Result<Option<Oid>> {
    let odb = git.odb().map_err(Error::git("open the object database"))?;
    for side in [ours, theirs] {
        let (size, _) = odb.read_header(side.id).map_err(Error::git("read a file to merge"))?;
        if size > LARGEST_TEXT || version(&odb, side)?.key().is_some() {
            return Ok(None);
        }
    }
    let Some(base) = base else { return Ok(None) };
    let read = |id| odb.read(id).map_err(Error::git("read a file to merge"));
    let (old, one, two) = (read(base.id)?, read(ours.id)?, read(theirs.id)?);
    let is_binary = |data: &[u8]| data[..data.len().min(8000)].contains(&0);
    if [&old, &one, &two].iter().any(|object| is_binary(object.data())) {
        return Ok(None);
    }
    let Some(merged) = merge_lines(old.data(), one.data(), two.data())? else {
        return Ok(None);
    };
    let loses_rules = control == Some(Control::Ignore) && !keeps_ignored(old.data(), one.data(), two.data(), &merged);
    if loses_rules {
        return Ok(None);
    }
    odb.write(ObjectType::Blob, &merged)
        .map(Some)
        .map_err(Error::git("write a merged file"))
}

/// Merges texts that differ by lines; none if they conflict.
pub(super) fn merge_lines(base: &[u8], ours: &[u8], theirs: &[u8]) -> Result<Option<Vec<u8>>> {
    let (mut a, mut b, mut c) = (
        git2::MergeFileInput::new(),
        git2::MergeFileInput::new(),
        git2::MergeFileInput::new(),
    );
    a.content(base);
    b.content(ours);
    c.content(theirs);
    let merged = git2::merge_file(&a, &b, &c, None).map_err(Error::git("merge a file"))?;
    Ok(merged.is_automergeable().then(|| merged.content().to_vec()))
}

/// Lets a change of one side follow a file that the other side renamed. Only exact renames count: a pointer or link of
/// another key has next to nothing in common with the old one anyway.
fn follow_renames(paths: &mut BTreeMap<BString, Three>) {
    let our_renames = renames(paths, |three| three.ours);
    let their_renames = renames(paths, |three| three.theirs);
    let sources: BTreeSet<BString> = our_renames.keys().chain(their_renames.keys()).cloned().collect();
    for source in sources {
        let Some(three) = paths.get(&source).copied() else {
            continue;
        };
        match (our_renames.get(&source), their_renames.get(&source)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => {
                for target in [a, b] {
                    if let Some(three) = paths.get_mut(target) {
                        three.disputed = true;
                    }
                }
            }
            (Some(target), None) => follow(paths, &source, target, three.theirs, |three| &mut three.theirs),
            (None, Some(target)) => follow(paths, &source, target, three.ours, |three| &mut three.ours),
            (None, None) => {}
        }
    }
}

/// Takes what the side that did not rename has at the old path to the new one.
fn follow(
    paths: &mut BTreeMap<BString, Three>,
    source: &BString,
    target: &BString,
    other: Option<Blob>,
    side: fn(&mut Three) -> &mut Option<Blob>,
) {
    let Some(base) = paths.get(source).and_then(|three| three.base) else {
        return;
    };
    // Unchanged on the other side: the rename is simply taken.
    if other == Some(base) {
        return;
    }
    // Renamed on one side, and a link made a file (or the other way round) on the other: as git does, the changed file
    // keeps the old path, and the new path is in dispute.
    let is_link = |blob: Blob| blob.mode == Mode::Symlink;
    if other.is_some_and(|other| is_link(other) != is_link(base)) {
        if let Some(old) = paths.get_mut(source) {
            old.base = None;
        }
        if let Some(new) = paths.get_mut(target) {
            new.disputed = true;
        }
        return;
    }
    let Some(three) = paths.get_mut(target) else {
        return;
    };
    let place = side(three);
    match (other, &place) {
        // Renamed and deleted.
        (None, None) => three.disputed = true,
        // Renamed and changed: as if changed at the new path.
        (Some(_), None) => {
            *place = other;
            three.base = Some(base);
            if let Some(old) = paths.get_mut(source) {
                *old = Three {
                    base: Some(base),
                    ..Three::default()
                };
            }
        }
        // The other side has a file of its own at the new path.
        (_, Some(_)) => {}
    }
}

/// What one side renamed: from and to.
fn renames(paths: &BTreeMap<BString, Three>, side: fn(&Three) -> Option<Blob>) -> HashMap<BString, BString> {
    let is_link = |blob: Blob| blob.mode == Mode::Symlink;
    let empty = Oid::hash_object(ObjectType::Blob, b"").ok();
    let counts = |blob: Blob| blob.mode != Mode::Submodule && Some(blob.id) != empty;
    let mut targets: HashMap<(Oid, bool), BTreeSet<&BString>> = HashMap::new();
    for (path, three) in paths {
        if let (None, Some(new)) = (three.base, side(three).filter(|&blob| counts(blob))) {
            targets.entry((new.id, is_link(new))).or_default().insert(path);
        }
    }
    let mut found = HashMap::new();
    if targets.is_empty() {
        return found;
    }
    let name = |path: &BString| path.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
    // A control file that gets another name is none any more: that is no place for a change of it.
    let stays_control = |from: &[u8], to: &[u8]| control(from) == control(to);
    // Files that keep their name are paired first.
    for same_name in [true, false] {
        for (path, three) in paths {
            let (Some(old), None) = (three.base.filter(|&blob| counts(blob)), side(three)) else {
                continue;
            };
            let Some(candidates) = targets.get_mut(&(old.id, is_link(old))) else {
                continue;
            };
            if found.contains_key(path) {
                continue;
            }
            let target = candidates
                .iter()
                .find(|target| stays_control(path, target) && (!same_name || name(target) == name(path)))
                .copied();
            if let Some(target) = target {
                candidates.remove(target);
                found.insert(path.clone(), target.clone());
            }
        }
    }
    found
}

fn add_parents(path: &BStr, directories: &mut BTreeSet<BString>) {
    let mut rest = path.as_bytes();
    while let Some(slash) = rest.rfind_byte(b'/') {
        rest = &rest[..slash];
        if !directories.insert(rest.into()) {
            return;
        }
    }
}

fn shown(path: &BStr) -> Result<RepoPath> {
    RepoPath::parse(path).map_err(|why| {
        Error::Refused(format!(
            "two commits are not merged, because one contains {path:?} ({why}); nothing was changed. Remove that path in the repository that it came from"
        ))
    })
}
