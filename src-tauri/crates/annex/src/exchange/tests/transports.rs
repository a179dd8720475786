use std::sync::atomic::AtomicBool;

use super::super::by_transport::{Askpass, Transport, fetch, push};
use super::super::{Commits, PushOutcome};
use super::{log_commit, many, origin};
use crate::Error;
use crate::fixture::{Fixture, file, leaves};

static NEVER: AtomicBool = AtomicBool::new(false);

/// git's own way to a repository on this machine.
fn by_file() -> Transport<'static> {
    Transport {
        protocols: Some("file"),
        ssh: None,
        askpass: Askpass::Nobody,
        cancelled: &NEVER,
    }
}

fn of(here: &Fixture, there: &Fixture) {
    here.git(&["remote", "add", "origin", &format!("file://{}", there.path().display())]);
}

fn pushed(here: &Fixture) -> Result<PushOutcome, Error> {
    push(&here.annex, &origin(), "main", Commits::OfBranch, &by_file())
}

fn moved(refs: &[&str]) -> PushOutcome {
    PushOutcome::Pushed {
        refs: refs.iter().map(|name| (*name).to_owned()).collect(),
        checkout: None,
        behind: None,
    }
}

#[test]
fn git_brings_all_branches_and_forgets_those_that_are_gone() {
    let (here, there) = (Fixture::new(), Fixture::bare());
    of(&here, &there);
    let first = there.commit(&many(40), &[], "first");
    let logs = log_commit(&there, 9, &[]);
    for name in ["refs/heads/main", "refs/heads/synced/main"] {
        there.set(name, first);
    }
    let fetched = || fetch(&here.annex, &origin(), "main", &by_file()).unwrap();
    let heads = fetched();
    assert_eq!(
        (heads.branch, heads.synced, heads.git_annex),
        (Some(first), Some(first), Some(logs))
    );
    here.git(&["fsck", "--strict", "--full"]);
    assert_eq!(here.leaves(first), many(40));
    assert!(!here.exists(".git/FETCH_HEAD"));
    here.git(&["update-ref", "refs/remotes/origin/pull/1", &first.to_string()]);
    // An emptied repository has nothing, whatever was fetched from it before.
    there.git(&["update-ref", "-d", "refs/heads/synced/main"]);
    assert_eq!(fetched().synced, None);
    assert_eq!(here.get("refs/remotes/origin/synced/main"), None);
    assert_eq!(here.get("refs/remotes/origin/pull/1"), Some(first), "the user's own");
}

/// As in a repository that `git clone --mirror` has made.
#[test]
fn a_fetch_moves_no_branch_of_ones_own() {
    let (here, there) = (Fixture::bare(), Fixture::bare());
    of(&here, &there);
    here.git(&["config", "remote.origin.fetch", "+refs/*:refs/*"]);
    let ours = here.commit(&many(3), &[], "ours");
    here.set("refs/heads/main", ours);
    let theirs = there.commit(&many(2), &[], "theirs");
    there.set("refs/heads/main", theirs);
    let heads = fetch(&here.annex, &origin(), "main", &by_file()).unwrap();
    assert_eq!(heads.branch, Some(theirs));
    assert_eq!(here.get("refs/heads/main"), Some(ours));
}

#[test]
fn one_push_brings_everything_that_is_free() {
    for is_bare in [true, false] {
        let (here, there) = (Fixture::new(), if is_bare { Fixture::bare() } else { Fixture::new() });
        of(&here, &there);
        if !is_bare {
            let first = there.start(&many(3));
            fetch(&here.annex, &origin(), "main", &by_file()).unwrap();
            here.set("refs/heads/main", first);
        }
        let parents: Vec<_> = here.get("refs/heads/main").into_iter().collect();
        let commit = here.commit(&many(5), &parents, "ours");
        here.set("refs/heads/main", commit);
        let logs = log_commit(&here, 3, &[]);
        let expected: &[&str] = match is_bare {
            true => &["main", "git-annex", "synced/git-annex", "synced/main"],
            // That is where its files are.
            false => &["git-annex", "synced/git-annex", "synced/main"],
        };
        let PushOutcome::Pushed { mut refs, .. } = pushed(&here).unwrap() else {
            panic!("{is_bare}")
        };
        refs.sort_by_key(|name| expected.iter().position(|expected| expected == name));
        assert_eq!(refs, expected);
        assert_eq!(there.get("refs/heads/synced/main"), Some(commit));
        assert_eq!(there.get("refs/heads/git-annex"), Some(logs));
        assert_eq!(here.get("refs/remotes/origin/synced/main"), Some(commit));
        there.git(&["fsck", "--strict", "--full"]);
        assert_eq!(pushed(&here).unwrap(), PushOutcome::UpToDate);
        let next = here.commit(&many(6), &[commit], "next");
        here.set("refs/heads/main", next);
        here.git(&["config", "remote.origin.mirror", "true"]);
        assert!(matches!(pushed(&here), Ok(PushOutcome::Pushed { .. })));
    }
}

#[test]
fn commits_that_are_not_here_refuse_a_push() {
    let (here, there) = (Fixture::new(), Fixture::bare());
    of(&here, &there);
    let first = here.start(&many(3));
    log_commit(&here, 3, &[]);
    pushed(&here).unwrap();
    let theirs = there.commit(&leaves([("theirs", file("1"))]), &[first], "theirs");
    there.set("refs/heads/synced/main", theirs);
    let ours = here.commit(&leaves([("ours", file("1"))]), &[first], "ours");
    here.set("refs/heads/main", ours);
    let refused = pushed(&here).unwrap();
    assert_eq!(
        refused,
        PushOutcome::Refused {
            branch: "synced/main".to_owned()
        }
    );
    // The branch itself was free.
    assert_eq!(there.get("refs/heads/main"), Some(ours));
    assert_eq!(there.get("refs/heads/synced/main"), Some(theirs));
}

#[test]
fn what_git_says_is_told() {
    let (here, there) = (Fixture::new(), Fixture::bare());
    of(&here, &there);
    here.start(&many(3));
    let hook = there.path().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\necho no photos on sundays >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let told = pushed(&here).unwrap_err().to_string();
    assert!(told.contains("a hook there refused it: no photos on sundays"), "{told}");
    std::fs::remove_dir_all(there.path()).unwrap();
    let told = fetch(&here.annex, &origin(), "main", &by_file()).unwrap_err();
    assert!(matches!(told, Error::Refused(_)), "{told}");
    assert!(told.to_string().contains("git could not fetch from origin"), "{told}");
    let forbidden = Transport {
        protocols: Some("ssh"),
        ..by_file()
    };
    let told = fetch(&here.annex, &origin(), "main", &forbidden)
        .unwrap_err()
        .to_string();
    assert!(told.contains("not allowed"), "{told}");
}

#[test]
fn no_hook_of_this_repository_runs() {
    let (here, there) = (Fixture::new(), Fixture::bare());
    of(&here, &there);
    here.start(&many(3));
    for name in ["pre-push", "reference-transaction", "post-checkout"] {
        here.write(&format!(".git/hooks/{name}"), b"#!/bin/sh\nexit 1\n");
        let path = here.path().join(".git/hooks").join(name);
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    assert_eq!(pushed(&here).unwrap(), moved(&["synced/main", "main"]));
    fetch(&here.annex, &origin(), "main", &by_file()).unwrap();
}
