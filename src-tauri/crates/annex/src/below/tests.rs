//! A link stands at each place below a git directory that this crate writes, makes, empties or removes.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use model::{Key, RepoPath, Uuid};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::exchange::content::{CopyOutcome, Terms, Wanted, transfer};
use crate::index::Staged;
use crate::logs::{Presence, VectorClock};
use crate::objects::{self, Bulk, Made};
use crate::oid::{from_git, to_git};
use crate::ref_lock::{RefLock, force_ref};
use crate::scratch_repository::Scratch;
use crate::store::tests::{configure, content, key_of, put};
use crate::{Annex, CheckoutOptions, Directory, Result, init};

/// Our repository, and another one that it sends to.
struct World {
    here: Scratch,
    there: Annex,
    outside: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Here,
    There,
}
use Side::{Here, There};

/// What somebody finds who looks for the link afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It is refused by name.
    Refused,
    /// It was replaced, as a file there would have been, and all else went well.
    Replaced,
}
use Told::{Refused, Replaced};

const LARGE_OBJECT: &[u8] = b"a large object";
const OTHER: &str = "22222222-2222-4222-8222-222222222222";

/// What is in git of `content(n)`'s key.
fn small() -> Vec<Vec<u8>> {
    (1..4).map(|seed| content(300, seed)).collect()
}

fn large() -> Vec<u8> {
    content(3 << 20, 9)
}

/// Where the object of a key is, below the git directory: its hash directories, its directory, the object.
fn object_of(annex: &Annex, key: &Key) -> PathBuf {
    let path = annex.store().object_path(key);
    path.strip_prefix(annex.git_dir()).unwrap().to_owned()
}

impl World {
    fn new() -> Self {
        let here = Scratch::new();
        here.write("a", "one");
        here.sync();
        for content in small().iter().chain([&large()]) {
            put(&here.annex, content);
        }
        let bare = git2::Repository::init_bare(here.folder.path().join("there")).unwrap();
        let there = configure(&bare, &[("annex.uuid", OTHER), ("core.logAllRefUpdates", "true")]);
        put(&there, b"there before");
        let outside = here.folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        Self { here, there, outside }
    }

    fn git_dir(&self, side: Side) -> &Path {
        match side {
            Here => self.here.annex.git_dir(),
            There => self.there.git_dir(),
        }
    }

    /// Moves what is at a path out, and puts a link to it there; what is not there is made outside.
    fn plant(&self, side: Side, path: &Path, is_directory: bool) {
        let at = self.git_dir(side).join(path);
        let target = self.outside.join("precious");
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        if at.symlink_metadata().is_ok() {
            fs::rename(&at, &target).unwrap();
        } else if is_directory {
            fs::create_dir(&target).unwrap();
        } else {
            fs::write(&target, "precious").unwrap();
        }
        if is_directory {
            fs::create_dir_all(target.join("deep")).unwrap();
            fs::write(target.join("deep/er"), "precious").unwrap();
            fs::write(target.join("letter"), "precious").unwrap();
        }
        symlink(&target, &at).unwrap();
    }

    fn send(&self, contents: &[Vec<u8>]) -> std::result::Result<(), String> {
        let wanted: Vec<_> = contents
            .iter()
            .map(|content| Wanted {
                key: key_of(content),
                path: None,
            })
            .collect();
        let terms = Terms {
            reserve: 0,
            verify: true,
            secure_hashes_only: false,
        };
        let outcomes = transfer(
            &self.here.annex,
            &self.there,
            &wanted,
            terms,
            &|_, _| {},
            &AtomicBool::new(false),
        );
        for (_, outcome) in outcomes {
            match outcome {
                CopyOutcome::Stored => {}
                CopyOutcome::Failed(error) => return Err(error.to_string()),
                CopyOutcome::AlreadyPresent
                | CopyOutcome::Busy
                | CopyOutcome::SourceMissing
                | CopyOutcome::Corrupt
                | CopyOutcome::DiskFull { .. }
                | CopyOutcome::Cancelled => return Err(format!("{outcome:?}")),
            }
        }
        Ok(())
    }

