use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use git2::{ObjectType, Repository};
use model::{Oid, RepoPath};

use super::head::Head;
use super::prepare::{Content, Prepared};
use super::{Counts, Intake, IntakeOptions, Postponed};
use crate::beneath::Directories;
use crate::conversions::Conversions;
use crate::identity::signature;
use crate::index::{EXECUTABLE, Entry, REGULAR, SYMLINK, Staged};
use crate::look::{Look, Prior, RootState, head_tree};
use crate::objects::Bulk;
use crate::oid::{from_git, to_git};
use crate::pointer::{pointer_for, symlink_target};
use crate::stat::Stat;
use crate::{Annex, Error, Result};

impl Annex {
    /// Stages files that have been read and paths that are gone, and commits. What is staged is to be put in place by the
    /// caller; none if nothing changes.
    pub(super) fn stage(
        &self,
        git: &Repository,
        root: &OwnedFd,
        prepared: Vec<Prepared>,
        look: &Look,
        options: &IntakeOptions<'_>,
        intake: &mut Intake,
    ) -> Result<Option<Staged>> {
        let mut bulk = Bulk::begin(git)?;
        let mut entries = Vec::with_capacity(prepared.len());
        let trust_mode = git
            .config()
            .and_then(|config| config.get_bool("core.fileMode"))
            .unwrap_or(true);
        for file in prepared {
            let mode = mode(&file.stat, file.prior, trust_mode);
            let counted = counted(&file.content);
            let oid = blob(&mut bulk, &file.path, file.content)?;
            let entry = Entry::new(file.path.as_bytes(), mode, oid, &file.stat);
            entries.push((entry, file.path, file.prior, counted));
        }

        let mut staged = Staged::open(git)?;
        // Both may be others than before: a checkout may have come between.
        let head = Head::read(git)?;
        let mut is_edited = !look.renumbered.is_empty();
        for &(old, new) in &look.renumbered {
            staged.renumber_device(old, new);
        }
        // First what is gone: whether a directory may give way to a file depends on it.
        if options.cancelled.load(Ordering::Relaxed) {
            // What is gone here may be there under a name that was not looked at any more.
            let removed = look.removed.iter().map(|removed| removed.path.clone());
            intake.postponed.extend(removed.map(|path| (path, Postponed::Changed)));
        } else if options.allow_removals && !look.removed.is_empty() {
            is_edited |= self.remove(git, root, &mut staged, look, intake)?;
        }
        for (entry, path, prior, counted) in entries {
            if staged.index().entry(&entry.path).map(Prior::of) != prior {
                intake.postponed.push((path, Postponed::Changed));
                continue;
            }
            if staged.has_below(&entry.path) {
                intake.postponed.push((path, Postponed::Held));
                continue;
            }
            *counted(&mut intake.counts) += 1;
            staged.put(entry);
            is_edited = true;
        }
        if !is_edited && !look.staged {
            return Ok(None);
        }

        let odb = git.odb().map_err(Error::git("open the objects"))?;
        let tree = staged.write_tree(&|oid| odb.exists(to_git(oid)), &mut |content| {
            bulk.write(ObjectType::Tree, content.to_vec()).map(from_git)
        })?;
        staged.write()?;
        let is_first_and_empty = head.tip.is_none() && staged.index().entries().is_empty();
        if head_tree(git)? != Some(tree) && !is_first_and_empty {
            intake.commit = Some(commit(git, bulk, &head, tree, options.message)?);
        }
        Ok(Some(staged))
    }

    /// Takes paths out of the index, if they are gone from the work tree that was opened and from no other. Says
    /// whether there were any.
    fn remove(
        &self,
        git: &Repository,
        root: &OwnedFd,
        staged: &mut Staged,
        look: &Look,
        intake: &mut Intake,
    ) -> Result<bool> {
        let mut directories = Directories::below(root);
        let mut gone = Vec::with_capacity(look.removed.len());
        for removed in &look.removed {
            let path = removed.path.as_bytes();
            let is_same = staged.index().entry(path).map(Prior::of) == Some(Prior::of(&removed.entry));
            if is_same && directories.is_gone(path) {
                gone.push(path);
            } else {
                intake.postponed.push((removed.path.clone(), Postponed::Changed));
            }
        }
        // After looking at the files: a drive that was unplugged meanwhile took them all.
        if self.root_state_by(git) != RootState::Same {
            return Err(self.vanished());
        }
        intake.counts.removed = gone.len();
        for path in &gone {
            staged.remove(path);
        }
        Ok(!gone.is_empty())
    }
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
            Content::ByGit(conversion, _) => Some((&file.path, conversion.clone())),
            Content::Renamed(_)
            | Content::Pointer(_)
            | Content::Git(_)
            | Content::LargeGit(_)
            | Content::Symlink(_)
            | Content::Misplaced(_)
            | Content::Annexed(_) => None,
        })
        .collect();
    let mut stored = conversions.store(&files);
    let mut directories = Directories::below(root);
    let mut kept = Vec::with_capacity(prepared.len());
    for mut file in prepared.drain(..) {
        if let Content::ByGit(_, staged) = &mut file.content {
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
fn blob(bulk: &mut Bulk<'_>, path: &RepoPath, content: Content) -> Result<Oid> {
    let content = match content {
        Content::Renamed(Prior { oid, .. }) | Content::ByGit(_, Some(oid)) => return Ok(oid),
        Content::ByGit(_, None) => return Err(Error::Refused(format!("{path} was not stored by git"))),
        Content::LargeGit(made) => return made.keep().map(from_git),
        Content::Annexed(annexed) if annexed.is_unlocked => pointer_for(&annexed.key),
        Content::Annexed(annexed) => symlink_target(path, &annexed.key),
        Content::Pointer(content) | Content::Git(content) => content,
        Content::Symlink(target) | Content::Misplaced(target) => target,
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
fn counted(content: &Content) -> fn(&mut Counts) -> &mut usize {
    match content {
        Content::Annexed(_) => |counts| &mut counts.annexed,
        Content::Git(_) | Content::LargeGit(_) | Content::ByGit(..) => |counts| &mut counts.in_git,
        Content::Renamed(_) => |counts| &mut counts.renamed,
        Content::Pointer(_) | Content::Symlink(_) | Content::Misplaced(_) => |counts| &mut counts.links,
    }
}

/// Makes the commit durable, then moves the branch to it.
fn commit(git: &Repository, mut bulk: Bulk<'_>, head: &Head, tree: Oid, message: &str) -> Result<Oid> {
    let parents: Vec<git2::Oid> = head.tip.into_iter().collect();
    let commit = bulk.commit(to_git(tree), &parents, &signature(git), message)?;
    bulk.finish()?;
    head.advance(git, commit, message)?;
    Ok(from_git(commit))
}
