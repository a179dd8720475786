//! What settings and attributes say of the files that are taken in.

use std::fs;

use bstr::ByteSlice;

use super::{Postponed, path};
use crate::scratch_repository::Scratch;

fn repository() -> Scratch {
    let repo = Scratch::new();
    repo.git(&["config", "annex.addunlocked", "true"]);
    repo
}

fn staged(repo: &Scratch, name: &str) -> String {
    repo.git(&["cat-file", "blob", &format!(":{name}")]).to_string()
}

fn is_annexed(repo: &Scratch, name: &str) -> bool {
    repo.git(&["cat-file", "blob", &format!(":{name}")])
        .contains_str("/annex/objects/")
}

#[test]
fn the_users_own_attributes_hold() {
    let repo = repository();
    let own = repo.folder.path().join("attributes");
    fs::write(&own, "*.md annex.largefiles=nothing\n").unwrap();
    repo.git(&["config", "core.attributesFile", own.to_str().unwrap()]);
    repo.write("n.md", "note");
    repo.write("n.jpg", "photo");
    repo.ingest_by_rules();
    assert_eq!(staged(&repo, "n.md"), "note");
    assert!(is_annexed(&repo, "n.jpg"));
}

#[test]
fn a_rule_that_cannot_be_understood_makes_its_files_wait() {
    let repo = repository();
    repo.write(
        ".gitattributes",
        "*.txt annex.largefiles=(nonsense\n*.c annex.largefiles=nothing\n",
    );
    repo.write("a.txt", "a");
    repo.write("a.c", "c");
    let intake = repo.ingest_by_rules();
    assert_eq!(repo.names(), [".gitattributes", "a.c"]);
    let [(file, Postponed::Undecided(why))] = intake.postponed.as_slice() else {
        panic!("{:?}", intake.postponed);
    };
    assert_eq!(*file, path("a.txt"));
    assert!(why.contains("annex.largefiles is set to \"(nonsense\""), "{why}");
}

#[test]
fn text_is_told_from_other_content() {
    let repo = repository();
    repo.write(
        ".gitattributes",
        "* annex.largefiles=((mimeencoding=binary)and(largerthan=0))\n",
    );
    repo.write("notes.txt", "some text\n");
    fs::write(repo.path("data"), b"\0\x01\x02\x03").unwrap();
    repo.make_old(&repo.path("data"));
    let intake = repo.ingest_by_rules();
    match crate::magic::mime_of(&fs::File::open(repo.path("notes.txt")).unwrap()) {
        Ok(_) => {
            assert_eq!(staged(&repo, "notes.txt"), "some text\n");
            assert!(is_annexed(&repo, "data"));
        }
        Err(why) => {
            assert_eq!(repo.names(), [".gitattributes"]);
            let told = |reason: &Postponed| matches!(reason, Postponed::Undecided(told) if told.contains(&why));
            assert!(
                intake.postponed.iter().all(|(_, reason)| told(reason)),
                "{:?}",
                intake.postponed
            );
        }
    }
}

#[test]
fn a_file_that_git_keeps_stays_there_when_it_is_edited() {
    let repo = repository();
    repo.write("main.c", "int main(){}");
    repo.git(&["-c", "filter.annex.clean=", "add", "main.c"]);
    repo.git(&["commit", "-qm", "one"]);
    repo.write("main.c", "int main(){return 0;}");
    repo.write("new.c", "new");
    repo.ingest_by_rules();
    assert_eq!(staged(&repo, "main.c"), "int main(){return 0;}");
    assert!(is_annexed(&repo, "new.c"));

    // A rule for it is for what is edited from then on.
    repo.git(&["config", "annex.largefiles", "anything"]);
    repo.make_old(&repo.path("main.c"));
    repo.ingest_by_rules();
    assert_eq!(staged(&repo, "main.c"), "int main(){return 0;}");
    repo.write("main.c", "int main(){return 1;}");
    repo.ingest_by_rules();
    assert!(is_annexed(&repo, "main.c"));
}
