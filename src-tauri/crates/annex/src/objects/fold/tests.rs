use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use git2::{Oid, Repository};
use proptest::prelude::*;

use super::*;
use crate::objects::{Bulk, TreeEntry};

/// A repository whose only branch is at a tree of many files.
struct Growing {
    directory: tempfile::TempDir,
    repo: Repository,
    files: Vec<Vec<u8>>,
    tip: Option<Oid>,
    all: BTreeSet<Oid>,
}

impl Growing {
    fn new(files: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(directory.path()).unwrap();
        let files = (0..files)
            .map(|at| format!("{:02}/{at:05}", at % 7).into_bytes())
            .collect();
        let mut new = Self {
            directory,
            repo,
            files,
            tip: None,
            all: BTreeSet::new(),
        };
        new.files.sort();
        let all: Vec<usize> = (0..new.files.len()).collect();
        new.change(&all, 0);
        new
    }

    /// Commits new content of these files as one burst.
    fn change(&mut self, at: &[usize], seed: usize) {
        let mut bulk = Bulk::begin(&self.repo).unwrap();
        let old = self.tip.map(|tip| self.repo.find_commit(tip).unwrap().tree_id());
        let paths: Vec<Vec<u8>> = at.iter().map(|at| self.files[*at].clone()).collect();
        let tree = bulk
            .rewrite(old, &paths, &mut |bulk, at, _| {
                let id = bulk.blob(format!("{seed} {at}").as_bytes())?;
                Ok(Some(TreeEntry::file(id)))
            })
            .unwrap()
            .unwrap();
        let who = git2::Signature::new("a", "a@b", &git2::Time::new(1_700_000_000, 0)).unwrap();
        let parents: Vec<Oid> = self.tip.into_iter().collect();
        let commit = bulk.commit(tree, &parents, &who, "burst").unwrap();
        drop(bulk.finish().unwrap());
        self.repo.reference("refs/heads/main", commit, true, "").unwrap();
        self.tip = Some(commit);
        self.repo
            .odb()
            .unwrap()
            .foreach(|id| {
                self.all.insert(*id);
                true
            })
            .unwrap();
    }

    fn packs(&self) -> PathBuf {
        self.directory.path().join("objects/pack")
    }

    fn names(&self, end: &str) -> BTreeSet<PathBuf> {
        let names = fs::read_dir(self.packs()).unwrap().map(|entry| entry.unwrap().path());
        names
            .filter(|path| path.extension().is_some_and(|found| found == end))
            .collect()
    }

    fn git(&self, args: &[&str]) -> String {
        git(self.directory.path(), args)
    }

    /// All objects that ever were are there, also for who opened the repository before.
    fn check(&self) {
        self.git(&["fsck", "--strict", "--full", "--no-dangling"]);
        for index in self.names("idx") {
            let told = self.git(&["verify-pack", "-v", index.to_str().unwrap()]);
            let chains = told.lines().filter_map(|line| line.strip_prefix("chain length = "));
            let longest = chains
                .filter_map(|line| line.split(':').next()?.parse::<usize>().ok())
                .max();
            assert!(longest.unwrap_or(0) <= Trees::DEEPEST, "{told}");
        }
        for repo in [&self.repo, &Repository::open(self.directory.path()).unwrap()] {
            let odb = repo.odb().unwrap();
            for id in &self.all {
                let object = odb.read(*id).unwrap();
                assert_eq!(Oid::hash_object(object.kind(), object.data()).unwrap(), *id);
            }
        }
        let left: Vec<_> = fs::read_dir(self.packs())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("tmp_"))
            .collect();
        assert_eq!(left, <[String; 0]>::default());
    }
}

