//! Files that git keeps in another form than they have.

use std::fs;

use super::{Postponed, path};
use crate::scratch_repository::Scratch;

/// A repository with a filter of the user's own, which exchanges letters.
fn repository() -> Scratch {
    let repo = Scratch::new();
    repo.git(&["config", "filter.crypt.clean", "tr a-zA-Z n-za-mN-ZA-M"]);
    repo.git(&["config", "filter.crypt.smudge", "tr a-zA-Z n-za-mN-ZA-M"]);
    repo
}

fn write(repo: &Scratch, name: &str, content: &[u8]) {
    fs::create_dir_all(repo.path(name).parent().unwrap()).unwrap();
    fs::write(repo.path(name), content).unwrap();
    repo.make_old(&repo.path(name));
}

fn staged(repo: &Scratch, name: &str) -> String {
    repo.git(&["cat-file", "blob", &format!(":{name}")]).to_string()
}

/// Takes all in as files for git, and compares with what git itself stages of the same files.
fn compare_with_git(repo: &Scratch) {
    let intake = repo.ingest_deciding(repo.look(), &|_| false).unwrap();
    assert_eq!(intake.postponed, []);
    let ours = repo.git(&["ls-files", "-s"]);
    assert_eq!(repo.git(&["status", "--porcelain"]), "");
    // Without forgetting what is staged: git looks there for returns that a file has always had.
    for (_, _, name) in repo.staged() {
        let file = fs::File::options()
            .write(true)
            .open(repo.path(&name.to_string()))
            .unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(7))
            .unwrap();
    }
    repo.git(&["add", "-A"]);
    assert_eq!(ours, repo.git(&["ls-files", "-s"]), "git stages the same");
    repo.git(&["rm", "-rq", "--cached", "."]);
    repo.git(&["add", "-A"]);
}

#[test]
fn git_converts_what_attributes_ask_for() {
    let repo = repository();
    repo.write(
        ".gitattributes",
        "*.txt text\n*.auto text=auto\n*.bat text eol=crlf\n*.old crlf\n*.raw -text\n*.id ident\n\
         *.wide working-tree-encoding=UTF-16 text\n*.secret filter=crypt\n[attr]hidden filter=crypt -text\nsub/x hidden\n",
    );
    repo.write("deep/.gitattributes", "*.key filter=crypt\nnone.key !filter\n");
    for name in [
        "a.txt",
        "b.auto",
        "c.bat",
        "d.old",
        "e.raw",
        "f",
        "g.secret",
        "sub/x",
        "deep/g.key",
        "deep/none.key",
    ] {
        write(&repo, name, b"one\r\ntwo\r\n");
    }
    write(&repo, "binary.auto", b"one\r\n\0two\r\n");
    write(&repo, "h.id", b"$Id: 1234$ one\n");
    write(&repo, "i.wide", b"\xff\xfea\0\r\0\n\0");
    compare_with_git(&repo);
    assert_eq!(staged(&repo, "i.wide"), "a\n");
    for name in ["g.secret", "sub/x", "deep/g.key"] {
        assert_eq!(staged(&repo, name), "bar\r\ngjb\r\n", "{name}");
    }
    assert_eq!(staged(&repo, "deep/none.key"), "one\r\ntwo\r\n");
}

#[test]
fn a_file_that_git_has_with_returns_keeps_them() {
    let repo = repository();
    write(&repo, "a.auto", b"one\r\ntwo\r\n");
    repo.ingest_deciding(repo.look(), &|_| false).unwrap();
    repo.write(".gitattributes", "*.auto text=auto\n");
    write(&repo, "a.auto", b"one\r\ntwo\r\nthree\r\n");
    compare_with_git(&repo);
}

#[test]
fn settings_convert_too() {
    for setting in [["core.autocrlf", "input"], ["core.autocrlf", "true"]] {
        let repo = repository();
        repo.git(&["config", setting[0], setting[1]]);
        write(&repo, "a", b"one\r\ntwo\r\n");
        write(&repo, "b", b"one\ntwo\n");
        write(&repo, "c", b"one\0\r\n");
        compare_with_git(&repo);
    }
}

