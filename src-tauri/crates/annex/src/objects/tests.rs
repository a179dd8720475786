use std::process::Command;

use git2::{Oid, Repository};
use sha1::Digest;

use super::{Bulk, TreeEntry};

fn signature() -> git2::Signature<'static> {
    git2::Signature::new("T", "t@e", &git2::Time::new(1_700_000_000, -90)).unwrap()
}

fn rewrite(bulk: &mut Bulk<'_>, base: Option<Oid>, changes: &[(&str, Option<&str>)]) -> Option<Oid> {
    let paths: Vec<Vec<u8>> = changes.iter().map(|(path, _)| path.as_bytes().to_vec()).collect();
    bulk.rewrite(base, &paths, &mut |bulk, at, _| {
        let text = changes[at].1;
        text.map(|text| Ok(TreeEntry::file(bulk.blob(text.as_bytes())?)))
            .transpose()
    })
    .unwrap()
}

/// The same tree, built by libgit2.
fn reference(repo: &Repository, files: &[(&str, &str)]) -> Oid {
    let mut index = git2::Index::new().unwrap();
    for (path, text) in files {
        let entry = git2::IndexEntry {
            ctime: git2::IndexTime::new(0, 0),
            mtime: git2::IndexTime::new(0, 0),
            dev: 0,
            ino: 0,
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            file_size: 0,
            id: repo.blob(text.as_bytes()).unwrap(),
            flags: 0,
            flags_extended: 0,
            path: path.as_bytes().to_vec(),
        };
        index.add(&entry).unwrap();
    }
    index.write_tree_to(repo).unwrap()
}

#[test]
fn rewriting_gives_the_tree_that_git_would_make() {
    let directory = tempfile::tempdir().unwrap();
    let repo = Repository::init_bare(directory.path()).unwrap();
    let mut bulk = Bulk::begin(&repo).unwrap();
    let base = rewrite(
        &mut bulk,
        None,
        &[
            ("a", Some("1")),
            ("a-b/x", Some("2")),
            ("a.c", Some("3")),
            ("d/e/f", Some("4")),
        ],
    );
    let files = [("a", "1"), ("a-b/x", "2"), ("a.c", "3"), ("d/e/f", "4")];
    assert_eq!(base, Some(reference(&repo, &files)));

    let swapped = rewrite(
        &mut bulk,
        base,
        &[("a", None), ("a/y", Some("5")), ("d", Some("6")), ("d/e/f", None)],
    );
    let files = [("a-b/x", "2"), ("a.c", "3"), ("a/y", "5"), ("d", "6")];
    assert_eq!(swapped, Some(reference(&repo, &files)));

    let gone = rewrite(&mut bulk, base, &[("d/e/f", None)]);
    assert_eq!(
        gone,
        Some(reference(&repo, &[("a", "1"), ("a-b/x", "2"), ("a.c", "3")]))
    );
    assert_eq!(
        rewrite(&mut bulk, base, &[("a", Some("1")), ("nothing/here", None)]),
        base
    );
    assert_eq!(
        rewrite(
            &mut bulk,
            base,
            &[("a", None), ("a-b/x", None), ("a.c", None), ("d/e/f", None)]
        ),
        None
    );
}

#[test]
fn git_accepts_what_is_written() {
    for count in [3, 2000] {
        let directory = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(directory.path()).unwrap();
        let mut bulk = Bulk::begin(&repo).unwrap();
        let mut names: Vec<String> = (0..count).map(|n| format!("{:03x}/file {n}", n % 301)).collect();
        names.sort();
        // Some short enough to be stored as they are, some just not, some long.
        let text = |(at, name): (usize, &String)| name.repeat([1, 256 / name.len(), 257 / name.len() + 1, 500][at % 4]);
        let texts: Vec<String> = names.iter().enumerate().map(text).collect();
        let changes: Vec<(&str, Option<&str>)> = names
            .iter()
            .zip(&texts)
            .map(|(name, text)| (name.as_str(), Some(text.as_str())))
            .collect();
        let tree = rewrite(&mut bulk, None, &changes).unwrap();
        let first = bulk.commit(tree, &[], &signature(), "first").unwrap();
        let second = bulk.commit(tree, &[first], &signature(), "second").unwrap();
        assert!(repo.find_commit(second).is_err(), "nothing is visible before the end");
        drop(bulk.finish().unwrap());
        let commit = repo.find_commit(second).unwrap();
        assert_eq!(commit.message(), Ok("second\n"));
        assert_eq!(commit.author().when().offset_minutes(), -90);
        repo.reference("refs/heads/x", second, false, "").unwrap();
        let packs = std::fs::read_dir(directory.path().join("objects/pack"))
            .unwrap()
            .count();
        assert_eq!(packs, 2);
        let check = Command::new("git")
            .args(["fsck", "--strict", "--full"])
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    }
}

