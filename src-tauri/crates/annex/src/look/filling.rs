//! New directories into which somebody is still putting files: the `.gitignore` may be the last of them.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use bstr::ByteSlice;
use model::RepoPath;

use super::Look;
use crate::index::Entries;
use crate::openat::Directories;
use crate::stat::{FileTime, age};

/// A new directory in which nothing was made for this long is complete.
const QUIET: Duration = Duration::from_millis(100);
/// The same for one that holds others: what unpacks a project may have to wait for the disk or the network in between.
const QUIET_WITH_OTHERS: Duration = Duration::from_millis(500);
/// No file waits longer than this for those that come after it.
const LONGEST: Duration = Duration::from_secs(5);
const LONGEST_WITH_OTHERS: Duration = Duration::from_secs(20);
/// So many files in one directory, with none below, are no project whose rules are still to come.
const MANY: usize = 1000;

/// A directory in which nothing is tracked.
struct New {
    first: FileTime,
    last: FileTime,
    files: usize,
    is_flat: bool,
}

/// Takes the files of new directories that are still being filled out of what was found, and says which directories.
pub(super) fn hold_back(look: &mut Look, entries: Entries<'_>, root: &OwnedFd, now: SystemTime) -> Vec<RepoPath> {
    let mut directories = Directories::below(root);
    let mut found: BTreeMap<Vec<u8>, New> = BTreeMap::new();
    let mut last: Option<(Vec<u8>, Option<Vec<u8>>)> = None;
    let mut tops = Vec::with_capacity(look.added.len());
    for candidate in &look.added {
        let path = candidate.path.as_bytes();
        let directory = path.rsplit_once_str(b"/").map_or(&b""[..], |(directory, _)| directory);
        let is_other = last.as_ref().is_none_or(|(last, _)| last != directory);
        let top = match &last {
            Some((_, top)) if !is_other => top.clone(),
            _ => new_directory(entries, directory),
        };
        last = Some((directory.to_owned(), top.clone()));
        tops.push(top.clone().filter(|_| !candidate.is_renamed()));
        let Some(top) = tops.last().cloned().flatten() else {
            continue;
        };
        let made = candidate.stat.ctime;
        let new = found.entry(top.clone()).or_insert(New {
            first: made,
            last: made,
            files: 0,
            is_flat: true,
        });
        new.files += 1;
        new.is_flat &= directory.len() == top.len();
        new.first = new.first.min(made);
        new.last = new.last.max(made);
        if is_other {
            // What was made in it since it was listed counts too.
            let ways = (top.len()..=directory.len()).filter(|&end| directory.get(end).is_none_or(|&b| b == b'/'));
            for end in ways {
                if let Ok(stat) = directories.stat(&directory[..end]) {
                    new.last = new.last.max(stat.mtime);
                }
            }
        }
    }
    found.retain(|_, new| {
        let (quiet, longest) = match new.is_flat {
            true => (QUIET, LONGEST),
            false => (QUIET_WITH_OTHERS, LONGEST_WITH_OTHERS),
        };
        let is_quiet = age(new.last, now).is_some_and(|age| age >= quiet);
        let is_old = age(new.first, now).is_none_or(|age| age >= longest);
        let are_many = new.is_flat && new.files >= MANY;
        !(is_quiet || is_old || are_many)
    });
    let mut tops = tops.into_iter();
    look.added
        .retain(|_| tops.next().flatten().is_none_or(|top| !found.contains_key(&top)));
    found.keys().filter_map(|path| RepoPath::parse(path).ok()).collect()
}

/// The highest directory on the way to one in which nothing is tracked; none if files are tracked there.
fn new_directory(entries: Entries<'_>, directory: &[u8]) -> Option<Vec<u8>> {
    let ends = directory.find_iter(b"/").chain([directory.len()]);
    ends.filter(|&end| end > 0)
        .map(|end| &directory[..end])
        .find(|above| entries.is_empty(&entries.below(above)))
        .map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::{LONGEST_WITH_OTHERS, MANY, QUIET_WITH_OTHERS};
    use crate::look::Scope;
    use crate::scratch_repository::Scratch;

    /// When somebody last made something in a directory of the folder.
    fn last_made(repo: &Scratch, name: &str) -> SystemTime {
        let found = fs::metadata(repo.path(name)).unwrap();
        UNIX_EPOCH + Duration::new(found.ctime() as u64, found.ctime_nsec() as u32)
    }

    fn found(repo: &Scratch, scope: &Scope, now: SystemTime) -> (Vec<String>, Vec<String>) {
        let look = repo.annex.look_at_what_is_complete(scope, now).unwrap();
        (
            look.added.iter().map(|added| added.path().to_string()).collect(),
            look.filling.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn files_of_a_new_directory_wait_until_it_is_complete() {
        let repo = Scratch::new();
        repo.write("old/file", "1");
        repo.sync();
        repo.write("old/new", "2");
        repo.write("top", "2");
        repo.write("old/project/out/1", "3");
        repo.write("old/project/main.c", "4");
        let now = last_made(&repo, "old/project/main.c");
        let paths = |names: &[&str]| {
            let paths = names
                .iter()
                .map(|name| model::RepoPath::parse(name.as_bytes()).unwrap());
            Scope::Paths(paths.collect())
        };
        let held = (
            vec!["old/new".to_owned(), "top".to_owned()],
            vec!["old/project".to_owned()],
        );
        assert_eq!(found(&repo, &Scope::Everything, now + QUIET_WITH_OTHERS / 2), held);
        let one = paths(&["old/project/out/1"]);
        let held = (vec![], vec!["old/project".to_owned()]);
        assert_eq!(found(&repo, &one, now + QUIET_WITH_OTHERS / 2), held);
        // Now comes what says which of them are ignored.
        repo.write("old/project/.gitignore", "out/\n");
        let now = last_made(&repo, "old/project/.gitignore") + QUIET_WITH_OTHERS;
        let rest = ["old/new", "old/project/.gitignore", "old/project/main.c", "top"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(found(&repo, &Scope::Everything, now), (rest, vec![]));
        // None waits for ever, or because the clock was set.
        for now in [now + LONGEST_WITH_OTHERS, now - Duration::from_secs(60)] {
            assert_eq!(found(&repo, &Scope::Everything, now).1, [""; 0]);
        }
    }

    /// While the first part of them is sent, the rest comes.
    #[test]
    fn very_many_files_of_one_directory_do_not_wait() {
        let repo = Scratch::new();
        for n in 0..MANY {
            repo.write(&format!("many/{n}"), "");
        }
        let now = last_made(&repo, "many");
        assert_eq!(found(&repo, &Scope::Everything, now).1, [""; 0]);
        repo.write("many/below/1", "");
        let now = last_made(&repo, "many/below");
        assert_eq!(found(&repo, &Scope::Everything, now).1, ["many"]);
    }
}