    fn objects(&self, side: Side) -> Result<()> {
        let git = git2::Repository::open(self.git_dir(side)).unwrap();
        let mut bulk = Bulk::begin(&git)?;
        bulk.blob(b"an object")?;
        bulk.finish().map(drop)
    }

    /// A blob that is written in parts is a file of its own.
    fn large_object(&self, side: Side) -> Result<()> {
        let git = git2::Repository::open(self.git_dir(side)).unwrap();
        let objects = std::sync::Arc::new(objects::directory(&git)?);
        let mut source = LARGE_OBJECT;
        let made = Made::of(&objects, &mut source, LARGE_OBJECT.len() as u64)?;
        made.unwrap().keep().map(drop)
    }

    fn set(&self, side: Side, name: &str) -> Result<()> {
        let git = git2::Repository::open(self.git_dir(side)).unwrap();
        let from = git2::Repository::open(self.git_dir(Here)).unwrap();
        let head = from.head().unwrap().target().unwrap();
        force_ref(&git, name, head, "test")
    }

    fn record(&self, uuid: &str) -> Result<()> {
        let uuid = Uuid::parse(uuid).unwrap();
        let presence = [(key_of(b"x"), uuid, Presence::Present)];
        let recorded = self.here.annex.branch().record_presence(&presence, VectorClock::now());
        recorded.map(drop)
    }
}

/// All that is below a directory: permissions, time of the last change, content.
fn all_below(path: &Path, found: &mut BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>) {
    let data = path.symlink_metadata().unwrap();
    let content = if data.is_file() {
        fs::read(path).unwrap()
    } else {
        Vec::new()
    };
    let facts = (data.mode(), data.mtime(), data.mtime_nsec(), content);
    found.insert(path.to_owned(), facts);
    if data.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            all_below(&entry.unwrap().path(), found);
        }
    }
}

type Act = fn(&World) -> std::result::Result<(), String>;

fn words<T>(outcome: Result<T>) -> std::result::Result<(), String> {
    outcome.map(drop).map_err(|error| error.to_string())
}

const SEND: Act = |world| world.send(&small());
const SEND_LARGE: Act = |world| world.send(&[large()]);
const ADD: Act = |world| {
    let scratch = &world.here;
    scratch.write("b", "two");
    let intake = scratch.ingest(scratch.look()).map_err(|error| error.to_string())?;
    match intake.postponed.first() {
        Some((_, postponed)) => Err(format!("{postponed:?}")),
        None => Ok(()),
    }
};
const SET_BAD: Act = |world| match world.here.annex.store().set_bad(&key_of(&small()[0])) {
    Ok(true) => Ok(()),
    Ok(false) => Err("not set aside".to_owned()),
    Err(error) => Err(error.to_string()),
};
const LINK: Act = |world| {
    let path = RepoPath::parse(b"a file").unwrap();
    let store = world.here.annex.store();
    words(store.content_for_work_tree(&key_of(&small()[0]), &path, true, false))
};
const LOCK: Act = |world| words(world.here.annex.store().lock_content_shared(&key_of(&small()[0])));
const LOCK_RETAINED: Act = |world| words(world.here.annex.store().lock_content_retained(&key_of(&small()[0])));
const REMOVE: Act = |world| words(world.here.annex.remove_content(&key_of(&small()[0]), &|| true));
const RECEIVE: Act = |world| {
    let (bytes, from) = (content(300, 77), Uuid::parse("client").unwrap());
    let store = world.there.store();
    let receipt = store.receive(&key_of(&bytes), &from, None, 0);
    let finish = |receipt: Option<crate::Receipt<'_>>| {
        let mut receipt = receipt.unwrap();
        receipt.write(&bytes)?;
        receipt.finish(true)
    };
    words(receipt.and_then(finish).map(|is_stored| assert!(is_stored)))
};
const RECORD: Act = |world| words(world.record(OTHER));
const RECORD_PRIVATELY: Act = |world| {
    let git = world.here.annex.git().unwrap();
    let mut config = git.config().unwrap();
    config.set_str("remote.x.annex-uuid", OTHER).unwrap();
    config.set_bool("remote.x.annex-private", true).unwrap();
    words(world.record(OTHER))
};
const LOCK_ENGINE: Act = |world| match world.here.annex.lock_engine("/run/socket") {
    Ok(Some(_lock)) => Ok(()),
    Ok(None) => Err("it is in use".to_owned()),
    Err(error) => Err(error.to_string()),
};
const STAGE: Act =
    |world| words(Staged::open(&world.here.annex, &world.here.annex.git().unwrap()).and_then(Staged::commit));
