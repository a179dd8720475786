//! Links in the place of our own files.

use super::*;

/// Anybody who had the drive may have put a link in place of one of our files.
#[test]
fn no_link_among_our_own_files_is_followed() {
    for (name, is_directory) in [
        ("anabranch", true),
        ("anabranch/observations.db", false),
        ("anabranch/observations.db-wal", false),
        ("anabranch/observations.db-shm", false),
        ("anabranch/observations.db-journal", false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let annex = annex::init::init(&directory.path().join("top"), Some("here"), 1).unwrap();
        let outside = directory.path().join("outside");
        match is_directory {
            true => fs::create_dir(&outside).unwrap(),
            false => fs::write(&outside, "precious").unwrap(),
        }
        let link = annex.git_dir().join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        let opened = engine_state(annex, Arc::new(Process::new()));
        let told = opened.err().unwrap().to_string();
        assert!(told.contains(name) && told.contains("is a link"), "{told}");
        match is_directory {
            true => assert_eq!(fs::read_dir(&outside).unwrap().count(), 0),
            false => assert_eq!(fs::read_to_string(&outside).unwrap(), "precious"),
        }
    }
}
