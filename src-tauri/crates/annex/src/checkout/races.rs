//! What a user does between the plan of a checkout and its end, and a crash after it: nobody's version is lost.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use model::{Oid, RepoPath};

use super::marker::Marker;
use super::{CheckoutOptions, Step};
use crate::fixture::{Fixture, Leaf, Leaves, file, leaves, link, pointer, put_object};
use crate::{Error, MergeOptions, MergeOutcome, Theirs};

/// What the file is in git.
#[derive(Debug, Clone, Copy)]
enum Form {
    InGit,
    Unlocked,
    Locked,
}

/// What others did to it.
#[derive(Debug, Clone, Copy)]
enum Change {
    Edited,
    Deleted,
    Renamed,
}

/// What its user does at that very moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Edits,
    Replaces,
    Deletes,
    Renames,
    MakesADirectory,
    MakesItExecutable,
    /// The rest is done with git, which fails where the index is locked.
    EditsAndStages,
    EditsAndCommits,
    GitMoves,
    GitRemoves,
}

const THEIRS: [Change; 3] = [Change::Edited, Change::Deleted, Change::Renamed];
const ACTS: [Act; 10] = [
    Act::Edits,
    Act::Replaces,
    Act::Deletes,
    Act::Renames,
    Act::MakesADirectory,
    Act::MakesItExecutable,
    Act::EditsAndStages,
    Act::EditsAndCommits,
    Act::GitMoves,
    Act::GitRemoves,
];

impl Act {
    /// Does it to the file `f`; false if git refuses.
    fn on(self, fixture: &Fixture) -> bool {
        let path = fixture.path().join("f");
        match self {
            Act::Edits if path.is_symlink() => {
                fs::remove_file(&path).unwrap();
                symlink("mine", &path).unwrap();
            }
            Act::Edits => fs::write(&path, "mine").unwrap(),
            Act::Replaces => {
                fs::write(fixture.path().join("made"), "mine").unwrap();
                fs::rename(fixture.path().join("made"), &path).unwrap();
            }
            Act::Deletes => fs::remove_file(&path).unwrap(),
            Act::Renames => fs::rename(&path, fixture.path().join("h")).unwrap(),
            Act::MakesADirectory => {
                fs::remove_file(&path).unwrap();
                fs::create_dir(&path).unwrap();
                fs::write(path.join("inner"), "mine").unwrap();
            }
            Act::EditsAndStages | Act::EditsAndCommits => {
                if path.is_symlink() {
                    fs::remove_file(&path).unwrap();
                }
                fs::write(&path, "mine").unwrap();
                let has_staged = fixture.try_git(&["add", "f"]);
                if has_staged && self == Act::EditsAndCommits {
                    fixture.git(&["commit", "-q", "-m", "the user's"]);
                }
            }
            Act::GitMoves => return fixture.try_git(&["mv", "f", "h"]),
            Act::GitRemoves => return fixture.try_git(&["rm", "-q", "-f", "f"]),
            Act::MakesItExecutable if path.is_symlink() => {}
            Act::MakesItExecutable => fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap(),
        }
        true
    }
}

struct Scene {
    fixture: Fixture,
    base: Oid,
    next: Oid,
    /// The versions of the file, as the tree has them.
    old: Leaf,
    new: Leaf,
}

fn scene(form: Form, theirs: Change) -> Scene {
    let fixture = Fixture::new();
    let leaf = |content: &str| match form {
        Form::InGit => file(content),
        Form::Unlocked => pointer(&put_object(&fixture.annex, content.as_bytes()).to_string()),
        Form::Locked => link(&format!(
            ".git/annex/objects/{0}/{0}",
            put_object(&fixture.annex, content.as_bytes())
        )),
    };
    let (old, new) = (leaf("the old version"), leaf("the new version"));
    let mut from = leaves([("a", file("1")), ("z", file("1"))]);
    from.insert("f".into(), old.clone());
    let base = fixture.start(&from);
    let mut to = leaves([("a", file("2")), ("z", file("2")), ("zz", file("2"))]);
    match theirs {
        Change::Edited => to.insert("f".into(), new.clone()),
        Change::Deleted => None,
        Change::Renamed => to.insert("g".into(), old.clone()),
    };
    let next = fixture.commit(&to, &[base], "next");
    Scene {
        fixture,
        base,
        next,
        old,
        new,
    }
}

