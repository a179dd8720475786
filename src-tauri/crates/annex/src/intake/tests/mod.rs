mod cancelling;
mod conversions;
mod durable;
mod overwritten;
mod races;
mod recording;
mod refusing;
mod rules;
mod same_content;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::Mutex;
use std::time::Duration;

use model::{Key, RepoPath};

use super::{Counts, Postponed};
use crate::scratch_repository::Scratch;
use crate::{Error, RootState, Standing};

const HELLO: &str = "SHA256E-s5--2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn key(text: &str) -> Key {
    Key::parse(text.as_bytes()).unwrap()
}

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text.as_bytes()).unwrap()
}

#[test]
fn new_files_become_pointers_in_one_commit() {
    let repo = Scratch::new();
    repo.write("a.txt", "hello");
    repo.write("d/e/b", "hello");
    repo.write("d/x", "x");
    repo.set_executable("d/x");
    let intake = repo.sync();
    assert!(intake.commit.is_some());
    assert_eq!(intake.counts.annexed, 3);
    assert_eq!(intake.keys_added.len(), 3);
    let staged = repo.staged();
    assert_eq!(staged[0].0, "100644");
    assert_eq!(staged[0].1, format!("/annex/objects/{HELLO}.txt\n").as_str());
    assert_eq!(
        (staged[2].0.as_str(), staged[2].2.to_string().as_str()),
        ("100755", "d/x")
    );
    let object = repo.annex.store().find(&key(&format!("{HELLO}.txt"))).unwrap();
    assert_eq!(fs::read(object).unwrap(), b"hello");
    assert_eq!(repo.git(&["log", "--format=%s"]), "git-annex in test\n");
    assert_eq!(
        repo.git(&["reflog", "--format=%gs"]),
        "commit (initial): git-annex in test\n"
    );
    assert_eq!(
        fs::read(repo.path("a.txt")).unwrap(),
        b"hello",
        "the file stays as it is"
    );
    repo.check();
    // What was done is not done again.
    let again = repo.sync();
    assert!(again.commit.is_none() && again.keys_added.is_empty());
}

/// git takes an index entry without a size for one that it has to read, so it always runs the filter on these.
#[test]
fn empty_files_are_annexed_too() {
    let repo = Scratch::new();
    repo.write("empty", "");
    let intake = repo.sync();
    assert_eq!((intake.counts.annexed, intake.keys_added.len()), (1, 1));
    assert!(repo.look().is_clean());
}

