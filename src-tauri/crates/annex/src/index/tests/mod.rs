mod caches;
mod split;

use std::fs;
use std::time::Duration;

use super::format::{Fault, IndexContent};
use super::{CachedTree, Entries, Index, IndexEntry, Staged};
use crate::Error;
use crate::oid::from_git;
use crate::scratch_repository::Scratch;
use bstr::ByteSlice;
use model::Oid;

fn index_of(repo: &Scratch) -> Vec<u8> {
    fs::read(repo.path(".git/index")).unwrap()
}

fn parse(data: &[u8]) -> Result<IndexContent, Fault> {
    IndexContent::parse(data, &mut |_| Err(Fault::Damaged("it has no base")))
}

fn read(repo: &Scratch) -> Index {
    Index::read(&repo.annex, &repo.annex.git().unwrap()).unwrap()
}

fn beside(own: &[IndexEntry]) -> Entries<'_> {
    Entries {
        base: None,
        hidden: &[],
        own,
    }
}

fn made_by_git(version: &str) -> Scratch {
    let repo = Scratch::new();
    for name in [
        "a",
        "d/b",
        "d/e/c",
        "d.x",
        "z/long/long/long/path",
        "z/long/long/long/path2",
        "ita",
    ] {
        repo.write(name, name);
    }
    repo.git(&["add", "a", "d", "d.x", "z"]);
    repo.git(&["commit", "-qm", "1"]);
    repo.git(&["update-index", "--index-version", version]);
    repo.git(&["update-index", "--skip-worktree", "d/b"]);
    repo.git(&["update-index", "--assume-unchanged", "d.x"]);
    repo.git(&["add", "-N", "ita"]);
    repo
}

#[test]
fn reads_and_writes_as_git_does() {
    for version in ["2", "4"] {
        let repo = made_by_git(version);
        let described = repo.git(&["ls-files", "--debug", "-s", "-v"]);
        let content = parse(&index_of(&repo)).unwrap();
        assert_eq!(content.entries().len(), 7);
        assert!(content.trees != CachedTree::default());
        let written = content.write();
        assert_eq!(parse(&written).unwrap(), content);
        fs::write(repo.path(".git/index"), written).unwrap();
        assert_eq!(
            repo.git(&["ls-files", "--debug", "-s", "-v"]),
            described,
            "version {version}"
        );
        repo.git(&["fsck", "--cache"]);
    }
}

#[test]
fn whether_any_file_says_attributes_is_known() {
    let has_attributes = |repo: &Scratch| read(repo).may_have_attributes();
    let repo = made_by_git("4");
    assert!(!has_attributes(&repo));
    repo.git(&["update-index", "--split-index"]);
    assert!(!has_attributes(&repo));
    repo.write("d/.gitattributes", "*.x text");
    repo.git(&["-c", "filter.annex.clean=", "add", "d/.gitattributes"]);
    assert!(has_attributes(&repo), "beside the base");
    repo.git(&["update-index", "--no-split-index"]);
    assert!(has_attributes(&repo));
    repo.git(&["update-index", "--split-index"]);
    assert!(has_attributes(&repo), "in the base");
}

/// Between the index and HEAD a `git checkout` may take its time.
#[test]
fn the_index_is_not_locked_while_head_is_about_to_move() {
    let repo = made_by_git("2");
    let git = repo.annex.git().unwrap();
    let head_lock = repo.path(".git/HEAD.lock");
    fs::write(&head_lock, "").unwrap();
    let mut draft = Staged::draft(&repo.annex, &git).unwrap();
    let patience = Duration::from_millis(20);
    let busy = draft.take_lock(patience).unwrap_err();
    assert!(matches!(busy, Error::Busy(path) if path.ends_with("HEAD.lock")));
    assert!(!repo.path(".git/index.lock").exists());
    fs::remove_file(&head_lock).unwrap();
    assert!(draft.take_lock(patience).unwrap());
}

#[test]
fn no_damage_passes() {
    let repo = made_by_git("4");
    let whole = index_of(&repo);
    for length in 0..whole.len() {
        assert!(parse(&whole[..length]).is_err(), "cut to {length} bytes");
    }
    // Without its checksum, nothing must be trusted.
    let mut bare = whole;
    let end = bare.len() - 20;
    bare[end..].fill(0);
    assert!(parse(&bare).is_ok());
    for at in 0..end {
        for change in [1, 0x80, 0xff] {
            let mut damaged = bare.clone();
            damaged[at] ^= change;
            if let Ok(content) = parse(&damaged) {
                let mut trees = content.trees.clone();
                let _ = trees.complete(content.entries(), &|_| true, &mut |_| Ok(Oid([0; 20])));
            }
        }
    }
}

#[test]
fn kinds_that_are_not_edited_are_refused() {
    let repo = made_by_git("2");
    repo.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "d"]);
    assert!(matches!(parse(&index_of(&repo)), Err(Fault::Unsupported(_))));
}

