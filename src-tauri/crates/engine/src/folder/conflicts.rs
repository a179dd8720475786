//! Lists and resolves conflicts.

use std::collections::BTreeSet;

use annex::{Brought, CheckoutOptions, Conflict, Version};
use assistant::Event;
use contract::Keep;
use model::RepoPath;

use super::asking::inside;
use crate::Error;
use crate::views::lists::shown;
use crate::work::FolderState;

/// The longest file name that file systems allow, in bytes.
const LONGEST_NAME: usize = 255;

/// Lists all unresolved conflicts.
pub(crate) fn list(state: &FolderState) -> Result<Vec<contract::Conflict>, Error> {
    let version = |version: Version| contract::Version {
        path: shown(&version.path),
        bytes: version.bytes,
        who: version.brought.as_ref().map(|brought| brought.who.clone()),
        at: version.brought.as_ref().map(|brought| brought.at),
        is_here: version.is_here,
    };
    let conflict = |conflict: Conflict| contract::Conflict {
        path: shown(&conflict.path),
        versions: conflict.versions.into_iter().map(version).collect(),
    };
    Ok(state.annex().conflicts()?.into_iter().map(conflict).collect())
}

/// Resolves a conflict with a commit of its own.
pub(crate) fn resolve(state: &FolderState, path: &RepoPath, keep: &Keep) -> Result<Vec<Event>, Error> {
    let annex = state.annex();
    let conflicts = annex.conflicts()?;
    let conflict = conflicts.iter().find(|conflict| conflict.path == *path);
    let conflict = conflict.ok_or_else(|| {
        Error::Refused(format!(
            "the conflict of {path} is resolved already; nothing was changed"
        ))
    })?;
    let changes = match keep {
        Keep::One(keep) => {
            let keep = inside(keep)?;
            keep_one(conflict, &keep).ok_or_else(|| {
                Error::Refused(format!(
                    "{keep} is not one of the versions of {path} any more; nothing was changed"
                ))
            })?
        }
        Keep::Nothing => keep_none(conflict),
        Keep::All => {
            let top = annex.work_tree().unwrap_or(annex.git_dir()).to_owned();
            keep_all(conflict, &|path| top.join(path.as_path()).symlink_metadata().is_ok())
        }
    };
    annex
        .resolve_conflict(path, &changes, &options(state))
        .map_err(|error| not_now(path, error))?;
    Ok(committed(
        state,
        match keep {
            Keep::All => format!("all versions of {path} are kept, each under a name of its own"),
            Keep::One(_) => format!("one version of {path} is kept; the others are in the history"),
            Keep::Nothing => format!("{path} was deleted; its versions are in the history"),
        },
    ))
}

/// Restores the versions of a file that existed before its conflict was last resolved.
pub(crate) fn reopen(state: &FolderState, path: &RepoPath) -> Result<Vec<Event>, Error> {
    let taken_back = state.annex().reopen_conflict(path, &options(state));
    taken_back.map_err(|error| not_now(path, error))?;
    Ok(committed(state, format!("all versions of {path} are back")))
}

fn options(state: &FolderState) -> CheckoutOptions {
    CheckoutOptions {
        thin: annex::settings::is_thin(state.annex()),
        partial: false,
    }
}

fn not_now(path: &RepoPath, error: annex::Error) -> Error {
    match error {
        annex::Error::Busy(_) => Error::Refused(format!(
            "{path} cannot be resolved while Anabranch gets other changes; nothing was changed. Try again in a moment"
        )),
        other @ (annex::Error::Io { .. }
        | annex::Error::Git { .. }
        | annex::Error::Damaged(_)
        | annex::Error::Refused(_)
        | annex::Error::DiskReserve { .. }) => other.into(),
    }
}

/// Records a new commit.
fn committed(state: &FolderState, what: String) -> Vec<Event> {
    state.remember_stamps();
    state.log.note(what);
    vec![Event::RefsMoved(state.refs())]
}

/// The new name of each version; none if it is removed.
type Changes = Vec<(RepoPath, Option<RepoPath>)>;

/// Gives one version the original name and removes the others; none if `keep` is not a version.
fn keep_one(conflict: &Conflict, keep: &RepoPath) -> Option<Changes> {
    let mut versions = conflict.versions.iter().map(|version| &version.path);
    versions.clone().find(|path| *path == keep)?;
    let change = |path: &RepoPath| (path.clone(), (path == keep).then(|| conflict.path.clone()));
    Some(versions.by_ref().map(change).collect())
}

/// Removes all versions.
fn keep_none(conflict: &Conflict) -> Changes {
    let versions = conflict.versions.iter();
    versions.map(|version| (version.path.clone(), None)).collect()
}

/// Gives each version a name that tells who made it. A version with the original name keeps it, and a single version
/// gets it.
fn keep_all(conflict: &Conflict, is_taken: &dyn Fn(&RepoPath) -> bool) -> Changes {
    if let [single] = conflict.versions.as_slice() {
        return vec![(single.path.clone(), Some(conflict.path.clone()))];
    }
    let mut given: BTreeSet<RepoPath> = BTreeSet::new();
    let change = |version: &Version| {
        if version.path == conflict.path {
            return (version.path.clone(), Some(version.path.clone()));
        }
        let remark = remark(version.brought.as_ref());
        // The search ends, since names are never all taken. If no name fits, the version keeps its current one.
        let mut names = (1_u32..).map(|number| named(&conflict.path, &remark, number));
        let name = names.find(|name| {
            name.as_ref()
                .is_none_or(|name| !given.contains(name) && !is_taken(name))
        });
        let name = name.flatten().unwrap_or_else(|| version.path.clone());
        given.insert(name.clone());
        (version.path.clone(), Some(name))
    };
    conflict.versions.iter().map(change).collect()
}

