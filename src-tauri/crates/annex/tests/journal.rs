//! The journal as the real git-annex writes it.
#![allow(clippy::unwrap_used, reason = "all of it is for tests")]

mod fixture;

use annex::logs::{Presence, VectorClock};
use fixture::{Fixture, HERE, bytes, show, vectors};
use model::{Key, Uuid};

#[test]
fn journal_files_are_read_and_committed_under_the_right_paths() {
    let vectors = vectors("journal.json");
    let cases = vectors["cases"].as_array().unwrap();
    let fixture = Fixture::new();
    let branch = fixture.annex.branch();
    let mut concerned = 0;
    for case in cases {
        let content = bytes(&case["content"]).unwrap();
        let (name, path) = (&case["journal_file"][0], case["branch_path"][0].as_str().unwrap());
        std::fs::write(fixture.journal().join(name.as_str().unwrap()), &content).unwrap();
        let found = branch.read(path.as_bytes()).unwrap();
        assert_eq!(show(found.as_deref()), show(Some(&content)), "{name}");
    }
    let tip = branch.fold().unwrap();
    assert!(tip.is_some());
    assert_eq!(std::fs::read_dir(fixture.journal()).unwrap().count(), 0);
    for case in cases {
        let (content, path) = (
            bytes(&case["content"]).unwrap(),
            case["branch_path"][0].as_str().unwrap(),
        );
        assert_eq!(fixture.committed(path.as_bytes()), Some(content), "{path}");
    }
    assert_eq!(branch.fold().unwrap(), tip, "nothing is left to commit");

    // The same facts, recorded here, give the same files: nothing changes.
    let now = VectorClock::parse(b"1000").unwrap();
    for case in cases {
        let key = Key::parse(case["key"].as_str().unwrap().as_bytes()).unwrap();
        let presence = [(key.clone(), Uuid::parse(HERE).unwrap(), Presence::Present)];
        assert_eq!(Some(branch.record_presence(&presence, now).unwrap()), tip, "{key}");
        if !key.is_chunk() {
            concerned += 1;
            let missing = [(key.clone(), Uuid::parse(HERE).unwrap(), Presence::Missing)];
            let other = Fixture::new();
            other.annex.branch().record_presence(&missing, now).unwrap();
            let path = case["branch_path"][0].as_str().unwrap();
            let wanted = format!("1000s 0 {HERE}\n").into_bytes();
            assert_eq!(other.committed(path.as_bytes()), Some(wanted), "{key}");
        }
    }
    println!("{} journal cases run, {concerned} of them also written", cases.len());
}

#[test]
fn logs_of_the_whole_repository_are_committed_verbatim() {
    let vectors = vectors("journal.json");
    let cases = vectors["global_logs"].as_array().unwrap();
    for case in cases {
        let fixture = Fixture::new();
        let (content, name) = (bytes(&case["content"]).unwrap(), case["journal_file"].as_str().unwrap());
        std::fs::write(fixture.journal().join(name), &content).unwrap();
        let branch = fixture.annex.branch();
        branch.fold().unwrap();
        assert_eq!(fixture.committed(name.as_bytes()), Some(content), "{name}");
    }
    println!("{} global journal cases run", cases.len());
}

#[test]
fn a_journal_file_of_another_program_counts_at_once_and_is_committed_by_the_next_change() {
    let vectors = vectors("journal.json");
    let case = &vectors["externally_written_journal_file"];
    let fixture = Fixture::new();
    let branch = fixture.annex.branch();
    let now = VectorClock::parse(b"1000").unwrap();
    branch.record_number("numcopies.log", 2, now).unwrap();
    let key = Key::parse(b"SHA256E-s7--cd.txt").unwrap();
    let path = annex::logs::location_log(&key);
    let name = String::from_utf8(path.clone()).unwrap().replace('/', "_");
    std::fs::write(fixture.journal().join(name), bytes(&case["wrote"]).unwrap()).unwrap();
    assert_eq!(branch.locations(&key).unwrap(), [Uuid::parse(HERE).unwrap()]);
    branch.record_number("mincopies.log", 2, now).unwrap();
    assert_eq!(fixture.subject(), case["commit_subject"].as_str().unwrap());
    let committed = show(fixture.committed(&path).as_deref());
    assert_eq!(
        committed.trim_end(),
        show(bytes(&case["committed_as"]).as_deref()).trim_end()
    );
}
