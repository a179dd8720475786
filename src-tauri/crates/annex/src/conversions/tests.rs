use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use model::Oid;

use crate::fixture::{Fixture, file, leaves, pointer, put_object};

const ROT: &str = "tr a-zA-Z n-za-mN-ZA-M";

/// A repository with a filter of the user's own, which exchanges letters, and git-annex's line.
fn repository() -> Fixture {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.path().join(".git/info")).unwrap();
    fs::write(fixture.path().join(".git/info/attributes"), "* filter=annex\n").unwrap();
    for (name, value) in [
        ("filter.crypt.clean", ROT),
        ("filter.crypt.smudge", ROT),
        ("filter.annex.clean", "cat"),
        ("filter.annex.smudge", "cat"),
    ] {
        fixture.git(&["config", name, value]);
    }
    fixture
}

fn found(fixture: &Fixture, names: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let read = |name: &&str| ((*name).to_owned(), fs::read(fixture.path().join(name)).unwrap());
    names.iter().map(read).collect()
}

/// Checks a commit out, and compares with what git itself checks out of it.
fn compare_with_git(fixture: &Fixture, to: Oid) {
    let done = fixture.check_out(to).unwrap();
    assert!(done.blocked.is_empty() && done.waiting.is_empty(), "{done:?}");
    let names: Vec<String> = fixture.leaves(to).into_keys().collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let ours = found(fixture, &names);
    fixture.assert_clean();
    for name in &names {
        fs::remove_file(fixture.path().join(name)).unwrap();
    }
    fixture.git(&["checkout", "-q", "-f", "HEAD"]);
    assert_eq!(ours, found(fixture, &names));
}

const ATTRIBUTES: &str = "*.bat text eol=crlf\n*.id ident\n*.wide text working-tree-encoding=UTF-16LE\n*.secret filter=crypt\n\
                          *.mixed filter=crypt eol=crlf\n*.lfs filter=lfs\n";

#[test]
fn files_are_what_git_would_check_out() {
    let fixture = repository();
    let first = leaves([
        (".gitattributes", file(ATTRIBUTES)),
        ("a.bat", file("one\ntwo\n")),
        ("b.id", file("$Id$ text\n")),
        ("c.wide", file("wide\n")),
        ("d.secret", file("cnffjbeq\n")),
        ("e.mixed", file("bar\n")),
        ("f.lfs", file("version https://git-lfs.github.com/spec/v1\n")),
        ("g", file("one\ntwo\n")),
        ("sub/.gitattributes", file("*.bat -text\nx eol=crlf\n")),
        ("sub/a.bat", file("one\n")),
        ("sub/x", file("one\n")),
    ]);
    let first_commit = fixture.commit(&first, &[], "first");
    fixture.start(&leaves([]));
    compare_with_git(&fixture, first_commit);
    assert_eq!(fixture.read("d.secret"), "password\n".as_bytes());

    // Another version of files, of rules, and a name under which another rule holds.
    let mut second = first;
    second.remove("a.bat");
    second.insert("a.sh".to_owned(), file("one\ntwo\n"));
    second.insert("d.secret".to_owned(), file("cnffjbeq gjb\n"));
    second.insert(
        "sub/.gitattributes".to_owned(),
        file("*.bat -text\nx eol=crlf\n*.new text eol=crlf\n"),
    );
    second.insert("sub/n.new".to_owned(), file("one\n"));
    let second = fixture.commit(&second, &[first_commit], "second");
    compare_with_git(&fixture, second);
}