#[test]
fn edits_make_the_tree_that_git_makes() {
    let repo = made_by_git("2");
    repo.git(&["rm", "-q", "--cached", "ita"]);
    let git = repo.annex.git().unwrap();
    let blob = from_git(git.blob(b"x").unwrap());
    let steps: [&[(&str, bool)]; 5] = [
        &[("new/deep/file", true), ("a", false)],
        &[("d/e", true)],
        &[("d/e/c", true), ("d.x", false)],
        &[("z", true), ("d", true)],
        &[("z", false), ("d", false), ("new/deep/file", false), ("only", true)],
    ];
    for step in steps {
        let mut staged = Staged::open(&repo.annex, &git).unwrap();
        for &(path, present) in step {
            match present {
                true => staged.put(IndexEntry::without_stat(path.as_bytes(), 0o100644, blob)),
                false => staged.remove(path.as_bytes()),
            }
        }
        let odb = git.odb().unwrap();
        let tree = staged
            .write_tree(&|oid| odb.exists(super::to_git(oid)), &mut |content| {
                Ok(from_git(odb.write(git2::ObjectType::Tree, content).unwrap()))
            })
            .unwrap();
        staged.commit().unwrap();
        // git trusts the trees that are cached, unless it is told not to.
        assert_eq!(repo.git(&["write-tree"]).to_string().trim(), tree.to_string());
        repo.git(&["update-index", "--force-remove", "no-such-file"]);
        let flat = repo.git(&["ls-files", "-s"]);
        repo.git(&["read-tree", &tree.to_string()]);
        assert_eq!(repo.git(&["ls-files", "-s"]), flat);
        repo.git(&["fsck", "--cache", "--strict"]);
    }
}

#[test]
fn a_cached_tree_is_trusted_only_where_the_entries_bear_it_out() {
    let entry = |path: &str| IndexEntry::without_stat(path.as_bytes(), 0o100644, Oid([1; 20]));
    let is_trusted = |count: &str, exists| {
        let data = [b"\0-1 1\nd\0", count.as_bytes(), b" 0\n", &[7; 20]].concat();
        let mut trees = CachedTree::parse(&data).unwrap();
        let mut root = Vec::new();
        let entries = ["a", "d/a", "d/b", "e"].map(entry);
        let made = trees.complete(beside(&entries), &|_| exists, &mut |tree| {
            root = tree.to_vec();
            Ok(Oid([9; 20]))
        });
        assert_eq!(trees.root(), made.ok());
        root.contains_str([7; 20])
    };
    assert!(is_trusted("2", true));
    for (count, exists) in [("2", false), ("0", true), ("1", true), ("3", true), ("9", true)] {
        assert!(!is_trusted(count, exists), "{count}");
    }
}

#[test]
fn a_tree_that_leaves_entries_out_is_not_cached() {
    let mut announced = IndexEntry::without_stat(b"d/e/f", 0o100644, Oid([1; 20]));
    announced.extended = 0x2000;
    let mut trees = CachedTree::default();
    let root = trees.complete(beside(&[announced]), &|_| true, &mut |_| Ok(Oid([9; 20])));
    assert!(root.is_ok() && trees.root().is_none());
}

#[test]
fn only_one_edits() {
    let repo = made_by_git("2");
    let git = repo.annex.git().unwrap();
    let staged = Staged::open(&repo.annex, &git).unwrap();
    let refused = std::process::Command::new("git")
        .args(["add", "a"])
        .current_dir(repo.top())
        .output()
        .unwrap();
    assert!(!refused.status.success(), "git waits for us");
    assert!(
        matches!(Staged::open(&repo.annex, &git), Err(crate::Error::Busy(_))),
        "and so do we"
    );
    drop(staged);
    repo.git(&["add", "a"]);
}

#[test]
fn a_draft_locks_nothing_and_is_put_in_place_only_over_the_index_it_was_made_from() {
    let repo = made_by_git("2");
    let git = repo.annex.git().unwrap();
    let blob = from_git(git.blob(b"x").unwrap());
    let names = || {
        let names = fs::read_dir(git.path()).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let draft = || {
        let mut draft = Staged::draft(&repo.annex, &git).unwrap();
        draft.put(IndexEntry::without_stat(b"new", 0o100644, blob));
        draft.prepare().unwrap();
        draft
    };
    let before = names();
    let mut late = draft();
    assert_eq!(names(), before, "a process killed now leaves nothing");
    repo.write("own", "own");
    repo.git(&["-c", "filter.annex.clean=", "add", "own"]);
    assert!(!late.take_lock(Duration::ZERO).unwrap());
    drop(late);
    assert!(
        matches!(draft().commit(), Err(crate::Error::Busy(_))),
        "it is not locked"
    );
    let mut good = draft();
    assert!(good.take_lock(Duration::ZERO).unwrap());
    good.commit().unwrap();
    assert_eq!(names(), before);
    let staged = repo.git(&["ls-files"]).to_string();
    assert!(staged.contains("new\n") && staged.contains("own\n"), "{staged}");
}
