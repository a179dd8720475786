mod transports;
mod work_trees;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

use model::{Oid, RemoteName};

use super::{PushOptions, PushOutcome, fetch, newest, push, tracked};
use crate::fixture::{Fixture, Leaves, file, git_at, leaves, link, pointer, put_object};
use crate::{CheckoutOptions, Error, MergeOutcome};

fn origin() -> RemoteName {
    RemoteName::parse("origin").unwrap()
}

fn both() -> PushOptions {
    PushOptions {
        update_checkout: true,
        ..PushOptions::default()
    }
}

/// Many small files, some of them in directories.
fn many(count: usize) -> Leaves {
    (0..count)
        .map(|n| {
            let path = format!("d{}/f{n}", n % 7);
            (path, pointer(&format!("SHA256E-s4096--{n:064x}")))
        })
        .collect()
}

/// A commit on refs/heads/git-annex with `lines` log files.
fn log_commit(fixture: &Fixture, count: usize, parents: &[Oid]) -> Oid {
    let logs: Leaves = (0..count)
        .map(|n| {
            (
                format!("{:03x}/{:03x}/k{n}.log", n % 256, n % 199),
                file(&format!("1 1 u{n}\n")),
            )
        })
        .collect();
    let commit = fixture.commit(&logs, parents, "update");
    fixture.set("refs/heads/git-annex", commit);
    commit
}

#[test]
fn what_was_fetched_is_complete_and_tracked() {
    for count in [3, 700] {
        let (here, there) = (Fixture::new(), Fixture::new());
        let first = there.start(&many(count));
        let logs = log_commit(&there, count, &[]);
        let fetched = fetch(&here.annex, &there.path(), &origin(), "main").unwrap();
        assert!(fetched.changed);
        assert_eq!(fetched.heads.branch, Some(first));
        assert_eq!(here.get("refs/remotes/origin/main"), Some(first));
        assert_eq!(here.get("refs/remotes/origin/git-annex"), Some(logs));
        assert_eq!(here.get("refs/remotes/origin/synced/main"), None);
        here.git(&["fsck", "--strict", "--full"]);
        assert_eq!(here.leaves(first), many(count));
        let again = fetch(&here.annex, &there.path(), &origin(), "main").unwrap();
        assert!(!again.changed);
        // Only what is new comes the second time.
        let mut more = many(count);
        more.insert("new".into(), file("new"));
        let second = there.commit(&more, &[first], "second");
        there.set("refs/heads/main", second);
        let (a, b) = (here.repo(), there.repo());
        let objects = super::missing::missing(&b, &a, &[crate::oid::to_git(second)]).unwrap();
        assert_eq!(objects.len(), 3, "commit, top, file");
        let fetched = fetch(&here.annex, &there.path(), &origin(), "main").unwrap();
        here.git(&["fsck", "--strict", "--full"]);
        assert_eq!(here.leaves(second), more);
        assert_eq!(tracked(&here.annex, &origin(), "main").unwrap(), fetched.heads);
        let missing = |tip| {
            let objects = super::missing::missing(&b, &a, &[crate::oid::to_git(tip)]);
            objects.unwrap().len()
        };
        assert_eq!(missing(first), 0, "it came before what is there");
        let upon = |parent, leaves: &Leaves| missing(there.commit(leaves, &[parent], "third"));
        assert_eq!(upon(second, &more), 1, "a commit that changes nothing is alone");
        let mut aside = many(count);
        aside.insert("aside".into(), file("aside"));
        assert_eq!(
            upon(first, &aside),
            3,
            "what comes after an old commit needs nothing older"
        );
    }
}

#[test]
fn of_two_commits_the_one_that_contains_the_other_is_the_newest() {
    let here = Fixture::new();
    let first = here.start(&many(1));
    let second = here.commit(&many(2), &[first], "second");
    let aside = here.commit(&many(3), &[first], "aside");
    for (one, other, expected) in [
        (Some(first), Some(second), Some(second)),
        (Some(second), Some(first), Some(second)),
        (Some(first), Some(first), Some(first)),
        (None, Some(first), Some(first)),
        (Some(first), None, Some(first)),
        (Some(second), Some(aside), None),
        (None, None, None),
    ] {
        assert_eq!(newest(&here.annex, one, other).unwrap(), expected, "{one:?}, {other:?}");
    }
}

