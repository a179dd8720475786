use std::cell::RefCell;

use rustix::io::Errno;

thread_local! {
    static FAULT: RefCell<Option<(Vec<u8>, Errno)>> = const { RefCell::new(None) };
}

/// What the system refuses to a user, it grants to root; so a test says what it refuses.
pub(super) fn seam(path: &[u8]) -> rustix::io::Result<()> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    FAULT.with_borrow(|fault| match fault {
        Some((at, errno)) if at == path => Err(*errno),
        _ => Ok(()),
    })
}

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::{Candidate, Nested, Standing};
use crate::index::Staged;
use crate::scratch_repository::{Folding, Scratch};
use model::RepoPath;

fn refusing<T>(path: &str, errno: Errno, run: impl FnOnce() -> T) -> T {
    FAULT.set(Some((path.as_bytes().to_vec(), errno)));
    let outcome = run();
    FAULT.set(None);
    outcome
}

#[test]
fn what_cannot_be_read_is_not_gone() {
    let repo = Scratch::new();
    for name in ["a", "d/b", "d/e/c"] {
        repo.write(name, name);
    }
    repo.sync();
    fs::remove_file(repo.path("a")).unwrap();
    for errno in [Errno::ACCESS, Errno::IO, Errno::NOTCONN] {
        let look = refusing("d", errno, || repo.look());
        assert_eq!(look.unreadable.len(), 1, "{look:?}");
        assert_eq!(look.unreadable[0].0.to_str(), Some("d"));
        assert_eq!(look.removed.len(), 1, "only what is really gone");
        assert!(look.added.is_empty() && look.modified.is_empty());
    }
    let look = refusing("", Errno::IO, || repo.look());
    assert!(look.removed.is_empty() && look.unreadable.len() == 1);
}

#[test]
fn a_file_is_gone_that_became_a_directory_or_goes_while_it_is_looked_at() {
    let repo = Scratch::new();
    for name in ["deleted", "directory", "kept"] {
        repo.write(name, name);
    }
    repo.sync();
    fs::remove_file(repo.path("directory")).unwrap();
    fs::create_dir(repo.path("directory")).unwrap();
    let look = refusing("deleted", Errno::NOENT, || repo.look());
    let gone: Vec<_> = look.removed.iter().map(|removed| removed.path.to_string()).collect();
    assert_eq!(gone, ["deleted", "directory"]);
    assert!(look.unreadable.is_empty(), "{look:?}");
}

#[test]
fn an_empty_mount_point_is_not_a_deletion() {
    let repo = Scratch::new();
    for name in ["a", "drive/b", "drive/c"] {
        repo.write(name, name);
    }
    repo.sync();
    let device = crate::repository::RootId::of(repo.top()).unwrap();
    // As if the files of the drive had been staged while it was mounted.
    let git = repo.annex.git().unwrap();
    let mut staged = Staged::open(&repo.annex, &git).unwrap();
    for name in ["drive/b", "drive/c"] {
        let mut entry = staged.index().entry(name.as_bytes()).unwrap().owned();
        entry.dev ^= 0x55;
        staged.put(entry);
    }
    staged.commit().unwrap();
    for name in ["b", "c"] {
        fs::remove_file(repo.path("drive").join(name)).unwrap();
    }
    let look = repo.look();
    assert!(look.removed.is_empty(), "{look:?} {device:?}");
    assert_eq!(look.unreadable[0].0.to_str(), Some("drive"));
    // A file that is still there shows that only the number of the device has changed.
    let mut staged = Staged::open(&repo.annex, &git).unwrap();
    let mut entry = staged.index().entry(b"a").unwrap().owned();
    entry.dev ^= 0x55;
    staged.put(entry);
    staged.commit().unwrap();
    let look = repo.look();
    assert_eq!((look.removed.len(), look.renumbered.len()), (2, 1));
    repo.ingest(look).unwrap();
    assert!(repo.look().renumbered.is_empty(), "learnt");
    assert_eq!(repo.names(), ["a"]);
}