/// Also where everything else is annexed, and in the same burst as the rule.
#[test]
fn what_another_filter_governs_never_goes_to_the_annex() {
    let repo = repository();
    repo.write(".gitattributes", "*.yml filter=crypt\n");
    repo.write("secrets.yml", "password");
    repo.write("photo.jpg", "photo");
    assert_eq!(repo.sync().counts.annexed, 1, "the photo");
    assert_eq!(staged(&repo, "secrets.yml"), "cnffjbeq");
    repo.write("secrets.yml", "passwords");
    repo.sync();
    assert_eq!(staged(&repo, "secrets.yml"), "cnffjbeqf");

    // The user's own git sees the same.
    repo.write("more.yml", "password");
    repo.git(&["add", "more.yml"]);
    assert_eq!(staged(&repo, "more.yml"), "cnffjbeq");

    // Renamed, it is another file to git.
    fs::rename(repo.path("secrets.yml"), repo.path("open.txt")).unwrap();
    repo.ingest_deciding(repo.look(), &|_| false).unwrap();
    assert_eq!(staged(&repo, "open.txt"), "passwords");

    // And annexed again when nobody asks for the filter any more.
    repo.write(".gitattributes", "# nothing\n");
    repo.write("more.yml", "password 2");
    repo.sync();
    assert!(staged(&repo, "more.yml").starts_with("/annex/objects/"));
    let info = fs::read_to_string(repo.path(".git/info/attributes")).unwrap();
    assert_eq!(info, "* filter=annex\n", "nothing is left over");
}

#[test]
fn without_its_filter_a_file_waits() {
    let repo = repository();
    repo.write(
        ".gitattributes",
        "*.psd filter=lfs\n*.bad filter=broken\n*.wide working-tree-encoding=UTF-16\n",
    );
    repo.git(&["config", "filter.broken.clean", "false"]);
    for name in ["a.psd", "b.bad", "c.wide", "d.jpg"] {
        repo.write(name, "layers");
    }
    let intake = repo.ingest(repo.look()).unwrap();
    assert_eq!(repo.names(), [".gitattributes", "d.jpg"]);
    let reasons: Vec<_> = intake
        .postponed
        .iter()
        .map(|(path, why)| {
            let Postponed::Unconverted(why) = why else {
                panic!("{why:?}")
            };
            (path.clone(), why.as_str())
        })
        .collect();
    let why = |name: &str| reasons.iter().find(|(file, _)| *file == path(name)).unwrap().1;
    assert!(why("a.psd").contains("filter lfs is to pass it, and that is not set up here"));
    assert!(
        why("b.bad").contains("clean filter 'broken' failed"),
        "{}",
        why("b.bad")
    );
    assert!(why("c.wide").contains("BOM is required"), "{}", why("c.wide"));
}

#[test]
fn filters_are_shown_to_git_as_soon_as_a_rule_asks_for_them() {
    let repo = repository();
    repo.write(".gitattributes", "*.yml filter=crypt\n");
    repo.sync();
    repo.write("secrets.yml", "password");
    repo.git(&["add", "secrets.yml"]);
    assert_eq!(staged(&repo, "secrets.yml"), "cnffjbeq");
}

#[test]
fn a_file_that_changes_while_git_converts_it_waits() {
    let repo = repository();
    repo.write(".gitattributes", "*.a filter=edits\n*.b filter=fails\n");
    let edit = |name: &str| format!("cat; echo mine >> '{}'", repo.path(name).display());
    repo.git(&["config", "filter.edits.clean", &edit("f.a")]);
    repo.git(&["config", "filter.fails.clean", &format!("{}; false", edit("f.b"))]);
    repo.write("f.a", "found");
    repo.write("f.b", "found");
    let intake = repo.ingest(repo.look()).unwrap();
    let changed = |name| (path(name), Postponed::Changed);
    assert_eq!(intake.postponed, [changed("f.a"), changed("f.b")]);
}

/// The user's own lines in the same file keep their place in the order.
#[test]
fn filters_in_the_file_that_hides_them_hold() {
    let repo = repository();
    fs::write(
        repo.path(".git/info/attributes"),
        "*.a filter=crypt\n\n* filter=annex\n*.c filter=crypt",
    )
    .unwrap();
    repo.write(
        "sub dir/.gitattributes",
        "*.a !filter\n\"with space\" filter=crypt\n/b filter=crypt\n",
    );
    for name in [
        "x.a",
        "x.c",
        "sub dir/x.a",
        "sub dir/with space",
        "sub dir/b",
        "sub dir/in/b",
        "b",
    ] {
        repo.write(name, "password");
    }
    repo.sync();
    for (name, is_secret) in [
        ("x.a", true),
        ("x.c", true),
        ("sub dir/x.a", true),
        ("sub dir/with space", true),
        ("sub dir/b", true),
        ("sub dir/in/b", false),
        ("b", false),
    ] {
        assert_eq!(staged(&repo, name) == "cnffjbeq", is_secret, "{name}");
    }
}
