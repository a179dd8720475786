//! What settings and attributes say of the files that are taken in.

use std::fs;
use std::os::unix::fs::symlink;

use bstr::ByteSlice;

use super::{Postponed, key, path};
use crate::Backend;
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
fn files_stay_unlocked_where_there_are_no_symlinks() {
    for (wanted, crippled, unlocked) in [("true", false, false), ("false", false, true), ("true", true, true)] {
        let mut repo = Scratch::new();
        repo.unlocked = false;
        repo.git(&["config", "core.symlinks", wanted]);
        repo.settings.crippled = crippled;
        repo.write("a", "a");
        repo.sync();
        assert_eq!(!repo.path("a").is_symlink(), unlocked, "{wanted}, {crippled}");
    }
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

#[test]
fn a_file_in_the_place_of_a_symlink_is_new() {
    let repo = repository();
    symlink("elsewhere", repo.path("a")).unwrap();
    repo.ingest_by_rules();
    fs::remove_file(repo.path("a")).unwrap();
    repo.write("a", "content");
    repo.ingest_by_rules();
    assert!(is_annexed(&repo, "a"));
}

/// Stages a pointer to a key that git-annex has made, as it does: its object is here, the file is too.
fn stage_as_git_annex(repo: &Scratch, name: &str, content: &str, text: &str) {
    let key = key(text);
    let object = repo.annex.store().object_path(&key);
    fs::create_dir_all(object.parent().unwrap()).unwrap();
    fs::write(object, content).unwrap();
    repo.write(name, &format!("/annex/objects/{text}\n"));
    repo.git(&["-c", "filter.annex.clean=", "add", name]);
    repo.write(name, content);
}

#[test]
fn a_file_that_was_only_touched_keeps_the_key_of_another_backend() {
    let repo = repository();
    let mut keys = Vec::new();
    for (name, keeps) in [("SHA512E", ".txt"), ("SHA1", ""), ("MD5E", ".txt"), ("BLAKE2B256", "")] {
        let mut hasher = crate::Hasher::new(Backend::parse(name.as_bytes()).unwrap().0);
        hasher.update(b"hello");
        keys.push(format!("{name}-s5--{}{keeps}", hasher.finish()));
    }
    keys.push("VURL--annex-compute-sing-program".to_owned());
    keys.push("WORM-s5-m1--a.txt".to_owned());
    for text in keys {
        for is_here in [true, false] {
            let has_hash = !text.starts_with("VURL") && !text.starts_with("WORM");
            if !is_here && !has_hash {
                continue;
            }
            stage_as_git_annex(&repo, "a.txt", "hello", &text);
            if !is_here {
                fs::remove_file(repo.annex.store().object_path(&key(&text))).unwrap();
            }
            repo.ingest_by_rules();
            assert_eq!(staged(&repo, "a.txt"), format!("/annex/objects/{text}\n"));
            assert!(repo.annex.store().is_present(&key(&text)));
            assert!(repo.look().is_clean());
        }
        repo.write("a.txt", "hellO");
        repo.ingest_by_rules();
        assert!(
            staged(&repo, "a.txt").starts_with("/annex/objects/SHA256E-s5--"),
            "{text}"
        );
    }
}

#[test]
fn what_was_edited_is_told_from_an_object_without_a_hash() {
    let repo = repository();
    // More than is compared at a time.
    let long: String = (0..100_000).map(|number| number.to_string()).collect();
    let key = "VURL--annex-compute-sing-program";
    stage_as_git_annex(&repo, "a.txt", &long, key);
    repo.ingest_by_rules();
    assert_eq!(staged(&repo, "a.txt"), format!("/annex/objects/{key}\n"));
    repo.write("a.txt", &long[..long.len() - 1]);
    repo.ingest_by_rules();
    assert!(staged(&repo, "a.txt").starts_with("/annex/objects/SHA256E-"));
}