#[test]
fn files_that_a_mount_hides_are_not_deleted() {
    let repo = Scratch::new();
    for name in ["a", "drive/b", "drive/c/d"] {
        repo.write(name, name);
    }
    repo.sync();
    let drive = repo.path("drive");
    let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&drive)) {
        return crate::skipped::lacks("mount", "nothing can be mounted here (it needs root)");
    }
    for name in ["drive/e", "drive/f"] {
        repo.write(name, name);
    }
    let looks = [repo.look(), repo.look_at(&["drive/b"])];
    let [everything, one] = looks.map(|look| (look.added.len(), look.removed.len(), look.unreadable));
    repo.sync();
    fs::remove_file(repo.path("drive/e")).unwrap();
    let gone: Vec<String> = repo.look().removed.iter().map(|gone| gone.path.to_string()).collect();
    assert!(run(Command::new("umount").arg(&drive)));
    assert_eq!((everything.0, everything.1), (2, 0));
    assert!(everything.2.iter().all(|(path, _)| path.to_str() == Some("drive")));
    assert_eq!((one.0, one.1, one.2.len()), (0, 0, 1));
    assert_eq!(gone, ["drive/e"], "what was on it is");
}

#[test]
fn paths_are_looked_at_with_what_is_below_and_nothing_else() {
    let repo = Scratch::new();
    for name in ["a", "d/b", "d/e/c", "d.x", "gone/f", "gone/g/h"] {
        repo.write(name, "1");
    }
    repo.sync();
    for name in ["a", "d/b", "d/e/c", "d/e/new", "d.x"] {
        repo.write(name, "22");
    }
    fs::remove_dir_all(repo.path("gone")).unwrap();
    let found = |paths: &[&str]| {
        let look = repo.look_at(paths);
        let mut names: Vec<String> = look
            .added
            .iter()
            .chain(&look.modified)
            .map(|c| c.path.to_string())
            .collect();
        names.extend(look.removed.iter().map(|removed| format!("-{}", removed.path)));
        names.sort();
        names.join(" ")
    };
    assert_eq!(found(&["a"]), "a");
    assert_eq!(found(&["d"]), "d/b d/e/c d/e/new");
    assert_eq!(found(&["d/e", "d/e/c", "d/e/c"]), "d/e/c d/e/new");
    assert_eq!(found(&["no/such/path"]), "");
    assert_eq!(
        found(&["gone/g/h"]),
        "-gone/f -gone/g/h",
        "what is above is gone as well"
    );
    assert_eq!(found(&["d.x", "d/b", "a"]), "a d.x d/b");
    // New rules concern all that is beside them.
    repo.write("d/.gitignore", "new\n");
    assert_eq!(found(&["d/.gitignore"]), "d/.gitignore d/b d/e/c");
    assert_eq!(found(&["d/.gitattributes"]), "d/.gitignore d/b d/e/c");
    assert_eq!(found(&["d/e/new"]), "", "the rules above count");
    fs::remove_dir_all(repo.path("d")).unwrap();
    std::os::unix::fs::symlink("/etc", repo.path("d")).unwrap();
    assert_eq!(found(&["d/e/c"]), "-d/b -d/e/c d", "no symlink is followed");
}

#[test]
fn what_git_was_told_not_to_look_at_is_not_looked_at() {
    let repo = Scratch::new();
    for name in ["skipped", "assumed", "intended"] {
        repo.write(name, "1");
    }
    repo.git(&["add", "skipped", "assumed"]);
    repo.git(&["commit", "-qm", "1"]);
    repo.git(&["update-index", "--skip-worktree", "skipped"]);
    repo.git(&["update-index", "--assume-unchanged", "assumed"]);
    repo.git(&["add", "-N", "intended"]);
    fs::remove_file(repo.path("skipped")).unwrap();
    repo.write("assumed", "changed");
    let look = repo.look();
    assert!(look.removed.is_empty() && look.added.is_empty());
    assert_eq!(look.modified.len(), 1);
    assert_eq!(look.modified[0].path.as_bytes(), b"intended");
    repo.ingest(look).unwrap();
    assert_eq!(repo.git(&["ls-files", "-v"]), "h assumed\nH intended\nS skipped\n");
}