/// Two repositories, the first with a burst of 300 files committed on `refs/heads/x`; all objects, and the pack's path.
fn with_a_pack(directory: &std::path::Path) -> (Repository, Repository, Vec<Oid>, std::path::PathBuf) {
    let here = Repository::init_bare(directory.join("here")).unwrap();
    let there = Repository::init_bare(directory.join("there")).unwrap();
    let mut bulk = Bulk::begin(&here).unwrap();
    let names: Vec<String> = (100..400).map(|number| number.to_string()).collect();
    let changes: Vec<(&str, Option<&str>)> = names.iter().map(|name| (name.as_str(), Some(name.as_str()))).collect();
    let tree = rewrite(&mut bulk, None, &changes).unwrap();
    let commit = bulk.commit(tree, &[], &signature(), "burst").unwrap();
    drop(bulk.finish().unwrap());
    let odb = here.odb().unwrap();
    let mut objects = Vec::new();
    odb.foreach(|id| {
        objects.push(*id);
        true
    })
    .unwrap();
    assert!(objects.contains(&commit));
    drop(odb);
    let packs = std::fs::read_dir(here.path().join("objects/pack")).unwrap();
    let mut packs = packs.map(|entry| entry.unwrap().path());
    let pack = packs
        .find(|path| path.extension().is_some_and(|end| end == "pack"))
        .unwrap();
    (here, there, objects, pack)
}

fn packs_of(repo: &Repository) -> Vec<std::ffi::OsString> {
    let packs = std::fs::read_dir(repo.path().join("objects/pack")).unwrap();
    packs.map(|entry| entry.unwrap().file_name()).collect()
}

/// It removes what no ref leads to.
#[test]
fn new_objects_survive_a_repack_until_a_ref_leads_to_them() {
    let directory = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| Repository::init_bare(directory.path().join(name)).unwrap());
    let repack = |repo: &Repository| {
        let git = Command::new("git")
            .arg("-C")
            .arg(repo.path())
            .args(["repack", "-a", "-d", "-q"])
            .status();
        assert!(git.is_ok_and(|status| status.success()));
        Repository::open(repo.path()).unwrap()
    };
    let mut bulk = Bulk::begin(&here).unwrap();
    let tree = rewrite(&mut bulk, None, &[("a", Some("1"))]).unwrap();
    let commit = bulk.commit(tree, &[], &signature(), "first").unwrap();
    let kept = bulk.finish().unwrap();
    repack(&here).find_commit(commit).unwrap();
    here.reference("refs/heads/x", commit, false, "").unwrap();
    drop(kept);
    assert!(
        !packs_of(&here)
            .iter()
            .any(|name| name.as_encoded_bytes().ends_with(b".keep"))
    );
    repack(&here).find_commit(commit).unwrap();

    let objects: Vec<Oid> = {
        let mut all = Vec::new();
        here.odb()
            .unwrap()
            .foreach(|id| {
                all.push(*id);
                true
            })
            .unwrap();
        all
    };
    for send in [super::send, super::copy] {
        let there = repack(&there);
        let kept = send(&here, &there, &objects).unwrap();
        repack(&there).find_commit(commit).unwrap();
        drop(kept);
        assert!(repack(&there).find_commit(commit).is_err());
    }
}

#[test]
fn a_pack_that_is_wanted_as_a_whole_is_sent_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (here, there, objects, pack) = with_a_pack(directory.path());
    drop(super::send(&here, &there, &objects).unwrap());
    let same = there.path().join("objects/pack").join(pack.file_name().unwrap());
    assert_eq!(std::fs::read(&same).unwrap(), std::fs::read(&pack).unwrap());
    let odb = there.odb().unwrap();
    assert!(objects.iter().all(|id| odb.read(*id).is_ok()));
}