impl Scene {
    /// True if the user acted on the old version; false if the checkout had already replaced it.
    fn act(&self, act: Act) -> bool {
        self.is_old() && act.on(&self.fixture)
    }

    fn is_old(&self) -> bool {
        let path = self.fixture.path().join("f");
        match &self.old {
            Leaf::Link(target) => {
                fs::read_link(&path).is_ok_and(|found| found.as_os_str().as_encoded_bytes() == target)
            }
            Leaf::File(_) | Leaf::Executable(_) => fs::read(&path).is_ok_and(|data| data == b"the old version"),
        }
    }

    /// Checks out, with the act at one step and a crash at another; false if the user came too late.
    fn check_out(&self, act: Act, at: usize, crash_at: Option<usize>) -> bool {
        let wanted = Marker {
            branch: "main".into(),
            from: Some(self.base),
            to: self.next,
        };
        let (mut steps, mut acted) = (0, false);
        let options = CheckoutOptions::default();
        let outcome = self.fixture.annex.carry_out(&wanted, &options, false, &mut |_: Step| {
            if steps == at {
                acted = self.act(act);
            }
            steps += 1;
            match crash_at {
                Some(crash) if steps > crash => Err(Error::Damaged("cut off".into())),
                _ => Ok(()),
            }
        });
        match outcome {
            Ok(_) => {}
            // The user has committed, so the checkout is decided again.
            Err(Error::Busy(_)) if act == Act::EditsAndCommits => {}
            Err(Error::Damaged(_)) => _ = self.fixture.annex.finish_checkout().unwrap(),
            Err(other) => panic!("{other}"),
        }
        acted
    }

    /// Commits what the user did, merges what is not merged, as often as it takes, and gives back all files.
    fn resolve(&self) -> Leaves {
        let git = |arguments: &[&str]| self.fixture.git(arguments);
        git(&["add", "-A"]);
        if !git(&["status", "--porcelain"]).is_empty() {
            git(&["commit", "-q", "-m", "the user's"]);
        }
        let options = MergeOptions {
            checkout: CheckoutOptions {
                thin: false,
                partial: true,
            },
            ..MergeOptions::default()
        };
        for _ in 0..3 {
            let theirs = Theirs {
                commit: self.next,
                reference: "refs/remotes/origin/main",
            };
            match self.fixture.annex.merge_into_head(&[theirs], &options).unwrap() {
                MergeOutcome::UpToDate => break,
                MergeOutcome::FastForwarded { waiting, .. } | MergeOutcome::Merged { waiting, .. } => {
                    assert_eq!(waiting, []);
                }
                other @ (MergeOutcome::Blocked { .. } | MergeOutcome::Removes(_) | MergeOutcome::Conflict { .. }) => {
                    panic!("{other:?}")
                }
            }
        }
        assert_eq!(git(&["status", "--porcelain"]), "");
        let head = self.fixture.get("refs/heads/main").unwrap();
        assert!(self.fixture.annex.contains(head, self.next));
        self.fixture.leaves(head)
    }
}

fn has(files: &Leaves, wanted: &Leaf) -> bool {
    let data = |leaf: &Leaf| match leaf {
        Leaf::File(data) | Leaf::Executable(data) | Leaf::Link(data) => data.clone(),
    };
    files.values().any(|leaf| data(leaf) == data(wanted))
}