#[test]
fn commits_that_nothing_refers_to_are_not_believed_to_be_complete() {
    let (here, there) = (Fixture::new(), Fixture::new());
    let first = there.start(&many(5));
    // A transfer that was cut off: the commit came, its trees did not.
    let (a, b) = (here.repo(), there.repo());
    drop(crate::objects::copy(&b, &a, &[crate::oid::to_git(first)]).unwrap());
    fetch(&here.annex, &there.path(), &origin(), "main").unwrap();
    here.git(&["fsck", "--strict", "--full"]);
}

#[test]
fn a_damaged_remote_changes_nothing() {
    let (here, there) = (Fixture::new(), Fixture::new());
    there.start(&leaves([("a", file("content a")), ("b", file("content b"))]));
    let blob = there.git(&["rev-parse", "HEAD:a"]);
    let blob = blob.trim();
    let path = there.path().join(".git/objects").join(&blob[..2]).join(&blob[2..]);
    let other = there.git(&["rev-parse", "HEAD:b"]);
    let other = other.trim();
    let other = there.path().join(".git/objects").join(&other[..2]).join(&other[2..]);
    std::fs::remove_file(&path).unwrap();
    std::fs::copy(other, &path).unwrap();
    assert!(fetch(&here.annex, &there.path(), &origin(), "main").is_err());
    assert_eq!(here.get("refs/remotes/origin/main"), None);
    here.git(&["fsck", "--strict", "--full"]);
}

