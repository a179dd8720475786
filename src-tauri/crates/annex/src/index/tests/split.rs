//! Split indexes, written by git, by Anabranch, and by both in turn.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use model::Oid;
use proptest::prelude::*;

use super::{made_by_git, read};
use crate::index::base::Base;
use crate::index::format::IndexContent;
use crate::index::{CachedTree, Index, IndexEntry, IndexState, Staged};
use crate::oid::{from_git, to_git};
use crate::scratch_repository::Scratch;

fn split_by_git(version: &str) -> Scratch {
    let repo = made_by_git(version);
    // So that git keeps the base, however much is beside it.
    repo.git(&["config", "splitIndex.maxPercentChange", "100"]);
    repo.git(&["update-index", "--split-index"]);
    repo
}

/// Entries as `git ls-files` shows them.
fn shown(index: &Index) -> String {
    let entries = index.entries();
    let line = |entry: crate::index::EntryRef<'_>| {
        let path = String::from_utf8_lossy(entry.path).into_owned();
        format!("{:06o} {} {}\t{path}\n", entry.mode, entry.oid, entry.stage())
    };
    entries.iter(&entries.all()).map(line).collect()
}

/// Has the index changed by us.
fn edit(repo: &Scratch, put: &[&str], removed: &[&str]) {
    let git = repo.annex.git().unwrap();
    let blob = from_git(git.blob(b"x").unwrap());
    let mut staged = Staged::open(&repo.annex, &git).unwrap();
    for path in put {
        staged.put(IndexEntry::without_stat(path.as_bytes(), 0o100_644, blob));
    }
    for path in removed {
        staged.remove(path.as_bytes());
    }
    staged.commit().unwrap();
}

fn bases(repo: &Scratch) -> Vec<String> {
    let names = fs::read_dir(repo.path(".git")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("sharedindex")).collect();
    names.sort();
    names
}

fn assert_git_agrees(repo: &Scratch) {
    assert_eq!(shown(&read(repo)), repo.git(&["ls-files", "-s"]).to_string());
    repo.git(&["fsck", "--cache", "--strict"]);
    // Also without anything that is remembered here.
    let again = crate::Annex::open(repo.top()).unwrap();
    let again = Index::read(&again, &again.git().unwrap()).unwrap();
    assert_eq!(shown(&again), shown(&read(repo)));
}

#[test]
fn git_and_we_edit_a_split_index_in_turn() {
    for version in ["2", "4"] {
        let repo = split_by_git(version);
        assert_git_agrees(&repo);
        assert_eq!(bases(&repo).len(), 1);
        let described = repo.git(&["ls-files", "--debug", "-s", "-v"]);
        edit(&repo, &[], &[]);
        assert_eq!(repo.git(&["ls-files", "--debug", "-s", "-v"]), described);

        edit(&repo, &["a", "d/new", "zz"], &["d/e/c"]);
        assert_git_agrees(&repo);
        repo.write("own", "own");
        repo.write("a", "by git");
        repo.git(&["-c", "filter.annex.clean=", "add", "own", "a"]);
        repo.git(&["update-index", "--force-remove", "d.x"]);
        assert_git_agrees(&repo);
        // A file in the place of a directory of the base, and a directory in the place of a file.
        edit(&repo, &["z", "a/below"], &["own"]);
        assert_git_agrees(&repo);
        edit(&repo, &["z/long/again", "a"], &[]);
        assert_git_agrees(&repo);
        assert_eq!(bases(&repo).len(), 1, "{version}");
    }
}

#[test]
fn what_git_has_replaced_is_read_from_every_version() {
    for version in ["2", "3", "4"] {
        let repo = split_by_git(version);
        repo.write("d/b2", "2");
        repo.git(&["update-index", "--no-skip-worktree", "d/b"]);
        repo.git(&["update-index", "--no-assume-unchanged", "d.x"]);
        repo.write("d/b", "by git");
        repo.write("d.x", "by git");
        repo.git(&["-c", "filter.annex.clean=", "add", "d", "d.x"]);
        assert_git_agrees(&repo);
    }
}

