//! Whole flows through the system's git: repositories made here, and the content filter at work in them.

#![allow(clippy::unwrap_used, reason = "a test fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use annex::settings::{Address, Settings, SshAddress, remotes};
use annex::{Annex, filter_process, init, pointer};

/// A place for repositories, and the git to use there: without the machine's configuration, hooks and git-annex.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn try_git(&self, at: &Path, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("git")
            .args(["-c", "core.hooksPath=/dev/null", "-c", "protocol.file.allow=always"])
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
            .args(arguments)
            .current_dir(at)
            .env("HOME", self.0.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn git(&self, at: &Path, arguments: &[&str]) -> String {
        let (success, text) = self.try_git(at, arguments);
        assert!(success, "git {arguments:?}: {text}");
        text
    }

    /// Makes a repository whose filter is this very program: see `serves_git`.
    fn repository(&self, name: &str) -> (PathBuf, Annex) {
        let path = self.path(name);
        let annex = init::init(&path, Some(name), NOW).unwrap();
        self.set_filter(&path);
        (path, annex)
    }

    fn set_filter(&self, path: &Path) {
        let program = std::env::current_exe().unwrap();
        // The test harness talks on the standard output; the filter has descriptor 3 for itself.
        let command = format!(
            "'{}' --exact serves_git --ignored --nocapture 3>&1 >/dev/null",
            program.display()
        );
        self.git(path, &["config", "filter.annex.process", &command]);
    }
}

/// Not a test: what git starts as its filter.
#[test]
#[ignore = "git runs this as its filter"]
fn serves_git() {
    let annex = Annex::open_for_filter(Path::new(".")).unwrap();
    let output = fs::OpenOptions::new().write(true).open("/dev/fd/3").unwrap();
    filter_process::run(&annex, std::io::stdin().lock(), output).unwrap();
}

const NOW: u64 = 1_700_000_000;

/// A file of the git-annex branch.
fn noted(place: &Place, at: &Path, name: &str) -> String {
    place.git(at, &["cat-file", "blob", &format!("git-annex:{name}")])
}

fn staged(place: &Place, at: &Path, name: &str) -> String {
    place.git(at, &["cat-file", "blob", &format!(":{name}")])
}

#[test]
fn a_new_repository_is_whole() {
    let place = Place::new();
    let (path, annex) = place.repository("a");
    assert_eq!(place.git(&path, &["status", "--porcelain"]), "");
    place.git(&path, &["fsck", "--strict"]);
    assert_eq!(place.git(&path, &["config", "annex.version"]), "10\n");
    assert_eq!(place.git(&path, &["config", "annex.addunlocked"]), "true\n");
    assert_eq!(
        place.git(&path, &["log", "--format=%s", "git-annex"]),
        "branch created\n"
    );
    let first = noted(&place, &path, "uuid.log");
    assert_eq!(first, format!("{} a timestamp=1700000000s\n", annex.uuid()));
    let attributes = path.join(".git/info/attributes");
    assert_eq!(fs::read_to_string(&attributes).unwrap(), "\n* filter=annex\n");

    let again = init::init(&path, None, NOW).unwrap();
    assert_eq!(again.uuid(), annex.uuid());
    assert_eq!(fs::read_to_string(&attributes).unwrap(), "\n* filter=annex\n");
    assert_eq!(noted(&place, &path, "uuid.log"), first);
    init::init(&path, Some("two\nlines"), NOW).unwrap();
    assert_eq!(
        noted(&place, &path, "uuid.log"),
        format!("{} two\\nlines timestamp=1700000001s\n", annex.uuid())
    );
}