#[test]
fn a_bare_remote_gets_the_branches_themselves() {
    let (here, drive) = (Fixture::new(), Fixture::bare());
    let first = here.start(&many(3));
    let logs = log_commit(&here, 3, &[]);
    let outcome = push(&here.annex, &drive.path(), &origin(), "main", &both()).unwrap();
    let PushOutcome::Pushed { refs, checkout, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(refs, ["main", "synced/git-annex", "git-annex"]);
    assert_eq!(checkout, None);
    for (reference, commit) in [("main", first), ("git-annex", logs), ("synced/git-annex", logs)] {
        assert_eq!(
            drive.get(&format!("refs/heads/{reference}")),
            Some(commit),
            "{reference}"
        );
        assert_eq!(
            here.get(&format!("refs/remotes/origin/{reference}")),
            Some(commit),
            "{reference}"
        );
    }
    assert_eq!(drive.get("refs/heads/synced/main"), None);
    drive.git(&["fsck", "--strict", "--full"]);
    let again = push(&here.annex, &drive.path(), &origin(), "main", &both()).unwrap();
    assert_eq!(again, PushOutcome::UpToDate);
    // Their logs went on meanwhile, and nobody there merges.
    let theirs = log_commit(&drive, 4, &[logs]);
    log_commit(&here, 5, &[logs]);
    let outcome = push(&here.annex, &drive.path(), &origin(), "main", &both()).unwrap();
    let PushOutcome::Pushed { refs, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(refs, ["synced/git-annex"]);
    assert_eq!(drive.get("refs/heads/git-annex"), Some(theirs));
}

#[test]
fn a_clone_gets_synced_branches_and_its_work_tree_follows() {
    let (here, clone) = (Fixture::new(), Fixture::new());
    let first = here.start(&many(3));
    let logs = log_commit(&here, 3, &[]);
    let quiet = PushOptions::default();
    let outcome = push(&here.annex, &clone.path(), &origin(), "main", &quiet).unwrap();
    let PushOutcome::Pushed { refs, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(refs, ["synced/main", "synced/git-annex", "git-annex"]);
    assert_eq!(clone.get("refs/heads/synced/main"), Some(first));
    assert_eq!(clone.get("refs/heads/git-annex"), Some(logs));
    assert_eq!(here.get("refs/remotes/origin/git-annex"), Some(logs));
    assert_eq!(clone.get("refs/heads/main"), None);
    // Asked again with nothing new, and now with the work tree.
    assert_eq!(
        push(&here.annex, &clone.path(), &origin(), "main", &quiet).unwrap(),
        PushOutcome::UpToDate
    );
    let outcome = push(&here.annex, &clone.path(), &origin(), "main", &both()).unwrap();
    let PushOutcome::Pushed {
        checkout: Some(checkout),
        ..
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert!(matches!(checkout, MergeOutcome::FastForwarded { .. }), "{checkout:?}");
    assert_eq!(clone.get("refs/heads/main"), Some(first));
    assert_eq!(clone.get("refs/heads/synced/main"), None);
    clone.assert_clean();
    assert_eq!(
        push(&here.annex, &clone.path(), &origin(), "main", &both()).unwrap(),
        PushOutcome::UpToDate
    );
}

#[test]
fn no_log_is_removed_through_a_link() {
    let (here, clone) = (Fixture::new(), Fixture::new());
    let first = here.start(&many(3));
    let quiet = PushOptions::default();
    push(&here.annex, &clone.path(), &origin(), "main", &quiet).unwrap();
    let (logs, outside) = (
        clone.path().join(".git/logs/refs/heads/synced"),
        tempfile::tempdir().unwrap(),
    );
    let precious = outside.path().join("main");
    let _ = std::fs::remove_dir_all(&logs);
    std::fs::write(&precious, "precious").unwrap();
    std::fs::create_dir_all(logs.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(outside.path(), &logs).unwrap();
    push(&here.annex, &clone.path(), &origin(), "main", &both()).unwrap();
    assert_eq!(clone.get("refs/heads/main"), Some(first));
    assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
}

#[test]
fn nothing_is_forced_but_synced_git_annex() {
    for remote in [Fixture::new(), Fixture::bare()] {
        let here = Fixture::new();
        let first = here.start(&many(3));
        let logs = log_commit(&here, 3, &[]);
        push(&here.annex, &remote.path(), &origin(), "main", &both()).unwrap();
        // The remote went on by itself, in both branches.
        let theirs = remote.commit(&many(4), &[first], "theirs");
        remote.set("refs/heads/main", theirs);
        remote.set("refs/heads/synced/main", theirs);
        let their_logs = log_commit(&remote, 4, &[logs]);
        let ours = here.commit(&many(5), &[first], "ours");
        here.set("refs/heads/main", ours);
        let our_logs = log_commit(&here, 5, &[logs]);
        let outcome = push(&here.annex, &remote.path(), &origin(), "main", &PushOptions::default()).unwrap();
        assert_eq!(
            outcome,
            PushOutcome::Refused {
                branch: "synced/main".into()
            }
        );
        assert_eq!(remote.get("refs/heads/main"), Some(theirs));
        assert_eq!(remote.get("refs/heads/synced/main"), Some(theirs));
        // Where there is a work tree, what was pushed is merged as by git-annex's `post-receive` hook.
        let merged = remote.get("refs/heads/git-annex").unwrap();
        let parents = match remote.annex.is_bare() {
            true => BTreeSet::new(),
            false => BTreeSet::from([their_logs, our_logs]),
        };
        let git = remote.repo();
        let found = git.find_commit(crate::oid::to_git(merged)).unwrap();
        let found: BTreeSet<Oid> = found.parent_ids().map(crate::oid::from_git).collect();
        match parents.is_empty() {
            true => assert_eq!(merged, their_logs),
            false => assert_eq!(found, parents),
        }
        assert_eq!(remote.get("refs/heads/synced/git-annex"), Some(our_logs));
    }
}

#[test]
fn what_git_pushes_and_fetches_is_the_same() {
    // git itself sees nothing left to do after our fetch, and the other way round.
    let (here, there) = (Fixture::new(), Fixture::bare());
    here.start(&leaves([("a", file("1")), ("l", link("a")), ("d/e", file("2"))]));
    log_commit(&here, 2, &[]);
    push(&here.annex, &there.path(), &origin(), "main", &both()).unwrap();
    let url = there.path();
    let dry = git_at(
        &here.path(),
        &[
            "push",
            "--dry-run",
            "--porcelain",
            url.to_str().unwrap(),
            "main",
            "git-annex",
        ],
    );
    assert!(
        dry.lines()
            .filter(|line| line.contains("refs/"))
            .all(|line| line.starts_with('=')),
        "{dry}"
    );
}

#[test]
fn refuses_what_is_no_repository() {
    let here = Fixture::new();
    here.start(&many(1));
    let nothing = tempfile::TempDir::new().unwrap();
    let refused = fetch(&here.annex, nothing.path(), &origin(), "main");
    assert!(matches!(refused, Err(Error::Git { .. })), "{refused:?}");
}

#[test]
fn a_remote_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let (here, there) = (Fixture::new(), Fixture::new());
    there.start(&many(1));
    let heads = there.path().join(".git/refs/heads");
    std::fs::create_dir(heads.join("synced")).unwrap();
    std::fs::write(heads.join("synced/main"), "damaged").unwrap();
    let refused = fetch(&here.annex, &there.path(), &origin(), "main");
    assert!(matches!(refused, Err(Error::Git { .. })), "{refused:?}");
    std::fs::remove_file(heads.join("synced/main")).unwrap();
    here.start(&many(2));
    std::os::unix::fs::symlink("worktrees", there.path().join(".git/worktrees")).unwrap();
    let refused = push(&here.annex, &there.path(), &origin(), "main", &both());
    assert!(matches!(refused, Err(Error::Io { .. })), "{refused:?}");
}

/// A hook that git would run in a bare repository.
fn hook(there: &Fixture, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let hooks = there.annex.git_dir().join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    let path = hooks.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn hooks_of_the_remote_run_as_git_runs_them() {
    let (here, drive) = (Fixture::new(), Fixture::bare());
    let first = here.start(&many(20));
    let logs = log_commit(&here, 3, &[]);
    // git-annex's own hook would take this lock.
    let _journal = drive.annex.branch().lock().unwrap();
    let send = || push(&here.annex, &drive.path(), &origin(), "main", &both());

    hook(&drive, "pre-receive", "#!/bin/sh\necho 'only on Sundays' >&2\nexit 1\n");
    let refused = send();
    assert!(
        matches!(&refused, Err(Error::Refused(why)) if why.contains("a hook there refused it: only on Sundays")),
        "{refused:?}"
    );
    assert_eq!(drive.get("refs/heads/main"), None);
    assert_eq!(here.get("refs/remotes/origin/main"), None);

    // One branch is protected: it goes beside it, as with git-annex.
    hook(&drive, "pre-receive", "#!/bin/sh\nexit 0\n");
    hook(&drive, "update", "#!/bin/sh\n[ \"$1\" != refs/heads/main ]\n");
    send().unwrap();
    assert_eq!(drive.get("refs/heads/main"), None);
    assert_eq!(drive.get("refs/heads/synced/main"), Some(first));
    assert_eq!(drive.get("refs/heads/git-annex"), Some(logs));

    std::fs::remove_file(drive.path().join("hooks/update")).unwrap();
    hook(&drive, "post-receive", "#!/bin/sh\ncat >>deployed\n");
    let second = here.commit(&many(21), &[first], "second");
    here.set("refs/heads/main", second);
    send().unwrap();
    assert_eq!(drive.get("refs/heads/main"), Some(second));
    assert_eq!(here.get("refs/remotes/origin/main"), Some(second));
    let deployed = String::from_utf8(drive.read("deployed")).unwrap();
    assert_eq!(deployed, format!("{} {second} refs/heads/main\n", Oid([0; 20])));
    drive.git(&["fsck", "--strict", "--full"]);
    assert_eq!(send().unwrap(), PushOutcome::UpToDate);

    hook(&drive, "post-receive", "#!/bin/sh\nkill -9 $PPID\n");
    let third = here.commit(&many(22), &[second], "third");
    here.set("refs/heads/main", third);
    let refused = send();
    assert!(
        matches!(&refused, Err(Error::Refused(why)) if why.contains("git could not push")),
        "{refused:?}"
    );
}

#[test]
fn only_hooks_of_somebody_call_for_git() {
    let drive = Fixture::bare();
    let has_hooks = || super::by_git::has_hooks(&drive.repo());
    assert!(!has_hooks());
    let of_git_annex = "#!/bin/sh\n# automatically configured by git-annex\nif git annex post-receive --help \
                        >/dev/null 2>&1; then git annex post-receive; fi\n";
    hook(&drive, "post-receive", of_git_annex);
    hook(&drive, "pre-commit", "#!/bin/sh\n");
    let hooks = drive.path().join("hooks");
    std::fs::write(hooks.join("update"), "#!/bin/sh\n").unwrap();
    std::fs::create_dir(hooks.join("pre-receive")).unwrap();
    assert!(
        !has_hooks(),
        "git runs neither what is no file nor what must not be run"
    );
    hook(&drive, "post-receive", &format!("{of_git_annex}deploy\n"));
    assert!(has_hooks());
    drive.git(&["config", "core.hooksPath", "elsewhere"]);
    assert!(!has_hooks());
    std::fs::rename(drive.path().join("hooks"), drive.path().join("elsewhere")).unwrap();
    assert!(has_hooks(), "relative to the git directory");
}

#[test]
fn a_branch_that_a_linked_work_tree_has_is_not_moved_under_it() {
    for there in [Fixture::bare(), Fixture::new()] {
        let here = Fixture::new();
        let first = here.start(&many(3));
        push(&here.annex, &there.path(), &origin(), "main", &both()).unwrap();
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        if !there.annex.is_bare() {
            there.git(&["checkout", "--quiet", "-b", "other"]);
        }
        there.git(&["worktree", "add", "--quiet", tree.to_str().unwrap(), "main"]);
        let second = here.commit(&many(4), &[first], "second");
        here.set("refs/heads/main", second);
        push(&here.annex, &there.path(), &origin(), "main", &both()).unwrap();
        assert_eq!(there.get("refs/heads/main"), Some(first));
        assert_eq!(there.get("refs/heads/synced/main"), Some(second));
        git_at(&tree, &["checkout", "--quiet", "--detach"]);
        let third = here.commit(&many(5), &[second], "third");
        here.set("refs/heads/main", third);
        let bisected = there.annex.git_dir().join("worktrees/tree/BISECT_START");
        std::fs::write(&bisected, "main\n").unwrap();
        push(&here.annex, &there.path(), &origin(), "main", &both()).unwrap();
        assert_eq!(there.get("refs/heads/main"), Some(first));
        std::fs::remove_file(&bisected).unwrap();
        push(&here.annex, &there.path(), &origin(), "main", &both()).unwrap();
        assert_eq!(there.get("refs/heads/main"), Some(third));
    }
}

#[test]
fn a_shallow_clone_is_not_spread_as_if_it_were_whole() {
    let (origin_of_it, place) = (Fixture::new(), tempfile::tempdir().unwrap());
    let first = origin_of_it.start(&many(2));
    let second = origin_of_it.commit(&many(3), &[first], "second");
    origin_of_it.set("refs/heads/main", second);
    let clone = place.path().join("clone");
    let url = format!("file://{}", origin_of_it.path().display());
    git_at(
        place.path(),
        &["clone", "--quiet", "--depth=1", &url, clone.to_str().unwrap()],
    );
    for (name, value) in [
        ("annex.uuid", "317f23d5-452b-47a9-a485-f40d19253ce3"),
        ("annex.version", "10"),
        ("user.name", "n"),
        ("user.email", "e@example.com"),
    ] {
        git_at(&clone, &["config", name, value]);
    }
    let shallow = crate::Annex::open(&clone).unwrap();
    let is_told = |error: Error| error.to_string().contains("git fetch --unshallow");
    let drive = Fixture::bare();
    let refused = push(&shallow, &drive.path(), &origin(), "main", &both());
    assert!(refused.is_err_and(is_told));
    assert_eq!(drive.get("refs/heads/main"), None);
    let fetched = fetch(&drive.annex, &clone, &origin(), "main");
    assert!(fetched.is_err_and(is_told));
    let cloned = crate::init::clone(&clone, &place.path().join("copy"), true, None, 1);
    assert!(cloned.is_err_and(is_told));
    // To where it came from it goes on.
    git_at(&clone, &["commit", "--quiet", "--allow-empty", "--message=third"]);
    let third = git_at(&clone, &["rev-parse", "HEAD"]);
    push(
        &shallow,
        &origin_of_it.path(),
        &origin(),
        "main",
        &PushOptions::default(),
    )
    .unwrap();
    let synced = origin_of_it.get("refs/heads/synced/main").unwrap();
    assert_eq!(synced.to_string(), third.trim());
}

#[test]
fn the_branch_of_the_other_end_is_told_if_it_is_another() {
    let here = Fixture::new();
    let first = here.start(&many(2));
    let seen = |there: &Fixture, branch: &str| {
        fetch(&here.annex, &there.path(), &origin(), branch)
            .unwrap()
            .other_branch
    };
    let clone = Fixture::new();
    push(&here.annex, &clone.path(), &origin(), "main", &both()).unwrap();
    clone.set("refs/heads/master", clone.commit(&many(4), &[], "old"));
    assert_eq!(seen(&clone, "main"), None, "its files are on main");
    assert_eq!(seen(&clone, "work").as_deref(), Some("main"));
    clone.git(&["checkout", "--quiet", "-b", "adjusted/work(unlocked)"]);
    clone.git(&["branch", "work"]);
    assert_eq!(seen(&clone, "main").as_deref(), Some("work"));
    assert_eq!(seen(&clone, "work"), None);

    let drive = Fixture::bare();
    assert_eq!(seen(&drive, "work"), None, "HEAD names a branch that is not there yet");
    push(&here.annex, &drive.path(), &origin(), "main", &both()).unwrap();
    assert_eq!(seen(&drive, "main"), None);
    assert_eq!(seen(&drive, "master").as_deref(), Some("main"));
    drive.set("refs/heads/master", first);
    assert_eq!(seen(&drive, "main"), None, "all of it is in main");
    let theirs = drive.commit(&many(3), &[], "theirs");
    drive.set("refs/heads/master", theirs);
    assert_eq!(seen(&drive, "main").as_deref(), Some("master"));
    drive.git(&["symbolic-ref", "HEAD", "refs/heads/master"]);
    assert_eq!(seen(&drive, "master").as_deref(), Some("main"));
}
