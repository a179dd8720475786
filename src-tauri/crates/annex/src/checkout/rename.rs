//! Files that only change their names, also where two names are one.

use model::RepoPath;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::place::{OpenWorkTree, Parent, Seen, look_at, meant};
use crate::{Error, Result, Store};

pub(super) enum Renamed {
    Done(Seen),
    SourceChanged,
    TargetExists,
    /// The file system takes the new name for that of another file.
    SameName,
}

pub(super) fn rename_inside(
    place: &mut OpenWorkTree,
    target: &mut OpenWorkTree,
    from: &RepoPath,
    seen: &Seen,
    to: &RepoPath,
    store: &Store<'_>,
) -> Result<Renamed> {
    let error = place.error("rename", from);
    let Parent::Open(old) = place.parent(from, false)? else {
        return Ok(Renamed::SourceChanged);
    };
    match look_at(old, from) {
        Ok(now) if now.as_ref() == Some(seen) => {}
        Ok(_) => return Ok(Renamed::SourceChanged),
        Err(errno) => return Err(error(errno)),
    }
    let (old_name, new_name) = (&**from.file_name(), &**to.file_name());
    let Parent::Open(new) = target.parent(to, true)? else {
        return Ok(Renamed::TargetExists);
    };
    let renamed = match rustix::fs::renameat_with(old, old_name, new, new_name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => match look_at(new, to) {
            Ok(None) => rustix::fs::renameat(old, old_name, new, new_name),
            Ok(Some(_)) => Err(Errno::EXIST),
            Err(errno) => Err(errno),
        },
        other => other,
    };
    match renamed {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            if !target.is_folded(to)? {
                return Ok(Renamed::TargetExists);
            }
            // Their numbers tell nothing: FUSE may give one file a number for each spelling.
            if !is_same_spelling(from, to) {
                return Ok(Renamed::SameName);
            }
            // The file itself: such a rename may do nothing, so it goes by another name.
            return rename_folded(place, target, from, to, store);
        }
        // The file that was to be renamed has just been seen.
        Err(errno) => return Err(error(meant(new, errno))),
    }
    Ok(match look_at(new, to).map_err(error)? {
        Some(seen) => Renamed::Done(seen),
        None => Renamed::TargetExists,
    })
}

/// True if two paths differ in case only.
fn is_same_spelling(one: &RepoPath, other: &RepoPath) -> bool {
    let folded = |path: &RepoPath| path.to_string().to_lowercase();
    folded(one) == folded(other)
}

/// Renames a file to a name that the file system takes for the one it has.
fn rename_folded(
    place: &mut OpenWorkTree,
    target: &mut OpenWorkTree,
    from: &RepoPath,
    to: &RepoPath,
    store: &Store<'_>,
) -> Result<Renamed> {
    let error = |path| move |errno: Errno| Error::io("rename", path)(errno.into());
    let shown = place.shown(from);
    let (Parent::Open(old), between) = (place.parent(from, false)?, store.scratch_name()?) else {
        return Ok(Renamed::SourceChanged);
    };
    rustix::fs::renameat(old, &**from.file_name(), CWD, between.path()).map_err(error(&shown))?;
    let Parent::Open(new) = target.parent(to, true)? else {
        rustix::fs::renameat(CWD, between.path(), old, &**from.file_name()).map_err(error(&shown))?;
        between.moved_away();
        return Ok(Renamed::TargetExists);
    };
    match rustix::fs::renameat(CWD, between.path(), new, &**to.file_name()) {
        Ok(()) => between.moved_away(),
        Err(errno) => {
            rustix::fs::renameat(CWD, between.path(), old, &**from.file_name()).map_err(error(&shown))?;
            between.moved_away();
            return Err(error(&shown)(errno));
        }
    }
    Ok(match look_at(new, to).map_err(error(&shown))? {
        Some(seen) => Renamed::Done(seen),
        None => Renamed::TargetExists,
    })
}