fn git(at: &Path, args: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(at).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn packs_stay_few_and_small_and_nothing_is_missing() {
    let mut growing = Growing::new(5000);
    let mut most = 0;
    let mut unfolded = 0;
    for seed in 1..200 {
        let at = seed * 37 % 5000;
        let before = growing.names("pack");
        growing.change(&[at], seed);
        let after = growing.names("pack");
        most = most.max(after.len());
        if before.is_subset(&after) {
            let new = after.difference(&before).next().unwrap();
            unfolded += fs::metadata(new).unwrap().len();
        }
        if seed % 50 == 0 {
            growing.check();
        }
    }
    growing.check();
    // The newest is not folded before a ref leads to it.
    // At most twelve for single changes, twelve that were folded, and the first.
    assert!(most <= 2 * MANY + 2, "{most} packs");
    let sizes = growing
        .names("pack")
        .into_iter()
        .map(|pack| fs::metadata(pack).unwrap().len());
    let (_, first) = (growing.files.len(), 5000 * 40);
    let folded = sizes.sum::<u64>().saturating_sub(first);
    assert!(folded < unfolded / 4, "{folded} bytes of {unfolded}");
}

#[test]
fn at_rest_fewer_packs_are_left() {
    let mut growing = Growing::new(100);
    for round in 0..MANY - 2 {
        growing.change(&[round], round + 1);
    }
    let packs = Arc::new(Directory::top(&growing.packs()).unwrap());
    let many = growing.names("pack").len();
    assert!(!fold(&packs, false).unwrap());
    assert_eq!(growing.names("pack").len(), many);
    assert!(fold(&packs, true).unwrap());
    let few = growing.names("pack").len();
    assert!(few <= FEWEST, "{few} of {many}");
    assert!(!fold(&packs, true).unwrap());
    growing.check();
}

/// Everything that is not a plain small pack is somebody's decision.
#[test]
fn packs_that_are_kept_stay() {
    for end in ["keep", "promisor", "mtimes", "bitmap"] {
        let mut growing = Growing::new(30);
        let first = growing.names("pack");
        let mark = first.first().unwrap().with_extension(end);
        fs::write(&mark, "").unwrap();
        (1..=2 * MANY).for_each(|seed| growing.change(&[seed % 30], seed));
        assert!(growing.names("pack").is_superset(&first), "{end}");
        assert!(growing.names("pack").len() <= MANY + 2, "{end}");
        fs::remove_file(mark).unwrap();
        growing.check();
    }
    let mut growing = Growing::new(30);
    growing.git(&["multi-pack-index", "write"]);
    (1..=2 * MANY).for_each(|seed| growing.change(&[seed % 30], seed));
    assert_eq!(growing.names("pack").len(), 2 * MANY + 1);
    growing.check();
}

/// What cannot be read as a whole may still be all that is left of an object.
#[test]
fn a_damaged_pack_stays_as_it_is() {
    for end in ["pack", "idx"] {
        let mut growing = Growing::new(30);
        let damaged = growing.names(end).first().unwrap().clone();
        (1..MANY).for_each(|seed| growing.change(&[seed % 30], seed));
        let mut bytes = fs::read(&damaged).unwrap();
        let near_its_end = bytes.len() - 30;
        bytes[near_its_end] ^= 1;
        fs::remove_file(&damaged).unwrap();
        fs::write(&damaged, &bytes).unwrap();
        (MANY..=2 * MANY).for_each(|seed| growing.change(&[seed % 30], seed));
        assert_eq!(fs::read(&damaged).unwrap(), bytes);
        assert!(growing.names("pack").len() <= MANY + 2, "{end}");
    }
}

/// As one who folds finds it that another has just folded.
#[test]
fn a_pack_that_holds_what_all_others_hold_stays() {
    let growing = Growing::new(30);
    let before = growing.names("pack");
    let pack = before.first().unwrap();
    for copy in 0..=MANY {
        for end in ["pack", "idx"] {
            fs::copy(
                pack.with_extension(end),
                pack.with_file_name(format!("pack-{copy}.{end}")),
            )
            .unwrap();
        }
    }
    let packs = Directory::find_below(growing.directory.path(), &growing.packs())
        .unwrap()
        .unwrap();
    fold(&Arc::new(packs), false).unwrap();
    assert_eq!(growing.names("pack"), before);
    growing.check();
}

/// git makes differences by distance, which have to stay together, and what it packs may be in another pack already.
#[test]
fn packs_of_git_are_folded_too() {
    let mut growing = Growing::new(3000);
    for seed in 1..=MANY - 2 {
        growing.change(&[seed * 100], seed);
    }
    let tip = growing.tip.unwrap().to_string();
    let mut input = tempfile::tempfile().unwrap();
    for (range, at) in [(format!("{tip}\n^{tip}~5\n"), 0), (format!("{tip}\n^{tip}~9\n"), 1)] {
        use std::io::{Seek, Write};
        input.set_len(0).unwrap();
        input.rewind().unwrap();
        input.write_all(range.as_bytes()).unwrap();
        input.rewind().unwrap();
        let packing = Command::new("git")
            .arg("-C")
            .arg(growing.directory.path())
            .args(["pack-objects", "--revs", "--delta-base-offset", "-q"])
            .arg(growing.packs().join("pack"))
            .stdin(input.try_clone().unwrap())
            .output()
            .unwrap();
        assert!(packing.status.success(), "{at}: {packing:?}");
    }
    // Of some of it theirs is the only one.
    let mut ours: Vec<PathBuf> = growing
        .names("pack")
        .into_iter()
        .filter(|pack| !pack.with_extension("rev").exists())
        .collect();
    ours.sort_by_key(|pack| fs::metadata(pack).unwrap().modified().unwrap());
    for pack in &ours[ours.len() - 3..] {
        for end in ["pack", "idx"] {
            fs::remove_file(pack.with_extension(end)).unwrap();
        }
    }
    growing.check();
    let of_git = growing.names("rev");
    assert_eq!(of_git.len(), 2);
    let hanging = |rev: &PathBuf| {
        let name = rev.file_stem().unwrap().to_str().unwrap().to_owned();
        let packs = Directory::find_below(growing.directory.path(), &growing.packs())
            .unwrap()
            .unwrap();
        PackFile::read(&packs, &name).unwrap().hangs_together()
    };
    assert!(of_git.iter().any(hanging));
    (1..=MANY).for_each(|seed| growing.change(&[seed * 7], 1000 + seed));
    growing.check();
    assert!(growing.names("pack").len() <= MANY);
}

#[test]
fn tiny_packs_that_cannot_be_folded_do_not_stop_the_others() {
    let mut growing = Growing::new(30);
    let mut other = Growing::new(2);
    other.change(&[0], 999);
    let index = other.names("idx").pop_last().unwrap();
    for name in 0..2 * FEWEST {
        let damaged = growing.packs().join(format!("pack-{name}.pack"));
        fs::write(&damaged, "").unwrap();
        fs::copy(&index, damaged.with_extension("idx")).unwrap();
    }
    let unreadable = growing.names("pack").len() - 1;
    (1..=2 * MANY).for_each(|seed| growing.change(&[seed % 30], seed));
    assert!(growing.names("pack").len() <= MANY + 2 + unreadable);
}

/// A good copy of its object may be in a newer pack.
#[test]
fn a_pack_with_a_wrong_object_is_not_folded() {
    let mut growing = Growing::new(30);
    let packs = Directory::find_below(growing.directory.path(), &growing.packs())
        .unwrap()
        .unwrap();
    let packs = Arc::new(packs);
    let id = Oid::hash_object(ObjectType::Blob, b"right").unwrap();
    let mut wrong = NewPack::begin(&packs, 1).unwrap();
    let mut deflater = Deflater::new();
    let data = deflater.deflate(ObjectType::Blob, &[], b"wrong").unwrap();
    wrong.put(id, &[&header(crate::objects::pack::BLOB, 5), data]).unwrap();
    let wrong = wrong.finish().unwrap();
    let name = wrong.name();
    wrong.publish().unwrap();
    let wrong = growing.packs().join(format!("{name}.pack"));
    (1..=2 * MANY).for_each(|seed| growing.change(&[seed % 30], seed));
    assert!(wrong.exists());
    assert!(growing.names("pack").len() <= MANY + 2);
}

#[test]
fn a_pack_that_claims_a_huge_object_is_not_folded() {
    let mut growing = Growing::new(30);
    let packs = Directory::find_below(growing.directory.path(), &growing.packs())
        .unwrap()
        .unwrap();
    let packs = Arc::new(packs);
    let mut huge = NewPack::begin(&packs, 1).unwrap();
    let id = Oid::hash_object(ObjectType::Blob, b"small").unwrap();
    let mut deflater = Deflater::new();
    let data = deflater.deflate(ObjectType::Blob, &[], b"small").unwrap();
    huge.put(id, &[&header(crate::objects::pack::BLOB, usize::MAX >> 1), data])
        .unwrap();
    let huge = huge.finish().unwrap();
    assert!(!huge.is_sound().unwrap());
    let name = huge.name();
    huge.publish().unwrap();
    (1..=2 * MANY).for_each(|seed| growing.change(&[seed % 30], seed));
    assert!(growing.packs().join(format!("{name}.pack")).exists());
}

#[test]
fn what_is_left_of_packs_goes_after_a_while() {
    let growing = Growing::new(3);
    let names = [format!("{RETIRED}pack-1.pack"), "tmp_pack_anabranch-1-1".to_owned()];
    for name in &names {
        fs::write(growing.packs().join(name), "").unwrap();
    }
    let packs = Directory::find_below(growing.directory.path(), &growing.packs())
        .unwrap()
        .unwrap();
    fold(&Arc::new(packs), false).unwrap();
    assert!(names.iter().all(|name| growing.packs().join(name).exists()));
    growing.git(&["prune", "--expire=now"]);
    assert!(
        !names.iter().any(|name| growing.packs().join(name).exists()),
        "git takes them for remains"
    );
    for (name, minutes, expected) in [
        (names[0].as_str(), 9, false),
        (&names[0], 11, true),
        (&names[1], 23 * 60, false),
        (&names[1], 25 * 60, true),
        ("tmp_idx_anabranch-1-1", 25 * 60, true),
        ("tmp_pack_XyZ", 25 * 60, false),
        ("pack-1.pack", 25 * 60, false),
    ] {
        let age = Duration::from_secs(minutes * 60);
        assert_eq!(
            are_remains(name.as_ref(), age),
            expected,
            "{name} after {minutes} minutes"
        );
    }
}

#[test]
fn many_versions_of_a_tree_make_no_long_chain() {
    let mut growing = Growing::new(2000);
    let index = growing.packs().join("multi-pack-index");
    fs::write(&index, "").unwrap();
    (1..120).for_each(|seed| growing.change(&[seed * 2], seed));
    assert_eq!(growing.names("pack").len(), 120);
    fs::remove_file(index).unwrap();
    growing.change(&[700], 0);
    let left = growing.names("pack").len();
    assert!(left <= 3, "{left}: the first, all others, and the newest");
    growing.check();
}

/// What a difference is made from is in an older and larger pack too, which is written first if nothing is said of it.
#[test]
fn what_differences_by_distance_are_made_from_stays_with_them() {
    let mut growing = Growing::new(300);
    let tip = growing.tip.unwrap().to_string();
    let tree = growing.git(&["ls-tree", &format!("{tip}:03")]);
    let (_, shorter) = tree.split_once('\n').unwrap();
    let list = growing.directory.path().join("list");
    fs::write(&list, shorter).unwrap();
    let stdin = |path: &Path| std::process::Stdio::from(fs::File::open(path).unwrap());
    let run = |args: &[&str]| {
        let mut git = Command::new("git");
        let output = git
            .arg("-C")
            .arg(growing.directory.path())
            .args(args)
            .stdin(stdin(&list));
        let output = output.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let new = run(&["mktree"]);
    let old = run(&["rev-parse", &format!("{tip}:03")]);
    fs::write(&list, format!("{old}\n{new}\n")).unwrap();
    let packs = growing.packs().join("pack");
    run(&["pack-objects", "--delta-base-offset", "-q", packs.to_str().unwrap()]);
    run(&["prune-packed"]);
    let told = growing.names("rev").first().unwrap().with_extension("idx");
    let told = run(&["verify-pack", "-v", told.to_str().unwrap()]);
    assert!(
        told.contains(&format!("1 {old}")),
        "the new tree is made from the old one: {told}"
    );
    (1..=2 * MANY).for_each(|seed| growing.change(&[seed], seed));
    assert_eq!(growing.names("rev").len(), 0, "it was folded");
    growing.check();
    let new = Oid::from_str(&new).unwrap();
    assert!(growing.all.contains(&new) && growing.repo.odb().unwrap().read(new).is_ok());
}

#[test]
fn two_who_fold_at_once_lose_nothing() {
    let mut growing = Growing::new(300);
    (1..MANY).for_each(|seed| growing.change(&[seed * 11], seed));
    for round in 0..10 {
        let packs = growing.packs();
        // A copy of a pack is one more, of the same objects.
        for pack in growing.names("pack") {
            for end in ["pack", "idx"] {
                let copy = packs.join(format!(
                    "pack-{round}{}.{end}",
                    pack.file_stem().unwrap().to_str().unwrap()
                ));
                fs::copy(pack.with_extension(end), copy).unwrap();
            }
        }
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let packs = Directory::find_below(growing.directory.path(), &packs)
                        .unwrap()
                        .unwrap();
                    fold(&Arc::new(packs), false).unwrap();
                });
            }
        });
        growing.check();
        growing.change(&[round], 5000 + round);
    }
}

proptest! {
    #[test]
    fn each_object_is_written_again_a_few_times(sizes in prop::collection::vec(1u64..2000, 500..1500)) {
        let (mut small, mut written, mut total): (Vec<Small>, u64, u64) = (Vec::new(), 0, 0);
        for (at, size) in sizes.into_iter().enumerate() {
            total += size;
            small.push(Small { name: at.to_string(), size, written: (at as i64, 0) });
            if let Some(folded) = alike(small.clone().into_iter(), MANY).find_map(|alike| choose(alike, |_| true)) {
                let of_sizes = folded.iter().map(|pack| pack.size);
                let (least, most) = (of_sizes.clone().min().unwrap(), of_sizes.clone().max().unwrap());
                prop_assert!(folded.len() > MANY && most < least.max(SMALLEST / 15) * 16);
                let size = of_sizes.sum();
                written += size;
                small.retain(|pack| !folded.contains(pack));
                small.push(Small { size, ..folded.last().unwrap().clone() });
            }
            // At most twelve of each size.
            prop_assert!(small.len() <= 4 * MANY);
        }
        prop_assert!(written <= total * 5, "{written} of {total}");
    }
}
