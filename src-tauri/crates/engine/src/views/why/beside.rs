//! Commands that run beside an engine.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use contract::Why;
use model::RepoPath;

use super::why;
use crate::views::lists::tests::{Scene, scene};
use crate::work::FolderState;
use crate::work::process::Process;
use crate::work::tests::commit_unlogged;

/// The database of an engine that has observed a photo.
fn observed() -> (Scene, PathBuf) {
    let scene = scene();
    scene.observe([(b"photo".to_vec(), true, false)]);
    let database = scene.state.annex().own_dir().join("observations.db");
    (scene, database)
}

/// What a command says of the photo.
fn asked(engine: &FolderState) -> Why {
    let annex = annex::Annex::open(engine.annex().work_tree().unwrap()).unwrap();
    let command = FolderState::of_command(annex, Arc::new(Process::new())).unwrap();
    let path = RepoPath::parse(b"photo").unwrap();
    why(&command, None, &path).unwrap()
}

/// True if a command knows who has the photo.
fn is_known(engine: &FolderState) -> bool {
    !asked(engine).have.is_empty()
}

#[test]
fn a_command_reads_the_observations_and_leaves_them_to_the_engine() {
    let (scene, database) = observed();
    assert!(is_known(&scene.state));
    let database = rusqlite::Connection::open(database).unwrap();
    let is_closed: bool = database
        .query_row("SELECT is_closed FROM soundness", [], |row| row.get(0))
        .unwrap();
    assert!(!is_closed, "should the computer crash now, it has to be checked");
}

/// It may be unreadable only because an engine is just making it, or because the engine is of another version.
#[test]
fn a_command_leaves_an_unreadable_database_to_the_engine() {
    let (scene, database) = observed();
    let file = || fs::metadata(&database).unwrap().ino();
    let before = file();
    let other = rusqlite::Connection::open(&database).unwrap();
    other.execute_batch("PRAGMA user_version = 1").unwrap();
    assert!(!is_known(&scene.state));
    assert_eq!(file(), before);
    fs::write(&database, "no database").unwrap();
    assert!(!is_known(&scene.state));
    assert_eq!(
        (file(), fs::read(&database).unwrap()),
        (before, b"no database".to_vec())
    );
    fs::remove_dir_all(scene.state.annex().own_dir()).unwrap();
    assert!(!is_known(&scene.state));
    assert!(!scene.state.annex().own_dir().exists());
}

#[test]
fn a_command_says_when_no_engine_has_looked_yet() {
    let scene = scene();
    commit_unlogged(&scene.state, "photo");
    fs::remove_dir_all(scene.state.annex().own_dir()).unwrap();
    let sentence = asked(&scene.state).sentence;
    assert!(sentence.contains("'anabranch sync' finds out"), "{sentence}");
}