/// Every act and every change from elsewhere, at many steps, with and without a crash at once or later.
fn play(form: Form) {
    let mut played = 0;
    for (theirs, act) in THEIRS.into_iter().flat_map(|theirs| ACTS.map(|act| (theirs, act))) {
        for at in 0..4 {
            for crash_at in [None, Some(at + 1)] {
                let scene = scene(form, theirs);
                if !scene.check_out(act, at, crash_at) {
                    continue;
                }
                played += 1;
                let files = scene.resolve();
                let told =
                    format!("theirs {theirs:?}, the user {act:?} at step {at}, crash at {crash_at:?}: {files:?}");
                assert_eq!(files.get("a"), Some(&file("2")), "{told}");
                assert_eq!(files.get("zz"), Some(&file("2")), "{told}");
                if matches!(theirs, Change::Edited) {
                    assert!(has(&files, &scene.new), "theirs is lost: {told}");
                }
                if matches!(
                    act,
                    Act::Edits | Act::Replaces | Act::MakesADirectory | Act::EditsAndStages | Act::EditsAndCommits
                ) {
                    assert!(has(&files, &file("mine")), "the user's is lost: {told}");
                }
                if matches!(act, Act::Renames | Act::GitMoves) && !matches!(theirs, Change::Edited) {
                    // git itself, without a filter, commits the content and not its pointer.
                    let old = [&scene.old, &file("the old version")];
                    assert!(old.iter().any(|old| has(&files, old)), "the old one is lost: {told}");
                }
            }
        }
    }
    assert!(played > 60, "only {played}");
}

#[test]
fn an_act_on_a_file_in_git_between_plan_and_end_is_merged_as_concurrent() {
    play(Form::InGit);
}

#[test]
fn an_act_on_an_unlocked_file_between_plan_and_end_is_merged_as_concurrent() {
    play(Form::Unlocked);
}

#[test]
fn an_act_on_a_locked_file_between_plan_and_end_is_merged_as_concurrent() {
    play(Form::Locked);
}

/// The user's acts on a pointer file while it is filled: what the user made stays, and git sees nothing else.
#[test]
fn an_act_on_a_pointer_that_is_being_filled_stays() {
    for (act, at) in ACTS.into_iter().flat_map(|act| (0..3).map(move |at| (act, at))) {
        let fixture = Fixture::new();
        let content = b"content that arrived later";
        let key = put_object(&Fixture::new().annex, content);
        fixture.start(&leaves([("a", file("1")), ("f", pointer(&key.to_string()))]));
        assert_eq!(put_object(&fixture.annex, content), key);
        let (mut steps, mut acted) = (0, false);
        let files = [(RepoPath::parse(b"f").unwrap(), key.clone())];
        let filled = fixture.annex.populate_by_steps(&files, false, &mut |_: Step| {
            if steps == at {
                acted = act.on(&fixture);
            }
            steps += 1;
            Ok(())
        });
        filled.unwrap();
        let told = format!("the user {act:?} at step {at}");
        let path = fixture.path().join("f");
        let holds = |name: &str, found: &[&[u8]]| {
            let data = fs::read(fixture.path().join(name)).unwrap_or_default();
            assert!(
                found.contains(&data.as_slice()),
                "{told}: {name} has {:?}",
                bstr::BStr::new(&data)
            );
        };
        let in_git = format!("/annex/objects/{key}\n");
        let old: [&[u8]; 2] = [in_git.as_bytes(), content];
        match act {
            Act::Edits | Act::Replaces | Act::EditsAndStages | Act::EditsAndCommits => holds("f", &[b"mine"]),
            Act::MakesADirectory => holds("f/inner", &[b"mine"]),
            Act::Renames => holds("h", &old),
            Act::GitMoves if acted => holds("h", &old),
            Act::Deletes => assert!(!path.exists(), "{told}"),
            Act::GitRemoves if acted => assert!(!path.exists(), "{told}"),
            Act::GitMoves | Act::GitRemoves => holds("f", &[content]),
            Act::MakesItExecutable => {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o111, 0o111, "{told}");
                holds("f", &old);
            }
        }
        assert!(!fixture.exists(".git/index.lock"), "{told}");
    }
}