#[test]
fn a_change_in_the_moment_of_staging_is_seen() {
    let repo = Scratch::new();
    for round in 0..20 {
        let content = format!("{round:03}");
        fs::write(repo.path("f"), &content).unwrap();
        repo.ingest(repo.look()).unwrap();
        // Same size, as soon as possible after.
        fs::write(repo.path("f"), format!("{:03}", round + 500)).unwrap();
        assert_eq!(repo.look().modified.len(), 1, "round {round}");
    }
}

/// What an archive with one date for all its files makes of an inode that was just given up.
#[test]
fn a_new_file_in_an_old_inode_is_no_rename() {
    let repo = Scratch::new();
    let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
    let write = |name: &str, content: &str| {
        fs::write(repo.path(name), content).unwrap();
        let file = fs::File::options().write(true).open(repo.path(name)).unwrap();
        file.set_modified(date).unwrap();
    };
    for round in 0..10 {
        write("old", "1");
        repo.sync();
        fs::remove_file(repo.path("old")).unwrap();
        write("new", "2");
        let look = repo.look();
        assert_eq!((look.added.len(), look.removed.len()), (1, 1));
        assert!(!look.added[0].is_renamed(), "round {round}");
        fs::remove_file(repo.path("new")).unwrap();
    }
}

/// The key of the name before would be another than git-annex's filter gives them now, and git asks that filter.
#[test]
fn empty_and_young_files_under_another_extension_are_taken_in_again() {
    let repo = Scratch::new();
    let now = SystemTime::now();
    let times = [("later", now + Duration::from_secs(3600)), ("young", now)];
    let names = ["empty", "later", "old", "young"];
    for name in names {
        repo.write(&format!("{name}.o"), if name == "empty" { "" } else { name });
    }
    for (name, modified) in times {
        let file = File::options().write(true).open(repo.path(&format!("{name}.o")));
        file.unwrap().set_modified(modified).unwrap();
    }
    repo.sync();
    let rename = |from: &str, to: &str| {
        for name in names {
            fs::rename(repo.path(&format!("{name}{from}")), repo.path(&format!("{name}{to}"))).unwrap();
        }
    };
    let renamed_to = |extension: &str| {
        rename(".o", extension);
        let renamed: Vec<bool> = repo.look().added.iter().map(Candidate::is_renamed).collect();
        rename(extension, ".o");
        renamed
    };
    assert_eq!(renamed_to(".csv"), [false, false, true, false]);
    assert_eq!(renamed_to(" again.o"), [true; 4]);
    // With its default settings, git-annex takes no part of an extension before one with a blank.
    assert_eq!(renamed_to(".a b.o"), [false, false, true, false]);
}

#[test]
fn depth_has_a_limit() {
    let repo = Scratch::new();
    let deep = "d/".repeat(600);
    fs::create_dir_all(repo.path(&deep)).unwrap();
    fs::write(repo.path(&deep).join("f"), "").unwrap();
    repo.write("a", "a");
    let look = repo.look();
    assert_eq!((look.added.len(), look.unreadable.len()), (1, 1));
}

/// The pointer files whose content is here, as a look says, or what is taken in of it if git's index is as young as they are.
fn unfilled(repo: &Scratch, paths: Option<&[&str]>) -> Vec<String> {
    let look = paths.map_or_else(|| repo.look(), |paths| repo.look_at(paths));
    let mut found = look.unfilled.clone();
    found.extend(repo.ingest(look).unwrap().unfilled);
    found.sort();
    found.dedup();
    found.into_iter().map(|(path, _)| path.to_string()).collect()
}

