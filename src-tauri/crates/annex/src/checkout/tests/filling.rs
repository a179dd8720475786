//! Contents that come after their pointers.

use super::*;
use crate::pointer::MAX_POINTER;
use crate::scratch_repository::Bound;

const CONTENT: &[u8] = b"content";

/// A repository with pointer files of these names, whose content arrived after the checkout.
fn with_pointers(names: &[&str]) -> (Fixture, Vec<(RepoPath, Key)>) {
    let fixture = Fixture::new();
    let key = put_object(&Fixture::new().annex, CONTENT);
    fixture.start(
        &names
            .iter()
            .map(|name| ((*name).to_owned(), pointer_to(&key)))
            .collect(),
    );
    put_object(&fixture.annex, CONTENT);
    let path = |name: &&str| RepoPath::parse(name.as_bytes()).unwrap();
    let files = names.iter().map(|name| (path(name), key.clone())).collect();
    (fixture, files)
}

fn fill(fixture: &Fixture, files: &[(RepoPath, Key)]) -> Vec<String> {
    let filled = fixture.annex.populate(files, false).unwrap();
    filled.iter().map(ToString::to_string).collect()
}

#[test]
fn what_git_was_told_of_a_pointer_it_is_told_of_its_content() {
    let (fixture, files) = with_pointers(&["assumed", "plain"]);
    fixture.git(&["update-index", "--assume-unchanged", "assumed"]);
    fixture.git(&["update-index", "--skip-worktree", "plain"]);
    assert_eq!(fill(&fixture, &files), ["assumed", "plain"]);
    assert_eq!(fixture.git(&["ls-files", "-v"]), "h assumed\nS plain\n");
}

#[test]
fn what_the_user_staged_is_not_taken_for_the_content() {
    let (fixture, files) = with_pointers(&["a"]);
    fixture.write("a.new", b"mine");
    let mine = fixture.git(&["hash-object", "-w", "a.new"]);
    fs::remove_file(fixture.path().join("a.new")).unwrap();
    fixture.git(&["update-index", "--cacheinfo", &format!("100644,{},a", mine.trim())]);
    assert_eq!(fill(&fixture, &files), ["a"]);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "MM a\n");
}

#[test]
fn a_pointer_with_other_permissions_than_the_index_says_is_filled_and_stays_changed() {
    let (fixture, files) = with_pointers(&["a"]);
    let path = fixture.path().join("a");
    let size = format!("size: {}\t", fs::metadata(&path).unwrap().len());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fill(&fixture, &files), ["a"]);
    assert_eq!(fixture.read("a"), CONTENT);
    let entry = fixture.git(&["ls-files", "--debug", "a"]);
    assert!(entry.contains(&size), "{entry}");
}

/// A newer git-annex may append lines to a pointer.
#[test]
fn a_file_is_a_pointer_up_to_the_size_that_git_annex_reads() {
    for (more, is_filled) in [("", true), ("\n", false)] {
        let (fixture, files) = with_pointers(&["a"]);
        let mut text = String::from_utf8(fixture.read("a")).unwrap();
        let rest = MAX_POINTER - text.len() - "/annex/\n".len();
        text += &format!("/annex/{}\n{more}", "x".repeat(rest));
        fixture.write("a", text.as_bytes());
        assert_eq!(!fill(&fixture, &files).is_empty(), is_filled);
    }
}

/// Whoever stored it has looked for pointers where the index had them until then.
#[test]
fn a_content_that_comes_while_its_pointers_are_put_in_place_fills_them() {
    let fixture = Fixture::new();
    let key = put_object(&Fixture::new().annex, CONTENT);
    let leaf = || pointer_to(&key);
    let base = fixture.start(&leaves([("old name", leaf()), ("replaced", file("x"))]));
    let to = leaves([("new name", leaf()), ("replaced", leaf()), ("new", leaf())]);
    let next = fixture.commit(&to, &[base], "next");
    let arrive = &mut |step| {
        if step == Step::WorkTree {
            put_object(&fixture.annex, CONTENT);
        }
        Ok(())
    };
    let options = CheckoutOptions::default();
    let done = fixture.annex.carry_out(&of_main(base, next), &options, false, arrive);
    assert_eq!(done.unwrap().changed, 3);
    for name in ["new name", "replaced", "new"] {
        assert_eq!(fixture.read(name), CONTENT, "{name}");
    }
    fixture.assert_clean();
}