/// Somebody else may have written that configuration: the folder may be on a drive.
#[test]
fn no_program_of_the_configuration_runs_but_the_filters() {
    let fixture = repository();
    let first = leaves([(".gitattributes", file(ATTRIBUTES)), ("a.bat", file("one\n"))]);
    let commit = fixture.commit(&first, &[], "first");
    fixture.start(&leaves([]));
    let monitor = format!("touch '{0}/ran'; touch '{0}/ran too'; false", fixture.path().display());
    fixture.git(&["config", "core.fsmonitor", &monitor]);
    let hooks = fixture.path().join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    for name in ["post-index-change", "post-checkout"] {
        fs::write(hooks.join(name), format!("#!/bin/sh\n{monitor}\n")).unwrap();
        fs::set_permissions(hooks.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fixture.check_out(commit).unwrap();
    assert_eq!(fixture.read("a.bat"), b"one\r\n");
    let path = model::RepoPath::parse(b"d.secret").unwrap();
    fixture.write("d.secret", b"password\n");
    let conversions = super::Conversions::of_work_tree(&fixture.annex).unwrap();
    let conversion = conversions.of(&path).unwrap();
    let stored = conversions.store(&[(&path, conversion)]);
    assert!(stored[&path].is_ok(), "{stored:?}");
    assert!(!fixture.exists("ran") && !fixture.exists("ran too"));
}

/// What is there is compared as git would check it out.
#[test]
fn a_file_that_was_only_touched_is_not_in_the_way() {
    let fixture = repository();
    let mut files = leaves([
        (".gitattributes", file(ATTRIBUTES)),
        ("a.bat", file("one\n")),
        ("d.secret", file("cnffjbeq\n")),
    ]);
    let first = fixture.start(&files);
    for name in ["a.bat", "d.secret"] {
        let touched = fs::File::options().write(true).open(fixture.path().join(name)).unwrap();
        touched.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    files.insert("a.bat".to_owned(), file("two\n"));
    files.remove("d.secret");
    let second = fixture.commit(&files, &[first], "second");
    compare_with_git(&fixture, second);
    assert!(!fixture.exists("d.secret"));
}

#[test]
fn settings_convert_too_but_nothing_annexed() {
    let fixture = repository();
    fixture.git(&["config", "core.autocrlf", "true"]);
    let key = put_object(&fixture.annex, b"content\n");
    let files = leaves([
        ("a", file("one\n")),
        ("b", pointer(&key.to_string())),
        ("c", file("\0\n")),
    ]);
    let commit = fixture.commit(&files, &[], "one");
    fixture.start(&leaves([]));
    fixture.check_out(commit).unwrap();
    assert_eq!(fixture.read("a"), b"one\r\n");
    assert_eq!(fixture.read("b"), b"content\n");
    assert_eq!(fixture.read("c"), b"\0\n");
}

#[test]
fn a_filter_that_must_not_fail_and_does_holds_up_its_own_files_only() {
    let fixture = repository();
    fixture.git(&["config", "filter.crypt.smudge", "false"]);
    fixture.git(&["config", "filter.crypt.required", "true"]);
    fixture.start(&leaves([]));
    let files = leaves([
        (".gitattributes", file(ATTRIBUTES)),
        ("d.secret", file("cnffjbeq\n")),
        ("e", file("plain\n")),
    ]);
    let commit = fixture.commit(&files, &[], "one");
    let done = fixture.check_out(commit).unwrap();
    let told: Vec<String> = done
        .waiting
        .iter()
        .map(|waiting| format!("{} {}", waiting.path, waiting.why))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("d.secret") && told[0].contains("smudge filter crypt failed"),
        "{told:?}"
    );
    assert_eq!(fixture.read("e"), b"plain\n");
    assert!(!fixture.exists("d.secret"));

    fixture.git(&["config", "filter.crypt.smudge", ROT]);
    let done = fixture.check_out(done.ahead.unwrap()).unwrap();
    assert_eq!(done.waiting, []);
    assert_eq!(fixture.read("d.secret"), b"password\n");
}

#[test]
fn a_file_that_cannot_be_brought_back_is_told() {
    let fixture = repository();
    let files = leaves([
        (".gitattributes", file(ATTRIBUTES)),
        ("d.secret", file("cnffjbeq\n")),
        ("e", file("plain\n")),
    ]);
    let commit = fixture.commit(&files, &[], "one");
    fixture.start(&leaves([]));
    fixture.check_out(commit).unwrap();
    fixture.git(&["config", "filter.crypt.smudge", "false"]);
    fixture.git(&["config", "filter.crypt.required", "true"]);
    for name in ["d.secret", "e"] {
        fs::remove_file(fixture.path().join(name)).unwrap();
    }
    let told = fixture.annex.restore(false).unwrap_err().to_string();
    assert!(
        told.contains("d.secret") && told.contains("smudge filter crypt failed"),
        "{told}"
    );
    assert_eq!(fixture.read("e"), b"plain\n");
}