#[test]
fn a_pack_with_more_than_is_wanted_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (here, there, mut objects, pack) = with_a_pack(directory.path());
    let left_out = objects.pop().unwrap();
    drop(super::send(&here, &there, &objects).unwrap());
    assert!(!packs_of(&there).contains(&pack.file_name().unwrap().to_owned()));
    let odb = there.odb().unwrap();
    assert!(objects.iter().all(|id| odb.read(*id).is_ok()));
    assert!(!odb.exists(left_out));
}

#[test]
fn nothing_is_made_where_a_drive_was() {
    let directory = tempfile::tempdir().unwrap();
    let (here, there, objects, _) = with_a_pack(directory.path());
    let place = there.path().to_owned();
    std::fs::rename(&place, directory.path().join("gone")).unwrap();
    std::fs::create_dir(&place).unwrap();
    super::send(&here, &there, &objects).unwrap_err();
    super::copy(&here, &there, &objects).unwrap_err();
    super::copy(&here, &there, &objects[..1]).unwrap_err();
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
}

#[test]
fn a_damaged_pack_is_not_sent() {
    let directory = tempfile::tempdir().unwrap();
    let (here, there, objects, pack) = with_a_pack(directory.path());
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&pack).unwrap();
    std::fs::write(&pack, bytes).unwrap();
    super::send(&here, &there, &objects).unwrap_err();
    assert!(packs_of(&there).is_empty(), "{:?}", packs_of(&there));
}

/// The most memory that this process has had at once since it was last asked to forget.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// A file that git keeps, larger than memory maybe: into the repository, to another, and out again.
#[test]
fn a_large_blob_passes_through_memory_in_parts() {
    const SIZE: u64 = 96 << 20;
    let directory = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| Repository::init_bare(directory.path().join(name)).unwrap());
    let objects = |repo: &Repository| repo.path().join("objects");
    let text = "a line of a long file\n".repeat(100_000).into_bytes();
    let path = directory.path().join("file");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    for _ in 0..SIZE / text.len() as u64 + 1 {
        std::io::Write::write_all(&mut file, &text).unwrap();
    }
    let file = file.into_inner().unwrap();
    file.set_len(SIZE).unwrap();

    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak();
    let mut source = std::fs::File::open(&path).unwrap();
    let made = super::Made::of(&kept(&here), &mut source, SIZE).unwrap().unwrap();
    let id = made.keep().unwrap();
    drop(super::copy(&here, &there, &[id]).unwrap());
    let mut hash = sha1::Sha1::new();
    hash.update(format!("blob {SIZE}\0"));
    super::each_part(&there.odb().unwrap(), &objects(&there), id, &mut |part| {
        hash.update(part);
        Ok(())
    })
    .unwrap()
    .unwrap();
    // git packs it in time.
    let packing = Command::new("git")
        .arg("-C")
        .arg(there.path())
        .args(["repack", "-a", "-d", "-q"])
        .status();
    assert!(packing.is_ok_and(|status| status.success()));
    let third = Repository::init_bare(directory.path().join("third")).unwrap();
    drop(super::copy(&there, &third, &[id]).unwrap());
    assert!(third.odb().unwrap().exists(id));
    let grown = peak().saturating_sub(before);
    assert_eq!(hash.finalize()[..], *id.as_bytes());
    assert!(grown < SIZE / 4, "{grown} bytes of memory for a file of {SIZE}");
    let git = |args: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(there.path())
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(git(&["hash-object", path.to_str().unwrap()]).trim(), id.to_string());
    git(&["fsck", "--strict", "--full"]);
    assert_eq!(git(&["cat-file", "-s", &id.to_string()]).trim(), SIZE.to_string());
}

fn kept(repo: &Repository) -> std::sync::Arc<crate::Directory> {
    std::sync::Arc::new(super::directory(repo).unwrap())
}