#[test]
fn a_pointer_whose_content_is_here_is_found() {
    let repo = Scratch::new();
    for name in ["a", "d/b", "absent"] {
        repo.write(name, &format!("the content of {name}"));
    }
    repo.sync();
    assert_eq!(unfilled(&repo, None), [""; 0]);
    for name in ["a", "d/b", "absent"] {
        fs::remove_file(repo.path(name)).unwrap();
    }
    let (_, pointer, _) = repo.staged().remove(1);
    let key = crate::pointer::key_of_pointer(&pointer).unwrap();
    let object = repo.annex.store().object_path(&key);
    fs::set_permissions(object.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    fs::remove_file(object).unwrap();
    // As git does in a stash, a revert or a rebase, where a filter gives it no content.
    repo.git(&["checkout", "--", "."]);
    assert_eq!(unfilled(&repo, Some(&["d/b"])), ["d/b"]);
    assert_eq!(unfilled(&repo, None), ["a", "d/b"]);
    assert_eq!(unfilled(&repo, None), ["a", "d/b"], "until they are filled");
    // Under a new name, before anybody has looked.
    fs::rename(repo.path("d/b"), repo.path("c")).unwrap();
    assert_eq!(unfilled(&repo, None), ["a", "c"]);
    let files = repo.look().unfilled;
    assert_eq!(repo.annex.populate(&files, false).unwrap().len(), 2);
    assert_eq!(fs::read(repo.path("c")).unwrap(), b"the content of d/b");
    assert_eq!(unfilled(&repo, None), [""; 0]);
    assert_eq!(repo.git(&["diff", "HEAD", "--stat"]), "");
}

#[test]
fn a_file_that_git_keeps_and_that_is_as_small_as_a_pointer_is_none() {
    let repo = Scratch::new();
    repo.write("a", &"not a pointer ".repeat(10));
    repo.ingest_deciding(repo.look(), &|_| false).unwrap();
    assert_eq!(unfilled(&repo, None), [""; 0]);
}

/// `git mv` knows nothing of where a symlink leads.
#[test]
fn a_locked_file_that_git_moved_leads_to_its_content_again() {
    for paths in [None, Some(&["d"][..])] {
        let mut repo = Scratch::new();
        repo.unlocked = false;
        repo.write("a", "1");
        repo.write("stays", "2");
        repo.sync();
        fs::create_dir(repo.path("d")).unwrap();
        repo.git(&["mv", "a", "d/a"]);
        repo.git(&["commit", "-qm", "moved"]);
        // As git has it a second later, and in a clone that checked it out: nothing seems changed.
        repo.git(&["update-index", "--force-remove", "d/a"]);
        repo.git(&["update-index", "--add", "d/a"]);
        let look = paths.map_or_else(|| repo.look(), |paths| repo.look_at(paths));
        assert_eq!(look.modified.len(), 1, "{look:?}");
        repo.ingest(look).unwrap();
        assert_eq!(fs::read(repo.path("d/a")).unwrap(), b"1");
        repo.check();
    }
}

#[test]
fn a_nested_repository_is_told_once_and_its_new_files_are_left_alone() {
    let repo = Scratch::new();
    repo.write("project/tracked", "1");
    repo.write(".gitignore", "ignored/\n");
    repo.sync();
    for name in ["project/.git/HEAD", "project/d/e/.git/HEAD", "ignored/.git/HEAD"] {
        repo.write(name, "ref: refs/heads/main\n");
    }
    repo.write("project/new", "2");
    repo.write("project/d/new", "2");
    let project = Nested {
        path: "project".into(),
        tracked: 1,
    };
    let looks = [
        repo.look(),
        repo.look_at(&["project"]),
        repo.look_at(&["project/new", "project/d/new", "project/tracked"]),
    ];
    for look in looks {
        assert_eq!(
            look.nested,
            std::slice::from_ref(&project),
            "once, and not what lies in it"
        );
        assert!(look.is_clean(), "{look:?}");
    }
    repo.write("project/tracked", "22");
    fs::remove_dir_all(repo.path("project/.git")).unwrap();
    let look = repo.look();
    let nested: Vec<_> = look
        .nested
        .iter()
        .map(|nested| nested.path.display().to_string())
        .collect();
    assert_eq!(nested, ["project/d/e"]);
    assert_eq!((look.added.len(), look.modified.len()), (2, 1));
}

/// Where a file system cannot remove a file that is open, it gives it such a name until it is closed.
#[test]
fn what_a_file_system_keeps_for_an_open_file_is_no_document() {
    let repo = Scratch::new();
    for name in [".fuse_hidden0000000a00000001", "d/.nfs000000000000000a00000001"] {
        repo.write(name, "1");
        assert_eq!(
            repo.annex.standing(&RepoPath::parse(name.as_bytes()).unwrap()).unwrap(),
            Standing::Passing
        );
    }
    assert!(repo.look().is_clean());
    assert!(repo.look_at(&["d"]).is_clean());
    repo.write(".nfs-notes", "1");
    repo.write(".fuse_hidden", "1");
    assert_eq!(repo.look().added.len(), 2);
}

#[test]
fn how_it_stands_with_a_path_is_told() {
    let repo = Scratch::new();
    repo.write("kept", "1");
    repo.write("deleted", "1");
    repo.write("changed", "1");
    repo.sync();
    repo.write("changed", "22");
    repo.write("d/.gitignore", "# mine\n\n*.log\n");
    repo.write(".git/info/exclude", "out/\n");
    for name in [
        "d/x.log",
        "out/a/b",
        "new",
        "open",
        "code/.git/HEAD",
        "code/c/d",
        "plain/f",
    ] {
        repo.write(name, "1");
    }
    fs::remove_file(repo.path("deleted")).unwrap();
    let pipe = Command::new("mkfifo").arg(repo.path("pipe")).status();
    assert!(pipe.unwrap().success());
    let socket = std::os::unix::net::UnixListener::bind(repo.path("socket")).unwrap();
    let open = fs::File::options().append(true).open(repo.path("open")).unwrap();
    let ignored = |by: &str, line| Standing::Ignored { by: by.into(), line };
    for (path, standing) in [
        ("kept", Standing::Tracked),
        ("deleted", Standing::Deleted),
        ("changed", Standing::Changed),
        ("d/x.log", ignored("d/.gitignore", 3)),
        ("out/a/b", ignored(".git/info/exclude", 1)),
        ("out", ignored(".git/info/exclude", 1)),
        ("new", Standing::New),
        ("open", Standing::BeingWritten),
        ("code", Standing::Nested("code".into())),
        ("code/c/d", Standing::Nested("code".into())),
        ("code/c/gone", Standing::Nested("code".into())),
        ("plain", Standing::Directory),
        ("plain/gone", Standing::Gone),
        ("kept/below", Standing::Gone),
        ("pipe", Standing::Special("a pipe (fifo)")),
        ("socket", Standing::Special("a socket")),
    ] {
        let found = repo.annex.standing(&RepoPath::parse(path.as_bytes()).unwrap()).unwrap();
        assert_eq!(found, standing, "{path}");
    }
    drop((open, socket));
    let path = RepoPath::parse(b"d/x.log").unwrap();
    let found = refusing("d/.gitignore", Errno::ACCESS, || repo.annex.standing(&path));
    let why = "of d/.gitignore, you have no permission to read it, so nothing new beside and below it is synced";
    assert_eq!(found.unwrap(), Standing::Unreadable(why.to_owned()));
}

#[test]
fn a_name_is_there_only_as_it_is_listed() {
    let Some(folding) = Folding::mount() else { return };
    let mut repo = Scratch::within(&folding.path());
    repo.later = Duration::from_secs(10);
    for name in ["X", "Dir/file", "y"] {
        repo.write(name, name);
    }
    repo.sync();
    fs::rename(repo.path("X"), repo.path("x")).unwrap();
    fs::rename(repo.path("Dir"), repo.path("dir")).unwrap();
    assert!(
        repo.path("X").exists() && repo.path("Dir/file").exists(),
        "it folds case"
    );
    for look in [
        repo.look(),
        repo.look_at(&["X", "x", "Dir", "dir"]),
        repo.look_at(&["X", "x", "Dir/file", "dir/file"]),
    ] {
        let names = |all: Vec<&RepoPath>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            names(look.removed.iter().map(|removed| &removed.path).collect()),
            ["Dir/file", "X"],
            "{look:?}"
        );
        assert_eq!(
            names(look.added.iter().map(|added| &added.path).collect()),
            ["dir/file", "x"],
            "{look:?}"
        );
    }
    repo.sync();
    assert_eq!(repo.names(), ["dir/file", "x", "y"]);
    assert!(repo.look_at(&["X", "x", "Dir/file", "dir/file"]).removed.is_empty());
}