const REBUILD: Act = |world| {
    fs::write(world.git_dir(Here).join("index"), "no index").unwrap();
    STAGE(world)
};
const BEGIN: Act = |world| {
    // Another filter that git is to be shown.
    world.here.write(".gitattributes", "*.secret filter=crypt\n");
    world.here.git(&["add", ".gitattributes"]);
    words(init::set_filter(&world.here.annex, Path::new("anabranch")))
};
const HOOKS: Act = |world| words(init::add_hooks(world.git_dir(Here), false));
const CHECK_OUT: Act = |world| {
    let git = world.here.annex.git().unwrap();
    let tip = git.head().unwrap().peel_to_commit().unwrap();
    let mut tree = git.treebuilder(None).unwrap();
    tree.insert("a", git.blob(b"another").unwrap(), 0o100_644).unwrap();
    let tree = git.find_tree(tree.write().unwrap()).unwrap();
    let who = git2::Signature::now("a", "a@b").unwrap();
    let to = git.commit(None, &who, &who, "new", &tree, &[&tip]).unwrap();
    let head = world.here.annex.head().unwrap();
    let done = world
        .here
        .annex
        .check_out(&head, from_git(to), &CheckoutOptions::default());
    words(done.map(|done| assert_eq!(done.changed, 1)))
};
const RESOLVE: Act = |world| words(world.here.annex.resolve_retired(SystemTime::now()));
/// The first of these two is a note, and both are as a checkout leaves them.
const RETIRED: [(&str, &str); 2] = [
    ("anabranch/retired/5.path", "7 1 1\na"),
    ("anabranch/retired/5", "written to since"),
];
const SETTLE_ONE: Act = |world| {
    for (name, text) in RETIRED {
        let path = world.git_dir(Here).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if path.symlink_metadata().is_err() {
            fs::write(path, text).unwrap();
        }
    }
    RESOLVE(world)
};
/// Merges a branch that has forgotten its history, and one that has not.
const FORGET: Act = |world| {
    let git = world.here.annex.git().unwrap();
    let who = git2::Signature::now("a", "a@b").unwrap();
    for (name, file, text) in [
        (
            "refs/remotes/one/git-annex",
            "transitions.log",
            "ForgetGitHistory 50s\n",
        ),
        ("refs/remotes/two/git-annex", "other.log", "1\n"),
    ] {
        let mut tree = git.treebuilder(None).unwrap();
        tree.insert(file, git.blob(text.as_bytes()).unwrap(), 0o100_644)
            .unwrap();
        let tree = git.find_tree(tree.write().unwrap()).unwrap();
        git.commit(Some(name), &who, &who, "theirs", &tree, &[]).unwrap();
    }
    words(world.here.annex.branch().merge().map(|merged| assert!(merged.changed)))
};
const INIT: Act = |world| words(init::init(world.here.top(), None, 1));
const OBJECTS: Act = |world| words(world.objects(There));
const OBJECT: Act = |world| words(world.large_object(There));
const MOVE: Act = |world| words(world.set(There, "refs/heads/x/y"));
const MOVE_HERE: Act = |world| {
    let name = "refs/heads/main";
    let git = world.here.annex.git().unwrap();
    let tree = git.head().unwrap().peel_to_commit().unwrap();
    let who = git2::Signature::now("a", "a@b").unwrap();
    let new = git
        .commit(None, &who, &who, "new", &tree.tree().unwrap(), &[&tree])
        .unwrap();
    words(RefLock::take(&git, name).and_then(|lock| {
        assert_ne!(lock.target()?.map(to_git), Some(new));
        lock.set(from_git(new), "test")
    }))
};

