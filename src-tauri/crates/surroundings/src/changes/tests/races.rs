//! Changes while the watching thread is busy, of which it hears only afterwards.

use super::*;

/// Gathers paths until `wanted` has come, and nothing else may come.
async fn only_paths_until(changes: &mut Changes, wanted: &Path) -> BTreeSet<PathBuf> {
    let mut seen = BTreeSet::new();
    while !seen.contains(wanted) {
        match next(changes).await {
            Change::Paths(paths) => seen.extend(paths),
            other @ (Change::Rescan(..) | Change::Blind(_) | Change::Sighted(_)) => panic!("{other:?}"),
        }
    }
    seen
}

#[tokio::test]
async fn a_directory_that_is_filled_before_it_is_watched_is_reported_in_full() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    let (watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    let held = hold(&watch);
    fs::create_dir_all(at("a/b/c")).unwrap();
    fs::write(at("a/file"), "").unwrap();
    fs::write(at("a/b/c/deep"), "").unwrap();
    drop(held);
    paths_until(&mut changes, [at("a/file"), at("a/b/c/deep")]).await;
    fs::write(at("a/b/c/later"), "").unwrap();
    paths_until(&mut changes, [at("a/b/c/later")]).await;
}

#[tokio::test]
async fn changes_in_a_directory_that_has_just_been_renamed_have_its_new_name() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir_all(at("old/sub")).unwrap();
    let (watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    let held = hold(&watch);
    fs::rename(at("old"), at("new")).unwrap();
    fs::write(at("new/sub/file"), "").unwrap();
    fs::create_dir(at("new/sub/more")).unwrap();
    fs::write(at("new/sub/more/x"), "").unwrap();
    drop(held);
    let wanted = [at("old"), at("new"), at("new/sub/file"), at("new/sub/more/x")];
    let mut seen = paths_until(&mut changes, wanted).await;
    fs::write(at("new/sub/more/later"), "").unwrap();
    seen.extend(paths_until(&mut changes, [at("new/sub/more/later")]).await);
    seen.remove(&at("old"));
    assert!(!seen.iter().any(|path| path.starts_with(at("old"))), "{seen:?}");
}

#[tokio::test]
async fn directories_that_swap_their_names_are_not_mixed_up() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir_all(at("a/of-a")).unwrap();
    fs::create_dir_all(at("b/of-b")).unwrap();
    let (watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    let held = hold(&watch);
    for (from, to) in [("a", "aside"), ("b", "a"), ("aside", "b")] {
        fs::rename(at(from), at(to)).unwrap();
    }
    drop(held);
    paths_until(&mut changes, [at("a/of-b"), at("b/of-a"), at("aside")]).await;
    fs::write(at("a/of-b/x"), "").unwrap();
    fs::write(at("b/of-a/x"), "").unwrap();
    let seen = paths_until(&mut changes, [at("a/of-b/x"), at("b/of-a/x")]).await;
    assert!(
        !seen.contains(&at("b/of-b/x")) && !seen.contains(&at("a/of-a/x")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_directory_that_is_renamed_there_and_back_stays_watched() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir_all(at("a/sub")).unwrap();
    let (watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    let held = hold(&watch);
    fs::rename(at("a"), at("b")).unwrap();
    fs::rename(at("b"), at("a")).unwrap();
    drop(held);
    paths_until(&mut changes, [at("a"), at("b"), at("a/sub")]).await;
    fs::write(at("a/sub/x"), "").unwrap();
    paths_until(&mut changes, [at("a/sub/x")]).await;
}

#[tokio::test]
async fn a_directory_that_was_moved_away_is_forgotten() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir_all(at("out/sub")).unwrap();
    let (watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    let held = hold(&watch);
    fs::rename(at("out"), elsewhere.path().join("out")).unwrap();
    fs::write(elsewhere.path().join("out/sub/x"), "").unwrap();
    drop(held);
    only_paths_until(&mut changes, &at("out")).await;
    fs::write(elsewhere.path().join("out/sub/y"), "").unwrap();
    fs::write(at("last"), "").unwrap();
    let seen = only_paths_until(&mut changes, &at("last")).await;
    assert_eq!(seen, [at("last")].into());
}

#[tokio::test]
async fn lost_events_lead_to_a_rescan_and_no_directory_keeps_a_wrong_name() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["old/sub", "out/sub", "gone/sub"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    let (watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    let held = hold(&watch);
    // Permission changes are the cheapest events; equal ones in a row are merged by the kernel, so two files in turn.
    let files = ["a", "b"].map(at);
    files.iter().for_each(|file| fs::write(file, "").unwrap());
    for _ in 0..20_000 {
        for file in &files {
            fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        }
    }
    fs::create_dir(at("unseen")).unwrap();
    fs::rename(at("old"), at("new")).unwrap();
    fs::rename(at("out"), elsewhere.path().join("out")).unwrap();
    fs::remove_dir_all(at("gone")).unwrap();
    drop(held);
    until(&mut changes, &Change::Rescan(top.path().to_owned(), Why::Overflow)).await;
    fs::write(elsewhere.path().join("out/sub/x"), "").unwrap();
    fs::create_dir_all(at("gone/sub")).unwrap();
    let files = ["unseen/x", "new/sub/x", "gone/sub/x"].map(at);
    files.iter().for_each(|file| fs::write(file, "").unwrap());
    let seen = paths_until(&mut changes, files).await;
    assert!(
        !seen.contains(&at("old/sub/x")) && !seen.contains(&at("out/sub/x")),
        "{seen:?}"
    );
}

/// The kernel tells the end of each watch, which must not overflow its queue.
#[tokio::test]
async fn more_directories_than_the_queue_holds_can_be_forgotten() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    let elsewhere = tempfile::tempdir().unwrap();
    for nth in 0..17_000 {
        fs::create_dir_all(at("many").join(nth.to_string())).unwrap();
    }
    let (_watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    fs::rename(at("many"), elsewhere.path().join("many")).unwrap();
    match next(&mut changes).await {
        Change::Paths(paths) => assert_eq!(paths, [at("many")]),
        Change::Blind(blind) => return println!("not tested: this machine's limit of watches is lower ({blind:?})"),
        other @ (Change::Rescan(..) | Change::Sighted(_)) => panic!("{other:?}"),
    }
    fs::write(at("last"), "").unwrap();
    let seen = only_paths_until(&mut changes, &at("last")).await;
    assert_eq!(seen, [at("last")].into());
}
