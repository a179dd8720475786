//! Files are on disk before a commit has them.

use crate::durable::told::{self, Synced};
use crate::scratch_repository::Scratch;
use crate::store::MANY;

#[test]
fn few_files_are_synced_one_by_one_and_many_together() {
    for count in [1, MANY - 1, MANY] {
        let repo = Scratch::new();
        let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        names.iter().for_each(|name| repo.write(name, name));
        let look = repo.look();
        told::all();
        let is_annexed = |path: &model::RepoPath| path.as_bytes() != b"0";
        repo.ingest_deciding(look, &is_annexed).unwrap();
        let synced = told::all();
        let one_by_one = names.iter().all(|name| synced.contains(&Synced::at(repo.path(name))));
        assert_eq!(one_by_one, count < MANY, "{count}: {synced:?}");
        assert!(
            one_by_one || synced.contains(&Synced::FileSystem),
            "{count}: {synced:?}"
        );
    }
}