/// The line that makes git run it hides all other filters until they are shown below it.
#[test]
fn a_new_rule_for_another_filter_holds_at_once() {
    let place = Place::new();
    let (path, _) = place.repository("a");
    place.git(&path, &["config", "annex.largefiles", "anything"]);
    place.git(&path, &["config", "filter.crypt.clean", "tr a-zA-Z n-za-mN-ZA-M"]);
    fs::write(path.join(".gitattributes"), "*.yml filter=crypt\n").unwrap();
    fs::write(path.join("secrets.yml"), "password").unwrap();
    place.git(&path, &["add", "."]);
    assert_eq!(staged(&place, &path, "secrets.yml"), "cnffjbeq");
    let seen = place.git(&path, &["check-attr", "filter", "secrets.yml", "other"]);
    assert_eq!(seen, "secrets.yml: filter: crypt\nother: filter: annex\n");
}

#[test]
fn git_adds_and_checks_out_through_the_filter() {
    let place = Place::new();
    let (path, annex) = place.repository("a");
    fs::write(path.join("small.txt"), "small").unwrap();
    place.git(&path, &["add", "."]);
    assert_eq!(
        staged(&place, &path, "small.txt"),
        "small",
        "without annex.largefiles git add does not annex"
    );

    place.git(
        &path,
        &["config", "annex.largefiles", "largerthan=1kb and not include=*.c"],
    );
    let big = "big\n".repeat(1_000_000);
    fs::write(path.join("big.dat"), &big).unwrap();
    fs::write(path.join("source.c"), &big).unwrap();
    fs::write(path.join(".hidden"), &big).unwrap();
    place.git(&path, &["add", "."]);
    let first = staged(&place, &path, "big.dat");
    let key = pointer::key_of_pointer(first.as_bytes()).unwrap();
    assert_eq!(
        (key.backend().to_string(), key.size()),
        ("SHA256E".to_owned(), Some(4_000_000))
    );
    assert!(key.to_string().ends_with(".dat"));
    assert_eq!(staged(&place, &path, "source.c"), big);
    assert_eq!(staged(&place, &path, ".hidden"), big);
    place.git(&path, &["commit", "-qm", "one"]);
    assert_eq!(place.git(&path, &["status", "--porcelain"]), "");

    let object = path.join(".git/annex/objects").join(annex::hash_directory::mixed(&key));
    let object = object.join(key.to_string()).join(key.to_string());
    assert_eq!(fs::read_to_string(&object).unwrap(), big);
    assert_eq!(fs::metadata(&object).unwrap().permissions().mode() & 0o777, 0o444);
    assert_eq!(
        fs::metadata(object.parent().unwrap()).unwrap().permissions().mode() & 0o777,
        0o555
    );
    let log = noted(
        &place,
        &path,
        &format!("{}/{key}.log", annex::hash_directory::lower(&key)),
    );
    assert!(log.ends_with(&format!(" 1 {}\n", annex.uuid())), "{log}");
    assert_eq!(fs::read_dir(annex.annex_file("othertmp")).unwrap().count(), 0);

    // Changed, it stays annexed though nothing is set; and the old content comes back by a checkout.
    place.git(&path, &["config", "--unset", "annex.largefiles"]);
    fs::write(path.join("big.dat"), "changed").unwrap();
    place.git(&path, &["commit", "-qam", "two"]);
    let second = staged(&place, &path, "big.dat");
    assert_ne!(first, second);
    assert!(pointer::key_of_pointer(second.as_bytes()).is_some());
    place.git(&path, &["checkout", "-q", "HEAD~1", "--", "big.dat"]);
    assert_eq!(fs::read_to_string(path.join("big.dat")).unwrap(), big);
    assert_eq!(place.git(&path, &["diff", "--name-only"]), "");

    // Renamed without git's knowledge, it is still annexed.
    fs::rename(path.join("big.dat"), path.join("moved.dat")).unwrap();
    place.git(&path, &["add", "-A"]);
    assert_eq!(staged(&place, &path, "moved.dat"), first);

    // Without content a checkout leaves the pointer, and adding that changes nothing.
    fs::set_permissions(object.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(&object).unwrap();
    fs::remove_file(path.join("moved.dat")).unwrap();
    place.git(&path, &["checkout", "-q", "--", "moved.dat"]);
    assert_eq!(fs::read_to_string(path.join("moved.dat")).unwrap(), first);
    place.git(&path, &["add", "moved.dat"]);
    assert_eq!(staged(&place, &path, "moved.dat"), first);
}

#[test]
fn an_unchanged_file_keeps_its_key_and_a_changed_one_its_backend() {
    let place = Place::new();
    let (path, _annex) = place.repository("a");
    place.git(&path, &["config", "annex.backend", "SHA1"]);
    place.git(&path, &["config", "annex.largefiles", "anything"]);
    fs::write(path.join("a.txt"), "one").unwrap();
    place.git(&path, &["add", "."]);
    let first = staged(&place, &path, "a.txt");
    assert!(first.starts_with("/annex/objects/SHA1-s3--"), "{first}");
    place.git(&path, &["config", "--unset", "annex.backend"]);
    fs::remove_file(path.join("a.txt")).unwrap();
    fs::write(path.join("a.txt"), "one").unwrap();
    place.git(&path, &["add", "."]);
    assert_eq!(staged(&place, &path, "a.txt"), first);
    fs::write(path.join("a.txt"), "two").unwrap();
    place.git(&path, &["add", "."]);
    let second = staged(&place, &path, "a.txt");
    assert!(second.starts_with("/annex/objects/SHA1-s3--"));

    // A setting does not convert what is not touched, but it holds for what is.
    place.git(&path, &["config", "annex.largefiles", "nothing"]);
    fs::remove_file(path.join("a.txt")).unwrap();
    fs::write(path.join("a.txt"), "two").unwrap();
    place.git(&path, &["add", "."]);
    assert_eq!(staged(&place, &path, "a.txt"), second);
    fs::write(path.join("a.txt"), "three").unwrap();
    place.git(&path, &["add", "."]);
    assert_eq!(staged(&place, &path, "a.txt"), "three");
    // A new file has a place by the setting, even if the annex has its content.
    place.git(&path, &["config", "annex.backend", "SHA1"]);
    fs::write(path.join("new.txt"), "two").unwrap();
    place.git(&path, &["add", "."]);
    assert_eq!(staged(&place, &path, "new.txt"), "two");
}

#[test]
fn no_key_is_made_without_a_secure_hash_where_that_is_forbidden() {
    let place = Place::new();
    let (path, _annex) = place.repository("a");
    place.git(&path, &["config", "annex.largefiles", "anything"]);
    place.git(&path, &["config", "annex.securehashesonly", "true"]);
    for (backend, is_annexed) in [("SHA1", false), ("SHA256", true)] {
        place.git(&path, &["config", "annex.backend", backend]);
        fs::write(path.join(backend), backend).unwrap();
        place.git(&path, &["add", "."]);
        let blob = staged(&place, &path, backend);
        assert_eq!(blob.starts_with("/annex/objects/"), is_annexed, "{blob}");
    }
}

#[test]
fn a_key_without_a_hash_is_kept_as_long_as_the_content_is_its_own() {
    let place = Place::new();
    let (path, annex) = place.repository("a");
    let key = model::Key::parse(b"WORM-s3-m1--a").unwrap();
    let object = annex.store().object_path(&key);
    fs::create_dir_all(object.parent().unwrap()).unwrap();
    fs::write(&object, "one").unwrap();
    fs::write(path.join("a"), pointer::pointer_for(&key)).unwrap();
    place.git(&path, &["add", "a"]);
    let pointer = staged(&place, &path, "a");
    for (content, kept) in [("one", true), ("two", false)] {
        fs::remove_file(path.join("a")).unwrap();
        fs::write(path.join("a"), content).unwrap();
        place.git(&path, &["add", "a"]);
        let now = staged(&place, &path, "a");
        assert!(now.starts_with("/annex/objects/"), "{now}");
        assert_eq!(now == pointer, kept, "{now}");
    }
}

#[test]
fn attributes_speak_before_the_settings_of_all_clones() {
    let place = Place::new();
    let (path, annex) = place.repository("a");
    fs::create_dir_all(annex.annex_file("journal")).unwrap();
    fs::write(
        annex.annex_file("journal/config.log"),
        "5s annex.largefiles include=*.x\n4s annex.largefiles nothing\n",
    )
    .unwrap();
    fs::write(
        path.join(".gitattributes"),
        "no.x annex.largefiles=nothing\nb.y annex.largefiles=include=b*\n",
    )
    .unwrap();
    for name in ["a.x", "no.x", "b.y", "c.y"] {
        fs::write(path.join(name), name).unwrap();
    }
    place.git(&path, &["add", "."]);
    for (name, annexed) in [("a.x", true), ("no.x", false), ("b.y", true), ("c.y", false)] {
        let blob = staged(&place, &path, name);
        assert_eq!(
            pointer::key_of_pointer(blob.as_bytes()).is_some(),
            annexed,
            "{name}: {blob}"
        );
    }
}

#[test]
fn a_clone_has_history_and_waits_for_its_files() {
    let place = Place::new();
    let (source, annex) = place.repository("source: 100%");
    place.git(&source, &["config", "annex.largefiles", "anything"]);
    fs::write(source.join("file"), "content").unwrap();
    place.git(&source, &["add", "."]);
    place.git(&source, &["commit", "-qm", "one"]);
    let branch = place.git(&source, &["branch", "--show-current"]);
    let branch = branch.trim();

    let path = place.path("clone");
    let clone = init::clone(&source, &path, false, None, NOW).unwrap();
    place.set_filter(&path);
    assert_ne!(clone.uuid(), annex.uuid());
    assert_eq!(
        place.git(&path, &["symbolic-ref", "HEAD"]),
        format!("refs/heads/{branch}\n")
    );
    assert_eq!(
        place.git(&path, &["status", "--porcelain"]),
        "",
        "no file looks deleted"
    );
    assert_eq!(
        place.git(&path, &["rev-parse", &format!("origin/{branch}")]),
        place.git(&source, &["rev-parse", branch])
    );
    place.git(&path, &["merge-base", "--is-ancestor", "origin/git-annex", "git-annex"]);
    place.git(&path, &["merge", "-q", &format!("origin/{branch}")]);
    assert!(
        fs::read_to_string(path.join("file"))
            .unwrap()
            .starts_with("/annex/objects/SHA256E-s7--")
    );
    place.git(&path, &["fetch", "-q", "origin"]);
    let remote = &remotes(&clone).unwrap()[0];
    assert_eq!(
        (remote.name.as_str(), remote.uuid.as_ref()),
        ("origin", Some(annex.uuid()))
    );
    assert_eq!(remote.address, Address::Path(fs::canonicalize(&source).unwrap()));

    place.git(&source, &["branch", &format!("synced/{branch}")]);
    let bare = place.path("my drive.git");
    let drive = init::clone(&source, &bare, true, Some("drive"), NOW).unwrap();
    for other in [&drive, &clone, &drive] {
        init::add_remote(&annex, other).unwrap();
    }
    assert_eq!(place.git(&source, &["remote"]), "clone\nmy-drive\n");
    place.git(&source, &["fetch", "-q", "--all"]);
    let refs = place.git(&bare, &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs, format!("refs/heads/git-annex\nrefs/heads/{branch}\n"));
    assert_eq!(
        place.git(&bare, &["rev-parse", "HEAD"]),
        place.git(&source, &["rev-parse", "HEAD"])
    );
    place.git(&bare, &["fsck", "--strict"]);

    assert!(init::clone(&source, &path, false, None, NOW).is_err(), "not empty");
    assert!(init::clone(&place.path("nothing"), &place.path("x"), false, None, NOW).is_err());
    assert!(!place.path("x").exists());
    assert!(
        init::clone(&source, &source.join("inner"), false, None, NOW).is_err(),
        "inside another"
    );
    assert!(!source.join("inner").exists());
}

#[test]
fn git_makes_work_trees_with_the_content_of_their_files() {
    let place = Place::new();
    let (source, _) = place.repository("source");
    fs::write(source.join("f"), "content").unwrap();
    place.git(&source, &["config", "annex.largefiles", "anything"]);
    place.git(&source, &["add", "f"]);
    place.git(&source, &["commit", "-q", "-m", "one"]);
    assert!(pointer::key_of_pointer(staged(&place, &source, "f").as_bytes()).is_some());
    let linked = place.path("linked");
    let said = place.git(
        &source,
        &["worktree", "add", "-q", linked.to_str().unwrap(), "-b", "other"],
    );
    assert_eq!(said, "");
    assert_eq!(fs::read_to_string(linked.join("f")).unwrap(), "content");
    assert_eq!(place.git(&linked, &["status", "--porcelain"]), "");
    assert_eq!(place.git(&source, &["status", "--porcelain"]), "");
}

#[test]
fn submodules_and_work_trees_get_a_link_to_their_git_directory() {
    let place = Place::new();
    let (source, annex) = place.repository("source");
    place.git(&source, &["commit", "-q", "--allow-empty", "-m", "one"]);

    let linked = place.path("linked");
    place.git(
        &source,
        &["worktree", "add", "-q", linked.to_str().unwrap(), "-b", "other"],
    );
    assert!(Annex::open(&linked).is_err());
    let opened = init::init(&linked, None, NOW).unwrap();
    assert_eq!((opened.uuid(), opened.git_dir()), (annex.uuid(), annex.git_dir()));
    assert_eq!(
        opened.work_tree().map(|top| fs::canonicalize(top).unwrap()),
        Some(linked.clone())
    );
    assert!(linked.join(".git").is_symlink());
    assert!(linked.join(".git/annex/journal.lck").exists());
    assert_eq!(place.git(&linked, &["status", "--porcelain"]), "");
    assert_eq!(place.git(&linked, &["branch", "--show-current"]), "other\n");

    let outer = place.path("outer");
    place.git(place.0.path(), &["init", "-q", "outer"]);
    place.git(&outer, &["submodule", "-q", "add", source.to_str().unwrap(), "sub"]);
    let sub = outer.join("sub");
    let opened = init::init(&sub, None, NOW).unwrap();
    assert_ne!(opened.uuid(), annex.uuid());
    assert!(sub.join(".git").is_symlink());
    assert_eq!(place.git(&sub, &["status", "--porcelain"]), "");
    assert!(!place.try_git(&sub, &["config", "core.worktree"]).0);
    assert!(!place.git(&outer, &["status", "--porcelain"]).contains('?'));

    // A copied work tree must not take the other's git directory.
    let copy = place.path("copy");
    place.git(
        &source,
        &["worktree", "add", "-q", copy.to_str().unwrap(), "-b", "third"],
    );
    let elsewhere = place.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(copy.join(".git"), elsewhere.join(".git")).unwrap();
    let error = init::init(&elsewhere, None, NOW).unwrap_err().to_string();
    assert!(error.contains("nothing was changed"), "{error}");
    assert!(elsewhere.join(".git").is_file());
}

#[test]
fn what_is_not_supported_is_refused_and_left_alone() {
    let place = Place::new();
    let cases: [(&str, &[&[&str]]); 5] = [
        ("version 8", &[&["config", "annex.version", "8"]]),
        ("annex.private", &[&["config", "annex.private", "true"]]),
        ("annex.tune", &[&["config", "annex.tune.objecthash1", "true"]]),
        (
            "adjusted/main(unlocked)",
            &[&["symbolic-ref", "HEAD", "refs/heads/adjusted/main(unlocked)"]],
        ),
        ("views/main", &[&["symbolic-ref", "HEAD", "refs/heads/views/main"]]),
    ];
    for (number, (reason, commands)) in cases.iter().enumerate() {
        let name = format!("r{number}");
        place.git(place.0.path(), &["init", "-q", &name]);
        let path = place.path(&name);
        for command in *commands {
            place.git(&path, command);
        }
        let before = fs::read_to_string(path.join(".git/config")).unwrap();
        let error = init::init(&path, None, NOW).unwrap_err().to_string();
        assert!(
            error.contains(reason) && error.contains("nothing was changed"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(path.join(".git/config")).unwrap(), before);
        assert!(!path.join(".git/annex").exists(), "{reason}");
    }
    let (outer, _) = place.repository("outer");
    assert!(init::init(&outer.join("inner/deep"), None, NOW).is_err());
    assert!(init::init(&outer.join(".git/inner"), None, NOW).is_err());

    fs::create_dir(place.path("no")).unwrap();
    place.git(place.0.path(), &["init", "-q", "no"]);
    fs::write(place.path("no/.noannex"), "not here\n").unwrap();
    assert!(
        init::init(&place.path("no"), None, NOW)
            .unwrap_err()
            .to_string()
            .contains("not here")
    );
}

#[test]
fn settings_are_read_and_unusable_ones_refused() {
    let place = Place::new();
    let (path, annex) = place.repository("a");
    let mut shared = std::collections::BTreeMap::new();
    let settings = Settings::read(&annex, &shared).unwrap();
    assert_eq!(
        (settings.backend.as_str(), settings.max_extension_length),
        ("SHA256E", 4)
    );
    assert_eq!((settings.diskreserve, settings.autocommit), (100_000_000, true));
    assert_eq!(settings.addunlocked.as_deref(), Some("true"));

    for (name, value) in [
        ("annex.autocommit", "no"),
        ("annex.dotfiles", "true"),
        ("annex.thin", "true"),
    ] {
        shared.insert(name.to_owned(), value.to_owned());
    }
    place.git(&path, &["config", "annex.diskreserve", "1 GiB"]);
    place.git(&path, &["config", "annex.dotfiles", "off"]);
    let settings = Settings::read(&annex, &shared).unwrap();
    assert!(
        !settings.autocommit && !settings.thin,
        "annex.thin cannot be set for all clones"
    );
    assert_eq!((settings.dotfiles, settings.diskreserve), (false, 1 << 30));

    for (name, value) in [
        ("annex.backend", "WORM"),
        ("annex.diskreserve", "much"),
        ("annex.maxextensions", "x"),
    ] {
        place.git(&path, &["config", name, value]);
        let error = Settings::read(&annex, &shared).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(value), "{error}");
        place.git(&path, &["config", "--unset", name]);
    }

    place.git(&path, &["config", "remote.d.annex-directory", "/media/d"]);
    place.git(&path, &["config", "remote.d.annex-uuid", "abc"]);
    place.git(&path, &["config", "remote.host.url", "me@host:a/b"]);
    place.git(&path, &["config", "remote.host.annex-sync", "false"]);
    place.git(&path, &["config", "remote.near.url", "../near"]);
    place.git(&path, &["config", "remote.near.annex-cost", "7.5"]);
    let remotes = remotes(&annex).unwrap();
    let shown: Vec<_> = remotes
        .iter()
        .map(|remote| {
            (
                remote.name.as_str(),
                remote.address.clone(),
                format!("{:?}", remote.cost),
                remote.sync,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (
                "d",
                Address::Special {
                    kind: Some("directory".to_owned()),
                    place: Some("/media/d".to_owned()),
                },
                "150.0".to_owned(),
                true
            ),
            (
                "host",
                Address::Ssh(SshAddress::parse("me@host:a/b").unwrap()),
                "200.0".to_owned(),
                false
            ),
            ("near", Address::Path(path.join("../near")), "7.5".to_owned(), true),
        ]
    );
}