#[test]
fn a_large_blob_that_is_damaged_is_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| Repository::init_bare(directory.path().join(name)).unwrap());
    let objects = here.path().join("objects");
    let size = super::LARGE + 5;
    let made = |byte: u8| {
        let mut source = std::io::Read::take(std::io::repeat(byte), size);
        super::Made::of(&kept(&here), &mut source, size)
            .unwrap()
            .unwrap()
            .keep()
            .unwrap()
    };
    let name = |id: Oid| objects.join(&id.to_string()[..2]).join(&id.to_string()[2..]);
    let (id, other) = (made(b'a'), made(b'b'));
    std::fs::remove_file(name(id)).unwrap();
    std::fs::copy(name(other), name(id)).unwrap();
    assert!(super::copy(&here, &there, &[id]).is_err());
    let whole = std::fs::read(name(other)).unwrap();
    std::fs::remove_file(name(other)).unwrap();
    std::fs::write(name(other), &whole[..whole.len() / 2]).unwrap();
    assert!(super::copy(&here, &there, &[other]).is_err());
    assert!(there.odb().unwrap().read(id).is_err());
    // A file that is shorter or longer than was said was changed meanwhile.
    for (given, said) in [(size, size + 1), (size + 1, size)] {
        let mut source = std::io::Read::take(std::io::repeat(b'c'), given);
        assert!(super::Made::of(&kept(&here), &mut source, said).unwrap().is_err());
    }
}

#[test]
fn a_loose_object_that_is_cut_off_is_told_and_not_waited_for() {
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_path_buf();
    let repo = Repository::init_bare(&path).unwrap();
    let blob = repo.blob(&[7; 100]).unwrap();
    let mut tree = repo.treebuilder(None).unwrap();
    for at in 0..200 {
        tree.insert(format!("{at}"), blob, 0o100_644).unwrap();
    }
    let tree = tree.write().unwrap();
    let found = repo.find_tree(tree).unwrap();
    let message = "m".repeat(500);
    let commit = repo
        .commit(None, &signature(), &signature(), &message, &found, &[])
        .unwrap();
    let whole: Vec<(Oid, std::path::PathBuf, Vec<u8>)> = [commit, tree, blob]
        .into_iter()
        .map(|id| (id, super::large::name_of(&path.join("objects"), id)))
        .map(|(id, name)| (id, name.clone(), std::fs::read(name).unwrap()))
        .collect();
    let other = directory.path().join("other");
    Repository::init_bare(&other).unwrap();
    std::fs::write(other.join("objects/info/alternates"), "../../objects\n").unwrap();
    // In a thread: where this fails, it has no end.
    let (tell, told) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        let read_in = |path: &std::path::Path| {
            let git = super::open(path).unwrap();
            let commit = git.find_commit(commit).and_then(|commit| commit.tree());
            let blob = git.find_blob(blob);
            commit.and(blob).map(|blob| blob.content().to_vec())
        };
        let read = || {
            // By way of an alternate it is the same.
            let (direct, lent) = (read_in(&path), read_in(&other));
            assert_eq!(
                direct.as_ref().map_err(git2::Error::code),
                lent.as_ref().map_err(git2::Error::code)
            );
            direct
        };
        assert_eq!(read().unwrap(), [7; 100]);
        for (_, name, bytes) in &whole {
            for kept in 0..bytes.len() {
                std::fs::remove_file(name).unwrap();
                std::fs::write(name, &bytes[..kept]).unwrap();
                let error = read().unwrap_err();
                assert!(error.message().contains("is cut off or damaged"), "{kept}: {error}");
            }
            std::fs::remove_file(name).unwrap();
            rustix::fs::mknodat(
                rustix::fs::CWD,
                name,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
                0,
            )
            .unwrap();
            assert!(read().is_err());
            std::fs::remove_file(name).unwrap();
            symlink("nowhere", name).unwrap();
            assert_eq!(read().unwrap_err().code(), git2::ErrorCode::NotFound);
            std::fs::remove_file(name).unwrap();
            std::fs::write(name, bytes).unwrap();
            assert_eq!(read().unwrap(), [7; 100]);
        }
        tell.send(()).unwrap();
    });
    let patience = std::time::Duration::from_secs(60);
    if told.recv_timeout(patience) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        panic!("the reading has no end");
    }
    reading.join().unwrap();
}

/// With a limit, threads that read from different repositories crash within seconds (libgit2 1.9.7).
#[test]
fn open_packs_are_not_limited() {
    let place = tempfile::tempdir().unwrap();
    Repository::init(place.path()).unwrap();
    super::open(place.path()).unwrap();
    let mut limit = usize::MAX;
    // SAFETY: this option takes a pointer to a size_t.
    #[allow(unsafe_code)]
    unsafe {
        let option = libgit2_sys::GIT_OPT_GET_MWINDOW_FILE_LIMIT as std::ffi::c_int;
        libgit2_sys::git_libgit2_opts(option, &raw mut limit);
    }
    assert_eq!(limit, 0);
}