/// `lost+found` of ext4 belongs to root; nobody else can read it, and nobody needs to.
#[test]
fn the_lost_and_found_at_the_top_of_a_drive_may_be_unreadable() {
    let repo = Scratch::new();
    repo.write("d/x", "x");
    for (directory, is_told) in [("lost+found", false), ("d/lost+found", true)] {
        fs::create_dir(repo.path(directory)).unwrap();
        let look = refusing(directory, Errno::ACCESS, || repo.look());
        assert_eq!(!look.unreadable.is_empty(), is_told, "{directory}: {look:?}");
        assert_eq!(look.added.len(), 1);
    }
}

/// What it ignores may be what must never be shared.
#[test]
fn nothing_is_added_where_it_is_not_known_what_is_ignored() {
    let repo = Scratch::new();
    repo.write(".gitignore", "*.key\n");
    repo.write("d/.gitignore", "*.pem\n");
    repo.sync();
    for name in ["a", "d/b", "d/e/c", "f/g"] {
        repo.write(name, name);
    }
    let added = |look: &super::Look| {
        let mut added: Vec<String> = look.added.iter().map(|one| one.path.to_string()).collect();
        added.sort_unstable();
        added
    };
    for (file, errno, others) in [
        (".gitignore", Errno::ACCESS, &[][..]),
        ("d/.gitignore", Errno::IO, &["a", "f/g"]),
        ("d/.gitignore", Errno::NOENT, &["a", "d/b", "d/e/c", "f/g"]),
    ] {
        let look = refusing(file, errno, || repo.look());
        assert_eq!(added(&look), others, "{file}");
        let look = refusing(file, errno, || repo.look_at(&["a", "d/b", "d/e/c", "f/g"]));
        assert_eq!(added(&look), others, "{file}, looked at alone");
        assert_eq!(look.unreadable.is_empty(), errno == Errno::NOENT, "{look:?}");
    }
    let open = fs::File::options()
        .append(true)
        .open(repo.path("d/.gitignore"))
        .unwrap();
    let look = repo.look();
    assert_eq!(added(&look), ["a", "f/g"]);
    assert_eq!(look.unreadable[0].0, std::path::Path::new("d/.gitignore"), "{look:?}");
    drop(open);
    assert_eq!(repo.look().added.len(), 4);
    // No file, as far as git is concerned.
    for directory in ["info/exclude", "own"] {
        let _ = fs::remove_file(repo.top().join(".git").join(directory));
        fs::create_dir_all(repo.top().join(".git").join(directory)).unwrap();
    }
    repo.git(&[
        "config",
        "core.excludesFile",
        repo.top().join(".git/own").to_str().unwrap(),
    ]);
    assert_eq!(repo.look().added.len(), 4);
}