/// Tells who made a version, for its file name.
fn remark(brought: Option<&Brought>) -> String {
    let who = brought.map(|brought| sanitised(&brought.who)).unwrap_or_default();
    let date = brought.and_then(|brought| {
        let at = i64::try_from(brought.at).ok()?;
        jiff::Timestamp::from_second(at).ok()
    });
    let date = date.map(|at| at.strftime("%Y-%m-%d").to_string());
    match (who.is_empty(), date) {
        (true, None) => "version".to_owned(),
        (true, Some(date)) => date,
        (false, None) => format!("from {who}"),
        (false, Some(date)) => format!("from {who}, {date}"),
    }
}

/// Makes the name of a person or computer valid in file names on any file system, and shortens it.
fn sanitised(who: &str) -> String {
    const LONGEST: usize = 40;
    let is_fit = |c: &char| !c.is_control() && !r#"/\:*?"<>|"#.contains(*c);
    let fit: String = who.chars().filter(is_fit).take(LONGEST).collect();
    fit.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Turns `photo.jpg` into `photo (remark).jpg`, or `photo (remark, 2).jpg` if that is taken. A stem that is too long
/// loses its end; none if even then no name fits.
fn named(path: &RepoPath, remark: &str, number: u32) -> Option<RepoPath> {
    let name: &[u8] = path.file_name();
    // A name whose only dot is its first character has no extension.
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
    let (mut stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let remark = match number {
        1 => format!(" ({remark})"),
        _ => format!(" ({remark}, {number})"),
    };
    let room = LONGEST_NAME.checked_sub(remark.len() + extension.len())?;
    // Cutting inside a character would make the name unreadable.
    while stem.len() > room || (stem.len() < dot.unwrap_or(name.len()) && name[stem.len()] & 0xc0 == 0x80) {
        stem = stem.split_last()?.1;
    }
    let above = path
        .parent()
        .map_or_else(Vec::new, |parent| [parent.as_bytes(), b"/"].concat());
    RepoPath::parse(&[&above, stem, remark.as_bytes(), extension].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> RepoPath {
        RepoPath::parse(name.as_bytes()).unwrap()
    }

    /// A conflict of these versions, each with its author.
    fn conflict(of: &str, versions: &[(&str, Option<&str>)]) -> Conflict {
        let version = |(name, who): &(&str, Option<&str>)| Version {
            path: path(name),
            key: None,
            bytes: None,
            is_here: true,
            brought: who.map(|who| Brought {
                who: who.to_owned(),
                at: 1_795_500_000,
            }),
        };
        Conflict {
            path: path(of),
            versions: versions.iter().map(version).collect(),
        }
    }

    fn names(changes: &Changes) -> Vec<String> {
        let name = |(_, to): &(_, Option<RepoPath>)| to.as_ref().map_or("-".to_owned(), ToString::to_string);
        changes.iter().map(name).collect()
    }

    #[test]
    fn the_kept_version_gets_the_original_name() {
        let conflict = conflict("d/a.txt", &[("d/a.variant-1.txt", None), ("d/a.variant-2.txt", None)]);
        let changes = keep_one(&conflict, &path("d/a.variant-2.txt")).unwrap();
        assert_eq!(names(&changes), ["-", "d/a.txt"]);
        assert_eq!(keep_one(&conflict, &path("d/a.txt")), None);
        assert_eq!(names(&keep_none(&conflict)), ["-", "-"]);
    }

    #[test]
    fn a_single_version_gets_the_original_name() {
        let conflict = conflict("d/a.txt", &[("d/a.variant-1.txt", Some("Ann"))]);
        let versions = [
            keep_all(&conflict, &|_| false),
            keep_one(&conflict, &path("d/a.variant-1.txt")).unwrap(),
        ];
        assert_eq!(versions.map(|changes| names(&changes)), [["d/a.txt"], ["d/a.txt"]]);
    }

    #[test]
    fn kept_versions_get_names_that_tell_who_made_them() {
        let versions = [
            ("d/a.txt", Some("Ann")),
            ("d/a.variant-1.txt", Some("laptop")),
            ("d/a.variant-2.txt", Some("laptop")),
            ("d/a.variant-3.txt", Some(" a/b:\n  c ")),
            ("d/a.variant-4.txt", None),
            ("d/a.variant-5.txt", Some("desk")),
        ];
        let taken = path("d/a (from desk, 2026-11-24).txt");
        let changes = keep_all(&conflict("d/a.txt", &versions), &|path| *path == taken);
        assert_eq!(
            names(&changes),
            [
                "d/a.txt",
                "d/a (from laptop, 2026-11-24).txt",
                "d/a (from laptop, 2026-11-24, 2).txt",
                "d/a (from ab c, 2026-11-24).txt",
                "d/a (version).txt",
                "d/a (from desk, 2026-11-24, 2).txt",
            ]
        );
    }

    #[test]
    fn names_of_versions_fit_file_systems() {
        let named = |name: &str| named(&path(name), "from Ann, 2026-11-24", 1).map(|path| path.to_string());
        assert_eq!(named("x/.bashrc").unwrap(), "x/.bashrc (from Ann, 2026-11-24)");
        assert_eq!(named("a.tar.gz").unwrap(), "a.tar (from Ann, 2026-11-24).gz");
        let long = named(&format!("{}.txt", "ü".repeat(125))).unwrap();
        assert!(long.len() <= 255 && !long.contains('\u{fffd}') && long.ends_with(" (from Ann, 2026-11-24).txt"));
        assert_eq!(named(&format!("a.{}", "x".repeat(250))), None);
    }
}
