use std::fs::File;
use std::time::UNIX_EPOCH;

use super::*;

/// A directory that bindfs shows in another place: what is changed in the one, the kernel does not tell of the other.
struct Shown(PathBuf);

impl Shown {
    fn new(directory: &Path, at: &Path) -> Option<Self> {
        let mut bindfs = Command::new("bindfs");
        // Else the kernel trusts for a second what it was told of a file.
        bindfs.args(["-o", "attr_timeout=0,entry_timeout=0"]);
        let is_shown = bindfs
            .arg(directory)
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        is_shown.then(|| Self(at.to_owned()))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = Command::new("fusermount3").arg("-uz").arg(&self.0).status();
    }
}

async fn until_quiet(changes: &mut Changes) {
    let started = Instant::now();
    while tokio::time::timeout(Duration::from_millis(400), changes.next())
        .await
        .is_ok()
    {
        assert!(started.elapsed() < LONG, "it is quiet within a minute");
    }
}

#[tokio::test]
async fn small_places_that_others_can_change_unseen_are_compared() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir_all(at("real/refs/heads")).unwrap();
    fs::create_dir(at("shown")).unwrap();
    fs::write(at("real/refs/heads/main"), "1").unwrap();
    let make_old = |name: &str| File::open(at(name)).unwrap().set_modified(UNIX_EPOCH).unwrap();
    make_old("real");
    let Some(shown) = Shown::new(&at("real"), &at("shown")) else {
        return crate::skipped::lacks("bindfs", "nothing can be mounted by it here");
    };
    let places = [
        place(&at("shown"), WatchScope::Alone),
        place(&at("shown/refs"), WatchScope::All),
    ];
    let (watch, mut changes) = Watch::with_limits(places, usize::MAX, Duration::from_millis(20)).unwrap();
    let rescan = Change::Rescan(at("shown"), Why::Elsewhere);
    until(&mut changes, &rescan).await;
    until_quiet(&mut changes).await;

    // In the same second, and older than before. From elsewhere: where a file goes in the midst of a scan, a rescan is told.
    for text in ["2", "3"] {
        fs::write(at("new"), text).unwrap();
        make_old("new");
        fs::rename(at("new"), at("real/refs/heads/main")).unwrap();
        let seen = paths_until(&mut changes, [at("shown/refs/heads/main")]).await;
        assert!(!seen.contains(&at("shown")), "{seen:?}");
    }
    fs::create_dir(at("real/refs/tags")).unwrap();
    fs::write(at("real/refs/tags/v1"), "").unwrap();
    paths_until(&mut changes, [at("shown/refs/tags/v1")]).await;
    fs::remove_file(at("real/refs/heads/main")).unwrap();
    let is_told = |change: &Change| match change {
        Change::Paths(paths) => paths.contains(&at("shown/refs/heads/main")),
        other @ (Change::Rescan(..) | Change::Blind(_) | Change::Sighted(_)) => *other == rescan,
    };
    while !is_told(&next(&mut changes).await) {}
    until_quiet(&mut changes).await;

    // A file that would take long to read is scanned instead.
    File::create(at("real/film")).unwrap().set_len(2 << 20).unwrap();
    for _ in 0..3 {
        until(&mut changes, &rescan).await;
    }
    fs::remove_file(at("real/film")).unwrap();
    until_quiet(&mut changes).await;
    fs::write(at("real/packed-refs"), "").unwrap();
    paths_until(&mut changes, [at("shown/packed-refs")]).await;

    watch.remove(&at("shown")).unwrap();
    watch.remove(&at("shown/refs")).unwrap();
    let started = Instant::now();
    while polling_threads() > 0 {
        assert!(started.elapsed() < LONG, "nothing is compared any more");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(shown);
}

fn polling_threads() -> usize {
    let names = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = names.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names
        .filter(|name| name.starts_with("polled") || name.starts_with("notify-rs"))
        .count()
}