#[test]
fn a_tree_of_a_split_index_is_the_one_that_git_makes() {
    let repo = split_by_git("2");
    repo.git(&["rm", "-q", "--cached", "ita"]);
    let git = repo.annex.git().unwrap();
    let blob = from_git(git.blob(b"x").unwrap());
    for step in [&["d/e/c", "d/e/d"][..], &["a"], &["z/long/long/1", "z/y", "new/1"]] {
        let mut staged = Staged::open(&repo.annex, &git).unwrap();
        for path in step {
            staged.put(IndexEntry::without_stat(path.as_bytes(), 0o100_644, blob));
        }
        staged.remove(b"z/long/long/long/path");
        let odb = git.odb().unwrap();
        let tree = staged.write_tree(&|oid| odb.exists(to_git(oid)), &mut |content| {
            Ok(from_git(odb.write(git2::ObjectType::Tree, content).unwrap()))
        });
        staged.commit().unwrap();
        assert_eq!(repo.git(&["write-tree"]).to_string().trim(), tree.unwrap().to_string());
        assert_git_agrees(&repo);
    }
}

#[test]
fn much_beside_a_base_becomes_a_new_base_and_few_old_ones_stay() {
    let repo = split_by_git("2");
    let [of_git] = &bases(&repo)[..] else { panic!() };
    let names: Vec<String> = (0..300).map(|n| format!("many/{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut made: Vec<String> = vec![of_git.clone()];
    for round in 1..6 {
        edit(&repo, &names, &[]);
        assert_git_agrees(&repo);
        assert!(fs::metadata(repo.path(".git/index")).unwrap().len() < 1000);
        let there = bases(&repo);
        let new: Vec<&String> = there.iter().filter(|base| !made.contains(base)).collect();
        assert_eq!(new.len(), 1, "{round}");
        made.push(new[0].clone());
        assert!(
            there.contains(of_git),
            "it is not ours: an index that somebody keeps may name it"
        );
        // git may be about to read the last ones.
        let ours: Vec<&String> = made[1..].iter().rev().take(3).collect();
        assert!(
            there.len() == ours.len() + 1 && ours.iter().all(|base| there.contains(base)),
            "{there:?}"
        );
        edit(&repo, &[&format!("file-{round}")], &[]);
        assert_eq!(bases(&repo), there, "for one entry there is no new one");
    }
}

#[test]
fn a_base_that_somebody_removes_is_made_again() {
    let repo = split_by_git("2");
    let _known = read(&repo);
    for base in bases(&repo) {
        fs::remove_file(repo.path(".git").join(base)).unwrap();
    }
    edit(&repo, &["new"], &[]);
    assert_git_agrees(&repo);
    assert_eq!(read(&repo).entries().len(), 8);
}

/// git 2.47.3 gives bases no checksum then, and takes an index that names one for empty.
#[test]
fn an_index_is_whole_where_git_skips_checksums() {
    for (name, value) in [("index.skipHash", "true"), ("feature.manyFiles", "true")] {
        let repo = split_by_git("2");
        repo.git(&["config", name, value]);
        edit(&repo, &["new"], &[]);
        assert!(read(&repo).content.base.is_none(), "{name}");
        assert_git_agrees(&repo);
    }
    let repo = split_by_git("2");
    repo.git(&["config", "feature.manyFiles", "true"]);
    repo.git(&["config", "index.skipHash", "false"]);
    edit(&repo, &["new"], &[]);
    assert!(read(&repo).content.base.is_some());
}

#[test]
fn an_index_whose_base_has_no_checksum_is_damaged() {
    let repo = split_by_git("2");
    let mut data = super::index_of(&repo);
    let at = data.windows(4).position(|name| name == b"link").unwrap() + 8;
    data[at..at + 20].fill(0);
    let end = data.len() - 20;
    data[end..].fill(0);
    assert!(matches!(
        super::parse(&data),
        Err(crate::index::format::Fault::Damaged(_))
    ));
}

#[test]
fn what_is_added_takes_the_place_of_what_the_base_has() {
    let mut content = whole(vec![entry("a", 1, false), entry("b", 1, false)]);
    let base = Base::of(content.entries());
    content = IndexContent::split(Arc::clone(&base), content);
    content.own = vec![entry("b", 2, false)];
    let again = IndexContent::parse(&content.write(), &mut |_| Ok(Arc::clone(&base))).unwrap();
    assert_eq!(again.entries().len(), 2);
    assert_eq!(again.entries().get(b"b").unwrap().oid, Oid([2; 20]));
}

#[test]
fn the_user_may_want_a_whole_index() {
    let repo = split_by_git("2");
    repo.git(&["config", "core.splitIndex", "false"]);
    let names: Vec<String> = (0..300).map(|n| format!("many/{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    edit(&repo, &names, &[]);
    assert_eq!(bases(&repo).len(), 1, "no new base");
    assert_git_agrees(&repo);
}

#[test]
fn a_folder_that_is_left_gets_a_whole_index() {
    let repo = split_by_git("2");
    edit(&repo, &["new"], &["a"]);
    let before = repo.git(&["ls-files", "--debug", "-s"]);
    repo.git(&["config", "core.splitIndex", "true"]);
    repo.annex.make_whole_from(1).unwrap();
    assert!(read(&repo).content.base.is_some(), "the user wants it split");
    repo.git(&["config", "--unset", "core.splitIndex"]);
    repo.annex.make_whole_from(1).unwrap();
    assert!(read(&repo).content.base.is_none());
    assert_eq!(repo.git(&["ls-files", "--debug", "-s"]), before);
    assert_git_agrees(&repo);
}

#[test]
fn an_index_without_its_base_is_replaced_by_what_head_says() {
    for damage in [
        |path: &std::path::Path| fs::remove_file(path).unwrap(),
        |path: &std::path::Path| {
            let mut data = fs::read(path).unwrap();
            data[100] ^= 1;
            fs::write(path, data).unwrap();
        },
    ] {
        let repo = split_by_git("2");
        for base in bases(&repo) {
            damage(&repo.path(".git").join(base));
        }
        let index = read(&repo);
        assert_eq!(index.entries().len(), 6);
        assert!(repo.path(".git/index.damaged").exists());
        assert_git_agrees(&repo);
    }
}

fn whole(own: Vec<IndexEntry>) -> IndexContent {
    let mut content = IndexContent::default();
    content.own = own;
    content
}

#[test]
fn an_index_is_split_and_whole_by_its_size() {
    let entry = |n: usize| IndexEntry::without_stat(format!("{n:04}").as_bytes(), 0o100_644, Oid([1; 20]));
    let whole = |count| whole((0..count).map(entry).collect());
    assert!(!whole(99).needs_base(100));
    assert!(whole(100).needs_base(100));
    let mut content = whole(1000);
    content = IndexContent::split(Base::of(content.entries()), content);
    assert!(!content.needs_base(100) && !content.is_small_again(100));
    let changes = |range: std::ops::Range<usize>, change: &dyn Fn(usize) -> Option<IndexEntry>| -> BTreeMap<_, _> {
        range.map(|n| (entry(n).path, change(n))).collect()
    };
    content.apply(changes(0..256, &|n| Some(entry(n))));
    assert!(!content.needs_base(100));
    content.apply(changes(256..257, &|n| Some(entry(n))));
    assert!(content.needs_base(100));
    content.apply(changes(0..951, &|_| None));
    assert_eq!(content.entries().len(), 49);
    assert!(content.is_small_again(100));
    // One that git has split for the user is no concern of ours.
    assert!(!content.is_small_again(1001));
    content.make_whole();
    assert_eq!(content.own, (951..1000).map(entry).collect::<Vec<_>>());
}

/// Paths of few components, so that files and directories meet.
fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(0..4u8, 1..4).prop_map(|names| {
        let names: Vec<String> = names
            .iter()
            .map(|name| ["a", "b", "b.c", "d"][*name as usize].to_owned())
            .collect();
        names.join("/")
    })
}

fn entry(path: &str, value: u8, is_extended: bool) -> IndexEntry {
    IndexEntry {
        extended: if is_extended { 0x4000 } else { 0 },
        ..IndexEntry::without_stat(path.as_bytes(), 0o100_644, Oid([value; 20]))
    }
}

proptest! {
    /// Whatever is in the base and beside it, a split index is what a whole one would be.
    #[test]
    fn a_split_index_is_as_a_whole_one(
        first in prop::collection::btree_map(path(), (1..9u8, any::<bool>()), 0..20),
        edits in prop::collection::vec(prop::collection::btree_map(path(), prop::option::of(1..9u8), 0..5), 0..4),
        asked in path(),
    ) {
        let mut model: BTreeMap<Vec<u8>, IndexEntry> = first
            .iter()
            .map(|(path, (value, is_extended))| (path.as_bytes().to_vec(), entry(path, *value, *is_extended)))
            .collect();
        let mut content = whole(model.values().cloned().collect());
        let base = Base::of(content.entries());
        content = IndexContent::split(Arc::clone(&base), content);
        for edit in edits {
            let changes: BTreeMap<Box<[u8]>, Option<IndexEntry>> = edit
                .iter()
                .map(|(path, value)| (path.as_bytes().into(), value.map(|value| entry(path, value, false))))
                .collect();
            for (path, change) in &changes {
                match change {
                    Some(entry) => _ = model.insert(path.to_vec(), entry.clone()),
                    None => _ = model.remove(&**path),
                }
            }
            content.apply(changes);
            content = IndexContent::parse(&content.write(), &mut |checksum| {
                assert_eq!(checksum, base.checksum);
                Ok(Arc::new(Base::parse(base.file().to_vec()).unwrap()))
            }).unwrap();
        }
        let entries = content.entries();
        let all: Vec<IndexEntry> = entries.iter(&entries.all()).map(|entry| entry.owned()).collect();
        let expected: Vec<IndexEntry> = model.values().cloned().collect();
        prop_assert_eq!(&all, &expected);
        prop_assert_eq!(entries.len(), expected.len());

        let asked = asked.as_bytes();
        let of_path = entries.get(asked).map(|entry| entry.owned());
        prop_assert_eq!(of_path.as_ref(), model.get(asked));
        let below = [asked, b"/"].concat();
        let expected: Vec<&IndexEntry> = expected.iter().filter(|entry| entry.path.starts_with(&below)).collect();
        let span = entries.below(asked);
        let found: Vec<IndexEntry> = entries.iter(&span).map(|entry| entry.owned()).collect();
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        prop_assert_eq!(entries.count(&span), found.len());
        for guess in 0..4 {
            let mut rest = entries.iter(&entries.all());
            while let Some(next) = rest.peek() {
                if next.path.starts_with(&below) {
                    let guessed = entries.with_prefix(rest.rest(), &below, Some(guess));
                    prop_assert_eq!(entries.count(&guessed), found.len());
                    rest.pass(&guessed);
                    prop_assert!(rest.peek().is_none_or(|next| !next.path.starts_with(&below)));
                    break;
                }
                rest.next();
            }
        }

        // The trees are those of the whole index, whichever were known before.
        let mut ids = Vec::new();
        for entries in [entries, super::beside(&all)] {
            let mut trees = CachedTree::default();
            let made = trees.complete(entries, &|_| true, &mut |tree| {
                Ok(from_git(git2::Oid::hash_object(git2::ObjectType::Tree, tree).unwrap()))
            });
            ids.push(made.unwrap());
        }
        prop_assert_eq!(ids[0], ids[1]);
    }
}

#[test]
fn what_others_have_changed_is_named() {
    for setting in ["--no-split-index", "--split-index"] {
        let repo = split_by_git("2");
        repo.git(&["rm", "-q", "--cached", "ita"]);
        repo.git(&["update-index", setting]);
        let changed = |before: &IndexState| -> Vec<String> {
            let paths = repo.annex.index_state().unwrap().changed_since(before).unwrap();
            paths.iter().map(ToString::to_string).collect()
        };
        let before = repo.annex.index_state().unwrap();
        assert_eq!(changed(&before), [""; 0]);
        // Only stat data.
        let file = fs::File::options().write(true).open(repo.path("a")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))
            .unwrap();
        repo.git(&["update-index", "--refresh"]);
        assert_eq!(changed(&before), [""; 0]);

        repo.write("a", "by git");
        repo.write("new", "by git");
        repo.git(&["-c", "filter.annex.clean=", "add", "a", "new"]);
        repo.git(&["rm", "-q", "--cached", "d/e/c"]);
        repo.git(&["update-index", "--chmod=+x", "z/long/long/long/path"]);
        let expected = ["a", "d/e/c", "new", "z/long/long/long/path"];
        assert_eq!(changed(&before), expected);
        repo.git(&["update-index", "--no-split-index"]);
        assert_eq!(changed(&before), expected);
        let whole = repo.annex.index_state().unwrap();
        edit(&repo, &["new"], &[]);
        assert_eq!(changed(&whole), ["new"]);
    }
}

/// One that is not listed is never removed.
#[test]
fn a_base_is_listed_before_it_is_there() {
    let repo = split_by_git("2");
    let git = repo.annex.git().unwrap();
    let mut staged = Staged::open(&repo.annex, &git).unwrap();
    staged.remove(b"a");
    // It needs a new one now, but cannot list it.
    fs::remove_file(repo.path(".git").join(&bases(&repo)[0])).unwrap();
    fs::create_dir_all(repo.path(".git/anabranch/bases")).unwrap();
    staged.prepare().unwrap_err();
    assert_eq!(bases(&repo), [""; 0]);
}