#[test]
fn changes_removals_and_touches() {
    let repo = Scratch::new();
    for name in ["a", "b", "c", "d/e"] {
        repo.write(name, name);
    }
    repo.sync();
    repo.write("a", "changed");
    fs::remove_file(repo.path("b")).unwrap();
    fs::remove_dir_all(repo.path("d")).unwrap();
    File::options()
        .write(true)
        .open(repo.path("c"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    let look = repo.look();
    assert_eq!((look.modified.len(), look.removed.len(), look.tracked), (2, 2, 4));
    let intake = repo.ingest(look).unwrap();
    assert_eq!((intake.counts.annexed, intake.counts.removed), (2, 2));
    assert_eq!(repo.names(), ["a", "c"]);
    repo.check();
    // Only the time changed: no commit, but git need not look into it again.
    File::options()
        .write(true)
        .open(repo.path("c"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH + Duration::from_secs(9))
        .unwrap();
    assert!(repo.sync().commit.is_none());
    repo.check();
}

#[test]
fn removals_wait_until_they_are_allowed() {
    let mut repo = Scratch::new();
    repo.write("a", "a");
    repo.write("d/x", "x");
    repo.sync();
    repo.allow_removals = false;
    fs::remove_file(repo.path("a")).unwrap();
    fs::remove_dir_all(repo.path("d")).unwrap();
    symlink("/elsewhere", repo.path("d")).unwrap();
    repo.write("new", "new");
    let intake = repo.ingest(repo.look()).unwrap();
    assert_eq!(intake.postponed, [(path("d"), Postponed::Held)]);
    assert_eq!(repo.names(), ["a", "d/x", "new"]);
    repo.allow_removals = true;
    repo.sync();
    assert_eq!(repo.names(), ["d", "new"]);
    repo.check();
}

#[test]
fn unusual_names() {
    let repo = Scratch::new();
    let long = "l".repeat(255);
    let names: [&[u8]; 9] = [
        b"new\nline",
        b"-leading",
        b"\xff\xfe.x",
        long.as_bytes(),
        b"tab\t",
        b" ",
        b"\"quoted\\",
        "\u{e9}.\u{65e5}".as_bytes(),
        b"*?[a]",
    ];
    for name in names {
        let file = repo.top().join(OsStr::from_bytes(name));
        fs::write(&file, name).unwrap();
        repo.make_old(&file);
    }
    repo.sync();
    let mut expected: Vec<&[u8]> = names.to_vec();
    expected.sort_unstable();
    let staged = repo.staged();
    let found: Vec<&[u8]> = staged.iter().map(|(_, _, name)| name.as_slice()).collect();
    assert_eq!(found, expected);
    repo.check();
}

#[test]
fn names_that_lead_into_git_are_refused() {
    let repo = Scratch::new();
    fs::create_dir(repo.path(".GIT")).unwrap();
    repo.write(".GIT/hooks/x", "x");
    repo.write("git~1", "x");
    let look = repo.look();
    assert!(look.added.is_empty(), "{look:?}");
    assert_eq!(look.refused.len(), 2);
}

#[test]
fn a_file_that_is_being_written_waits() {
    let repo = Scratch::new();
    repo.write("a", "half");
    let mut writer = File::options().append(true).open(repo.path("a")).unwrap();
    let intake = repo.ingest(repo.look()).unwrap();
    assert_eq!(intake.postponed, [(path("a"), Postponed::BeingWritten)]);
    assert!(intake.commit.is_none() && intake.keys_added.is_empty());
    assert!(!repo.path(".git/index").exists(), "nothing was staged");
    writer.write_all(b" and half").unwrap();
    drop(writer);
    repo.make_old(&repo.path("a"));
    repo.sync();
    repo.check();
}

#[test]
fn a_file_that_is_opened_for_writing_before_it_is_protected_waits() {
    let mut repo = Scratch::new();
    repo.unlocked = false;
    repo.write("a", "half");
    let writer = Mutex::new(None);
    let intake = repo.ingest_deciding(repo.look(), &|_| {
        *writer.lock().unwrap() = File::options().append(true).open(repo.path("a")).ok();
        true
    });
    assert_eq!(intake.unwrap().postponed, [(path("a"), Postponed::BeingWritten)]);
    assert!(!repo.path(".git/annex/bad").exists(), "it was an object");
    assert_eq!(fs::metadata(repo.path("a")).unwrap().mode() & 0o200, 0o200);
}

/// The decision about a file comes after it was opened and before it is read.
#[test]
fn a_file_that_changes_while_it_is_read_waits() {
    for (unlocked, is_large) in [(true, true), (false, true), (false, false)] {
        let mut repo = Scratch::new();
        repo.unlocked = unlocked;
        repo.write("changed", "before");
        repo.write("deleted", "before");
        repo.write("replaced", "before");
        let intake = repo
            .ingest_deciding(repo.look(), &|path| {
                match path.as_bytes() {
                    b"changed" => fs::write(repo.path("changed"), "after!").unwrap(),
                    b"deleted" => fs::remove_file(repo.path("deleted")).unwrap(),
                    _ => {
                        fs::write(repo.path("new"), "before").unwrap();
                        fs::rename(repo.path("new"), repo.path("replaced")).unwrap();
                    }
                }
                is_large
            })
            .unwrap();
        assert_eq!(intake.postponed.len(), 3, "{:?}", intake.postponed);
        assert!(intake.commit.is_none() && intake.keys_added.is_empty());
        assert_eq!(fs::read(repo.path("changed")).unwrap(), b"after!");
        assert_eq!(
            fs::metadata(repo.path("changed")).unwrap().mode() & 0o200,
            0o200,
            "it stays writable"
        );
        repo.make_old(&repo.path("changed"));
        repo.make_old(&repo.path("replaced"));
        repo.sync();
        repo.check();
    }
}

#[test]
fn a_renamed_directory_is_not_read_again() {
    let repo = Scratch::new();
    for at in 0..50 {
        repo.write(&format!("d/{at}/f"), &at.to_string());
    }
    repo.write("d/tool", "t");
    repo.set_executable("d/tool");
    repo.sync();
    let before = repo.staged();
    fs::rename(repo.path("d"), repo.path("Z")).unwrap();
    let look = repo.look();
    assert!(look.added.iter().all(super::Candidate::is_renamed));
    // Had it been read, this would be asked.
    let intake = repo
        .ingest_deciding(look, &|_| unreachable!("nothing is read"))
        .unwrap();
    assert_eq!((intake.counts.renamed, intake.counts.removed), (51, 51));
    assert!(intake.keys_added.is_empty());
    let contents = |staged: Vec<(String, _, _)>| staged.into_iter().map(|(mode, content, _)| (mode, content)).collect();
    let (before, after): (Vec<_>, Vec<_>) = (contents(before), contents(repo.staged()));
    assert_eq!(before, after);
    assert_eq!(repo.git(&["log", "--oneline"]).lines_count(), 2);
    repo.check();
    // Only the case.
    fs::rename(repo.path("Z"), repo.path("z")).unwrap();
    assert_eq!(repo.sync().counts.renamed, 51);
    repo.check();
}

#[test]
fn findings_are_taken_in_by_parts() {
    let repo = Scratch::new();
    for name in ["changed", "gone", "old"] {
        repo.write(name, name);
    }
    repo.sync();
    for name in ["changed", "a", "b", "c"] {
        repo.write(name, "new");
    }
    fs::remove_file(repo.path("gone")).unwrap();
    fs::rename(repo.path("old"), repo.path("z")).unwrap();
    let mut first = repo.look();
    assert!(first.split_off(5).is_none());
    let rest = first.split_off(2).unwrap();
    let staged = |intake: super::Intake| {
        let counts = intake.counts;
        (counts.annexed, counts.renamed, counts.removed)
    };
    assert_eq!(staged(repo.ingest(first).unwrap()), (2, 0, 0));
    assert_eq!(repo.names(), ["a", "b", "changed", "gone", "old"]);
    assert_eq!(
        staged(repo.ingest(rest).unwrap()),
        (2, 1, 2),
        "what moved is removed last"
    );
    assert!(repo.look().is_clean());
    repo.check();
}

trait Lines {
    fn lines_count(&self) -> usize;
}

impl Lines for bstr::BString {
    fn lines_count(&self) -> usize {
        self.iter().filter(|&&b| b == b'\n').count()
    }
}

#[test]
fn locked_files_become_symlinks() {
    let mut repo = Scratch::new();
    repo.unlocked = false;
    repo.write("d/a", "hello");
    repo.write("d/same", "hello");
    let intake = repo.sync();
    assert_eq!(intake.keys_added, [key(HELLO)]);
    let target = fs::read_link(repo.path("d/a")).unwrap();
    assert!(target.starts_with("../.git/annex/objects"));
    let object = fs::metadata(repo.path("d/a")).unwrap();
    assert_eq!((object.mode() & 0o777, object.nlink()), (0o444, 1));
    assert_eq!(fs::read(repo.path("d/same")).unwrap(), b"hello");
    assert_eq!(repo.staged()[0].0, "120000");
    repo.check();
    // Moved to another depth: put right, as git-annex does.
    fs::create_dir(repo.path("d/e")).unwrap();
    fs::rename(repo.path("d/a"), repo.path("d/e/a")).unwrap();
    repo.sync();
    assert_eq!(fs::read(repo.path("d/e/a")).unwrap(), b"hello");
    repo.check();
    // Replaced by a new file: a new content, locked as the setting says.
    fs::remove_file(repo.path("d/same")).unwrap();
    repo.write("d/same", "other");
    repo.sync();
    assert!(repo.path("d/same").is_symlink());
    repo.check();
    assert!(fs::read_dir(repo.path(".git/annex/othertmp")).unwrap().next().is_none());
}

#[test]
fn what_is_unlocked_stays_unlocked() {
    let mut repo = Scratch::new();
    repo.write("a", "1");
    repo.sync();
    repo.unlocked = false;
    repo.write("a", "2");
    repo.sync();
    assert_eq!(repo.staged()[0].0, "100644");
    repo.check();
}

#[test]
fn thin_files_are_their_objects() {
    let mut repo = Scratch::new();
    repo.settings.thin = true;
    repo.write("a", "hello");
    repo.sync();
    let object = fs::metadata(repo.annex.store().find(&key(HELLO)).unwrap()).unwrap();
    assert_eq!(object.ino(), fs::metadata(repo.path("a")).unwrap().ino());
    repo.write("tool", "tool");
    repo.set_executable("tool");
    repo.sync();
    let tool = fs::metadata(repo.path("tool")).unwrap();
    assert_eq!(tool.nlink(), 1, "an object must not be executable");
    // Linking changes the file's ctime, which may fall into the tick in which the index is written.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    let index = fs::File::options().write(true).open(repo.path(".git/index")).unwrap();
    index.set_modified(later).unwrap();
    repo.check();
}

#[test]
fn pointers_and_symlinks_are_staged_as_they_are() {
    let repo = Scratch::new();
    let pointer = format!("/annex/objects/{HELLO}\n/annex/more\n");
    repo.write("pointer", &pointer);
    symlink("/etc/passwd", repo.path("link")).unwrap();
    symlink("pointer", repo.path("dangling")).unwrap();
    symlink("..", repo.path("up")).unwrap();
    let intake = repo.sync();
    assert_eq!(
        intake.counts,
        Counts {
            links: 4,
            ..Counts::default()
        }
    );
    assert!(intake.keys_added.is_empty(), "the content is not here");
    let staged = repo.staged();
    assert_eq!(
        (staged[1].0.as_str(), staged[1].1.as_slice()),
        ("120000", &b"/etc/passwd"[..])
    );
    assert_eq!(
        (staged[2].0.as_str(), staged[2].1.as_slice()),
        ("100644", pointer.as_bytes())
    );
    repo.check();
}

#[test]
fn small_and_dotfiles_go_to_git() {
    let mut repo = Scratch::new();
    repo.write(".hidden/x", "dot");
    repo.write("small", "small");
    repo.write("large", "hello");
    let decide = |path: &RepoPath| path.as_bytes() == b"large";
    repo.ingest_deciding(repo.look(), &decide).unwrap();
    let contents: Vec<_> = repo
        .staged()
        .into_iter()
        .map(|(_, content, _)| content.to_string())
        .collect();
    assert_eq!(contents, ["dot", &format!("/annex/objects/{HELLO}\n"), "small"]);
    repo.check();
    repo.settings.add_small_files = false;
    repo.write("small2", "small");
    repo.write("small", "changed");
    repo.ingest_deciding(repo.look(), &decide).unwrap();
    assert_eq!(repo.names(), [".hidden/x", "large", "small"]);
}

/// Too large for memory, these become blobs while they are read, or are git's to convert.
#[test]
fn large_files_for_git_are_what_git_would_make_of_them() {
    let repo = Scratch::new();
    repo.git(&["config", "core.autocrlf", "input"]);
    let text = "a line\r\n".repeat(1 << 20);
    for (name, content) in [
        (".text", text.clone()),
        (".binary", format!("{text}\0")),
        (".plain", text.replace('\r', "")),
        (".empty", String::new()),
    ] {
        repo.write(name, &content);
    }
    let intake = repo.sync();
    assert_eq!(intake.counts.in_git, 4);
    for (_, content, name) in repo.staged() {
        let expected = match name.to_string().as_str() {
            ".binary" => format!("{text}\0"),
            ".empty" => continue,
            _ => text.replace('\r', ""),
        };
        assert!(content == expected, "{name}");
    }
    repo.check();
}

#[test]
fn what_is_ignored_or_of_another_repository_is_left_alone() {
    let repo = Scratch::new();
    repo.write("keep.o", "tracked before it was ignored");
    repo.write("build/tracked", "1");
    repo.sync();
    repo.write(".gitignore", "*.o\nbuild/\n");
    repo.write("x.o", "");
    repo.write("build/new", "");
    repo.write("sub/.gitignore", "!y.o\n");
    repo.write("sub/y.o", "y");
    repo.write("keep.o", "changed");
    repo.write("build/tracked", "2");
    repo.write("nested/file", "");
    repo.git(&["init", "-q", "nested"]);
    repo.write("nested/.git/x", "");
    nix::unistd::mkfifo(&repo.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let intake = repo.sync();
    assert_eq!(intake.counts.annexed, 3);
    assert_eq!(
        repo.names(),
        [".gitignore", "build/tracked", "keep.o", "sub/.gitignore", "sub/y.o"]
    );
    fs::remove_dir_all(repo.path("nested")).unwrap();
    repo.check();
}

#[test]
fn directories_and_files_change_places() {
    let repo = Scratch::new();
    for name in ["file", "file.x", "dir/a", "dir/b", "dir.x"] {
        repo.write(name, name);
    }
    repo.sync();
    fs::remove_file(repo.path("file")).unwrap();
    repo.write("file/inner", "1");
    fs::remove_dir_all(repo.path("dir")).unwrap();
    repo.write("dir", "2");
    repo.sync();
    assert_eq!(repo.names(), ["dir", "dir.x", "file.x", "file/inner"]);
    repo.check();
    // A symlink in place of a directory is not followed.
    fs::rename(repo.path("file"), repo.path("moved")).unwrap();
    symlink("moved", repo.path("file")).unwrap();
    repo.sync();
    assert_eq!(repo.names(), ["dir", "dir.x", "file", "file.x", "moved/inner"]);
    repo.check();
}

#[test]
fn what_the_user_staged_is_committed_too() {
    let repo = Scratch::new();
    repo.write("a", "a");
    repo.sync();
    repo.git(&["rm", "-q", "--cached", "a"]);
    repo.write(".gitignore", "a\n");
    repo.git(&["add", ".gitignore"]);
    let look = repo.look();
    assert!(look.staged && look.added.is_empty());
    assert!(repo.ingest(look).unwrap().commit.is_some());
    assert_eq!(repo.names(), [".gitignore"]);
    repo.check();
}

#[test]
fn a_crash_between_commit_and_index_is_found_done() {
    let repo = Scratch::new();
    repo.write("a", "a");
    repo.sync();
    let index = fs::read(repo.path(".git/index")).unwrap();
    repo.write("b", "b");
    let first = repo.sync();
    fs::write(repo.path(".git/index"), index).unwrap();
    let second = repo.sync();
    assert!(second.commit.is_none());
    assert_eq!(first.keys_added, second.keys_added, "the caller hears of them again");
    repo.check();
}

#[test]
fn something_staged_meanwhile_is_not_overwritten() {
    let repo = Scratch::new();
    repo.write("a", "a");
    repo.write("b", "b");
    let look = repo.look();
    repo.git(&["-c", "filter.annex.clean=", "add", "a"]);
    let intake = repo.ingest(look).unwrap();
    assert_eq!(intake.postponed, [(path("a"), Postponed::Changed)]);
    assert_eq!(repo.staged()[0].1, "a");
}

/// A program that appends to a file whose content has not come yet appends to the pointer.
#[test]
fn a_pointer_that_was_edited_is_never_committed() {
    let repo = Scratch::new();
    let pointer = format!("/annex/objects/{HELLO}\n");
    repo.write("diary", &pointer);
    repo.write("cut", &pointer);
    repo.sync();
    let staged = repo.staged();
    repo.write("diary", &format!("{pointer}dear diary\n"));
    repo.write("cut", &pointer[..30]);
    repo.write("copy", &format!("{pointer}dear diary\n"));
    let intake = repo.ingest(repo.look()).unwrap();
    let names: Vec<_> = intake.postponed.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(names, ["copy", "cut", "diary"]);
    assert!(intake.postponed.iter().all(|(_, why)| *why == Postponed::EditedPointer));
    assert_eq!(intake.commit, None);
    assert_eq!(repo.staged(), staged);
    assert_eq!(repo.annex.standing(&path("diary")).unwrap(), Standing::EditedPointer);
    // Another content in its place is an edit as any other.
    repo.write("diary", "a new one");
    repo.write("cut", "");
    fs::remove_file(repo.path("copy")).unwrap();
    repo.sync();
    assert_eq!(repo.annex.standing(&path("diary")).unwrap(), Standing::Tracked);
}

/// git-annex puts the content in place before it stages the pointer.
#[test]
fn a_file_that_was_unlocked_stays_so() {
    let mut repo = Scratch::new();
    repo.unlocked = false;
    for name in ["unlocked", "edited", "other"] {
        repo.write(name, "hello");
    }
    repo.sync();
    for (name, content) in [("unlocked", "hello"), ("edited", "another content"), ("other", "other")] {
        fs::remove_file(repo.path(name)).unwrap();
        repo.write(name, content);
    }
    repo.sync();
    for name in ["edited", "other"] {
        assert!(repo.path(name).is_symlink(), "{name}: as annex.addunlocked says");
    }
    assert!(!repo.path("unlocked").is_symlink());
    let staged = repo.staged();
    assert_eq!(
        (&*staged[2].0, staged[2].1.to_string()),
        ("100644", format!("/annex/objects/{HELLO}\n"))
    );
    repo.check();
}
