use std::fs;

use crate::scratch_repository::Scratch;

/// Its key would have to be sent everywhere.
#[test]
fn content_that_is_the_same_keeps_its_key_under_another_name() {
    let repo = Scratch::new();
    repo.write("a.tar.gz", "content");
    repo.sync();
    let staged = |name: &str| repo.git(&["rev-parse", &format!(":{name}")]);
    let pointer = staged("a.tar.gz");
    fs::rename(repo.path("a.tar.gz"), repo.path("b.zip")).unwrap();
    repo.sync();
    assert_eq!(staged("b.zip"), pointer);
    repo.write("b.zip", "content");
    assert_eq!(repo.look().modified.len(), 1);
    assert!(repo.sync().commit.is_none());
    assert_eq!(staged("b.zip"), pointer);
    repo.write("b.zip", "contenT");
    repo.sync();
    assert_ne!(staged("b.zip"), pointer);
}