#[test]
fn a_file_that_cannot_be_filled_does_not_hold_up_others() {
    let (fixture, mut files) = with_pointers(&["a", "b", "c"]);
    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path().join("copy");
    fs::copy(fixture.path().join("a"), &copy).unwrap();
    let Some(_pointer) = Bound::mount(&copy, fixture.path().join("a")) else {
        return;
    };
    // A damaged object is set aside.
    let damaged = put_object(&fixture.annex, b"damaged");
    let Some(_object) = Bound::mount(&copy, fixture.annex.store().find(&damaged).unwrap()) else {
        return;
    };
    files[1].1 = damaged.clone();
    fixture.write("b", format!("/annex/objects/{damaged}\n").as_bytes());
    assert_eq!(fill(&fixture, &files), ["c"]);
}

#[test]
fn what_is_staged_while_contents_are_made_stays() {
    let (fixture, files) = with_pointers(&["a"]);
    let filled = fixture.annex.populate_by_steps(&files, false, &mut |step| {
        if step == Step::Marker {
            fixture.write("mine", b"mine");
            fixture.git(&["add", "mine"]);
        }
        Ok(())
    });
    assert_eq!(filled.unwrap().len(), 1);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "A  mine\n");
}

#[test]
fn what_cannot_be_logged_ends_the_filling() {
    let (fixture, files) = with_pointers(&["a"]);
    let object = fixture.annex.store().find(&files[0].1).unwrap();
    fs::write(object, b"CONTENT").unwrap();
    fixture.write(".git/refs/heads/git-annex", b"not a commit\n");
    assert!(fixture.annex.populate(&files, false).is_err());
}

/// The filter stages the pointer for the content too, so the index does not tell the two apart by their size.
#[test]
fn a_file_whose_content_is_as_long_as_its_pointer_is_filled_once() {
    let fixture = Fixture::new();
    let content = [b'x'; 93];
    let key = put_object(&Fixture::new().annex, &content);
    let pointer = pointer_to(&key);
    assert!(matches!(&pointer, Leaf::File(text) if text.len() == content.len()));
    fixture.start(&leaves([("a", pointer)]));
    put_object(&fixture.annex, &content);
    let files = [(RepoPath::parse(b"a").unwrap(), key)];
    assert_eq!(fill(&fixture, &files), ["a"]);
    let inode = || fs::metadata(fixture.path().join("a")).unwrap().ino();
    let before = inode();
    assert_eq!(fill(&fixture, &files), Vec::<String>::new());
    assert_eq!(inode(), before);
}

#[test]
fn many_files_are_filled_but_those_of_the_user_stay() {
    let names: Vec<String> = (0..300).map(|number| format!("d{}/{number}", number % 3)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (fixture, files) = with_pointers(&names);
    // As long as the pointer.
    let mine = vec![b'm'; fixture.read(names[0]).len()];
    // Not in the second in which it was checked out: git compares no fractions.
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    for name in [names[0], names[299]] {
        fixture.write(name, &mine);
        let file = fs::File::options().write(true).open(fixture.path().join(name));
        file.unwrap().set_modified(before).unwrap();
    }
    let filled: BTreeSet<String> = fill(&fixture, &files).into_iter().collect();
    assert_eq!(filled.len(), 298);
    for name in &names {
        let expected = if filled.contains(*name) { CONTENT } else { &mine };
        assert_eq!(fixture.read(name), expected, "{name}");
    }
    let status = fixture.git(&["status", "--porcelain"]);
    assert_eq!(status.lines().count(), 2, "{status}");
}