#[test]
fn nothing_outside_is_touched_where_a_link_stands() {
    let key = key_of(&small()[0]);
    let sample = World::new();
    let (ours, theirs) = (object_of(&sample.here.annex, &key), object_of(&sample.there, &key));
    let up = |path: &Path, levels: usize| path.ancestors().nth(levels).unwrap().to_str().unwrap().to_owned();
    let blob = git2::Oid::hash_object(git2::ObjectType::Blob, LARGE_OBJECT)
        .unwrap()
        .to_string();
    let name = key.to_string();
    let receiving = format!("annex/transfer/download/{}", sample.here.annex.uuid());
    let sending = format!("annex/transfer/upload/{OTHER}");
    let turn = format!("anabranch/from-{}.lck", sample.here.annex.uuid());
    let large = key_of(&large());
    let lock_of_large = format!("annex/transfer/download/lck/lck.{large}");

    let report = format!("{receiving}/{large}");
    let lock_of_report = format!("{receiving}/lck.{large}");
    let of_x = crate::hash_directory::lower(&key_of(b"x"));
    let journal = format!("annex/journal/{}_{}.log", of_x.replace('/', "_"), key_of(b"x"));

    let directories: Vec<(Side, String, Act)> = vec![
        (There, "annex".into(), SEND),
        (There, "annex/othertmp".into(), SEND),
        (Here, "annex/othertmp".into(), ADD),
        (There, "annex/tmp".into(), SEND_LARGE),
        (There, "annex/objects".into(), SEND),
        (There, up(&theirs, 3), SEND),
        (There, up(&theirs, 2), SEND),
        (There, up(&theirs, 1), SEND),
        (Here, "annex/objects".into(), SET_BAD),
        (Here, up(&ours, 3), SET_BAD),
        (Here, up(&ours, 2), SET_BAD),
        (Here, up(&ours, 1), SET_BAD),
        (Here, up(&ours, 1), LOCK),
        (Here, up(&ours, 1), LOCK_RETAINED),
        (Here, up(&ours, 3), REMOVE),
        (Here, up(&ours, 1), REMOVE),
        (There, "annex/tmp".into(), RECEIVE),
        (There, "annex/objects".into(), RECEIVE),
        (Here, "annex/objects".into(), LINK),
        (Here, up(&ours, 2), LINK),
        (Here, up(&ours, 1), LINK),
        (Here, "annex/bad".into(), SET_BAD),
        (There, "annex/transfer".into(), SEND),
        (There, "annex/transfer/download".into(), SEND),
        (There, "annex/transfer/download/lck".into(), SEND),
        (There, receiving, SEND_LARGE),
        (Here, "annex/journal".into(), RECORD),
        (Here, "annex/journal-private".into(), RECORD_PRIVATELY),
        (There, "anabranch".into(), SEND),
        (Here, "anabranch".into(), LOCK_ENGINE),
        (There, "objects".into(), OBJECTS),
        (There, format!("objects/{}", &blob[..2]), OBJECT),
        (There, "objects/pack".into(), OBJECTS),
        (There, "refs".into(), MOVE),
        (There, "refs/heads".into(), MOVE),
        (There, "refs/heads/x".into(), MOVE),
        (There, "logs".into(), MOVE),
        (There, "logs/refs/heads/x".into(), MOVE),
        (Here, "annex".into(), INIT),
        (Here, "anabranch".into(), CHECK_OUT),
        (Here, "annex/othertmp".into(), CHECK_OUT),
        (Here, "anabranch/retired".into(), RESOLVE),
        (Here, "hooks".into(), HOOKS),
        (Here, "info".into(), INIT),
        (Here, "info".into(), BEGIN),
    ];
    let files: Vec<(Side, String, Act, Told)> = vec![
        (There, "annex/othertmp.lck".into(), SEND, Refused),
        (There, format!("annex/tmp/{large}"), SEND_LARGE, Replaced),
        (There, lock_of_large, SEND_LARGE, Refused),
        (There, turn, SEND, Refused),
        (Here, format!("{}.lck", up(&ours, 0)), SET_BAD, Refused),
        (Here, format!("{}.lck", up(&ours, 0)), REMOVE, Refused),
        (Here, format!("{}.rtl", up(&ours, 0)), LOCK_RETAINED, Refused),
        (Here, format!("{}.rtm", up(&ours, 0)), LOCK_RETAINED, Refused),
        (
            There,
            format!("annex/tmp/{}", key_of(&content(300, 77))),
            RECEIVE,
            Replaced,
        ),
        (Here, up(&ours, 0), LINK, Refused),
        (Here, format!("annex/bad/{name}"), SET_BAD, Replaced),
        (Here, "annex/journal.lck".into(), RECORD, Refused),
        (Here, "anabranch/engine".into(), LOCK_ENGINE, Refused),
        (Here, "anabranch/engine.lock".into(), LOCK_ENGINE, Refused),
        (Here, "index".into(), STAGE, Refused),
        (Here, "index.lock".into(), STAGE, Refused),
        (Here, "index.anabranch".into(), STAGE, Replaced),
        (Here, "index.damaged".into(), REBUILD, Replaced),
        (There, "refs/heads/x/y".into(), MOVE, Refused),
        (There, "refs/heads/x/y.lock".into(), MOVE, Refused),
        (There, "refs/heads/x/y.new.lock".into(), MOVE, Replaced),
        (There, "logs/refs/heads/x/y".into(), MOVE, Refused),
        (Here, "logs/HEAD".into(), MOVE_HERE, Refused),
        (Here, "anabranch/checkout".into(), CHECK_OUT, Refused),
        (Here, "anabranch/checkout.lck".into(), CHECK_OUT, Refused),
        (Here, RETIRED[0].0.into(), SETTLE_ONE, Refused),
        (Here, RETIRED[1].0.into(), SETTLE_ONE, Refused),
        (Here, "annex/index".into(), FORGET, Replaced),
        (Here, "annex/index.lck".into(), FORGET, Replaced),
        (Here, "annex/ignoredrefs".into(), FORGET, Refused),
        (Here, "hooks/pre-commit".into(), HOOKS, Replaced),
        (There, report, SEND_LARGE, Replaced),
        (There, lock_of_report, SEND_LARGE, Refused),
        (Here, journal, RECORD, Replaced),
        (
            There,
            format!("objects/{}/{}", &blob[..2], &blob[2..]),
            OBJECT,
            Replaced,
        ),
        (Here, "annex/sentinal".into(), INIT, Refused),
        (Here, "annex/sentinal.cache".into(), INIT, Refused),
        (Here, "info/attributes".into(), INIT, Refused),
        (Here, "info/attributes".into(), BEGIN, Refused),
    ];
    let rows = directories
        .into_iter()
        .map(|(side, path, act)| (side, path, act, Refused, true))
        .chain(
            files
                .into_iter()
                .map(|(side, path, act, told)| (side, path, act, told, false)),
        );
    let mut wrong = Vec::new();
    for (side, path, act, told, is_directory) in rows {
        let world = World::new();
        world.plant(side, Path::new(&path), is_directory);
        let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
        all_below(&world.outside, &mut before);
        let outcome = act(&world);
        all_below(&world.outside, &mut after);
        if before != after {
            let changed: Vec<_> = before
                .keys()
                .chain(after.keys())
                .filter(|key| before.get(*key) != after.get(*key))
                .collect();
            wrong.push(format!("{path}: outside is touched: {changed:?} ({outcome:?})"));
        }
        let is_told = match (told, &outcome) {
            (Refused, Err(words)) => words.contains(&path) && words.contains("is a link"),
            (Replaced, outcome) => outcome.is_ok(),
            (Refused, Ok(())) => false,
        };
        if !is_told {
            wrong.push(format!("{path}: {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // A read-only source is read all the same: its transfer locks are a courtesy.
    let world = World::new();
    world.plant(Here, Path::new(&sending), true);
    assert_eq!(SEND_LARGE(&world), Ok(()));
    assert_eq!(fs::read_dir(world.outside.join("precious")).unwrap().count(), 2);
}

/// git-annex makes `.git` a link in submodules and linked work trees, and a drive may be mounted through one.
#[test]
fn links_that_lead_to_the_git_directory_are_followed() {
    let world = World::new();
    let top = world.here.top().to_owned();
    let moved = world.here.folder.path().join("moved");
    fs::rename(top.join(".git"), &moved).unwrap();
    symlink(&moved, top.join(".git")).unwrap();
    let through = world.here.folder.path().join("through");
    symlink(world.there.git_dir(), &through).unwrap();
    let there = Annex::open(&through).unwrap();
    assert_eq!(ADD(&world), Ok(()));
    assert_eq!(RECORD(&world), Ok(()));
    assert_eq!(LOCK_ENGINE(&world), Ok(()));
    let world = World { there, ..world };
    assert_eq!(SEND(&world), Ok(()));
    assert_eq!(OBJECTS(&world), Ok(()));
    assert_eq!(OBJECT(&world), Ok(()));
    assert_eq!(MOVE(&world), Ok(()));
}

/// Whatever is made in a repository that a group shares, the others of the group can read, and change where its owner can.
#[test]
fn in_a_shared_repository_all_is_made_for_those_who_share_it() {
    let world = World::new();
    let shared = world.here.folder.path().join("shared.git");
    world
        .here
        .git(&["init", "-q", "--bare", "--shared=group", shared.to_str().unwrap()]);
    let config = shared.join("config");
    world.here.git(&[
        "config",
        "-f",
        config.to_str().unwrap(),
        "core.logAllRefUpdates",
        "true",
    ]);
    let there = init::init(&shared, Some("shared"), 1).unwrap();
    let uuid = there.uuid().clone();
    let world = World { there, ..world };
    for act in [SEND, SEND_LARGE, RECEIVE, OBJECTS, OBJECT, MOVE] {
        assert_eq!(act(&world), Ok(()));
    }
    let there = &world.there;
    let bad = put(there, b"bad");
    assert!(there.store().set_bad(&bad).unwrap());
    let presence = [(bad, uuid, Presence::Missing)];
    there.branch().record_presence(&presence, VectorClock::now()).unwrap();
    let _lock = there.lock_engine("/run/socket").unwrap().unwrap();
    let mut found = BTreeMap::new();
    all_below(&shared, &mut found);
    assert!(found.len() > 60, "{}", found.len());
    for (path, (mode, ..)) in found {
        let wanted = match path.is_dir() {
            true => 0o070,
            false => (mode & 0o600) >> 3,
        };
        assert_eq!(mode & wanted, wanted, "{}: {mode:o}", path.display());
    }
}

/// A file of another name that a kill leaves would stay for good.
#[test]
fn a_new_file_never_has_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let top = Arc::new(Directory::top(folder.path()).unwrap());
    if top.nameless(0o644).unwrap().is_none() {
        return;
    }
    let events = inotify::init(CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&events, folder.path(), WatchFlags::CREATE | WatchFlags::MOVE).unwrap();
    top.replace("new", b"content", 0o644).unwrap();
    let mut buffer = [MaybeUninit::uninit(); 4_096];
    let mut reader = inotify::Reader::new(&events, &mut buffer);
    let mut names = Vec::new();
    while let Ok(event) = reader.next() {
        names.extend(event.file_name().map(CStr::to_owned));
    }
    assert_eq!(names, [c"new".to_owned()]);
    top.replace("new", b"other", 0o644).unwrap();
    assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"other");
}
