mod polled;
mod races;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use super::{Blind, Change, Changes, Message, Watch, WatchScope, WatchedPlace, Why};

const LONG: Duration = Duration::from_secs(60);

fn place(path: &Path, scope: WatchScope) -> WatchedPlace {
    WatchedPlace {
        path: path.to_owned(),
        scope,
    }
}

fn watch(path: &Path, scope: WatchScope) -> (Watch, Changes) {
    Watch::new([place(path, scope)]).unwrap()
}

async fn next(changes: &mut Changes) -> Change {
    tokio::time::timeout(LONG, changes.next())
        .await
        .expect("a change within a minute")
        .expect("the watching goes on")
}

/// Gathers paths until all of `wanted` have come; gives all that came.
async fn paths_until(changes: &mut Changes, wanted: impl IntoIterator<Item = PathBuf>) -> BTreeSet<PathBuf> {
    let wanted: BTreeSet<PathBuf> = wanted.into_iter().collect();
    let mut seen = BTreeSet::new();
    while !wanted.is_subset(&seen) {
        if let Change::Paths(paths) = next(changes).await {
            seen.extend(paths);
        }
    }
    seen
}

async fn until(changes: &mut Changes, wanted: &Change) {
    while next(changes).await != *wanted {}
}

/// Keeps the watching thread busy until what is returned is dropped.
fn hold(watch: &Watch) -> Sender<()> {
    let (release, released) = channel();
    let (started, has_started) = channel();
    let hold = move || {
        started.send(()).unwrap();
        let _: Result<(), _> = released.recv();
    };
    watch.messages.tell(Message::Hold(Box::new(hold))).unwrap();
    has_started.recv().unwrap();
    release
}

/// After a wait, every change made before is known.
#[test]
fn a_wait_delivers_all_earlier_changes() {
    let top = tempfile::tempdir().unwrap();
    let (watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    let delivery = watch.delivery();
    for round in 0..20 {
        let made: BTreeSet<PathBuf> = (0..50).map(|n| top.path().join(format!("{round}-{n}"))).collect();
        made.iter().for_each(|path| fs::write(path, "").unwrap());
        assert!(delivery.wait(LONG));
        let mut seen = BTreeSet::new();
        while let Some(Change::Paths(paths)) = changes.next_ready() {
            seen.extend(paths);
        }
        assert!(made.is_subset(&seen), "{round}: {} of {}", seen.len(), made.len());
    }
    // Events had been read already when this happened and was asked for.
    let held = hold(&watch);
    fs::write(top.path().join("late"), "").unwrap();
    assert!(!delivery.wait(Duration::from_millis(1)));
    let (done, answer) = std::sync::mpsc::sync_channel(1);
    watch.messages.tell(Message::Deliver(done)).unwrap();
    drop(held);
    answer.recv_timeout(LONG).unwrap();
    assert_eq!(changes.next_ready(), Some(Change::Paths(vec![top.path().join("late")])));
    drop(watch);
    while changes.next_ready().is_some() {}
    assert!(!delivery.wait(LONG), "the watching has ended");
}

#[tokio::test]
async fn every_kind_of_change_is_reported() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir(at("old")).unwrap();
    fs::write(at("old/file"), "1").unwrap();
    let (_watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    fs::write(at("old/file"), "2").unwrap();
    paths_until(&mut changes, [at("old/file")]).await;
    fs::rename(at("old/file"), at("moved")).unwrap();
    paths_until(&mut changes, [at("old/file"), at("moved")]).await;
    std::os::unix::fs::symlink("anywhere", at("link")).unwrap();
    fs::hard_link(at("moved"), at("hard")).unwrap();
    paths_until(&mut changes, [at("link"), at("hard")]).await;
    fs::set_permissions(at("moved"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    paths_until(&mut changes, [at("moved")]).await;
    fs::remove_file(at("hard")).unwrap();
    fs::remove_dir(at("old")).unwrap();
    paths_until(&mut changes, [at("hard"), at("old")]).await;
    // The very first write into a directory made together with it.
    fs::create_dir_all(at("a/b/c")).unwrap();
    fs::write(at("a/b/c/deep"), "").unwrap();
    paths_until(&mut changes, [at("a"), at("a/b/c/deep")]).await;
    fs::write(at("a/b/c/later"), "").unwrap();
    paths_until(&mut changes, [at("a/b/c/later")]).await;
}

#[tokio::test]
async fn git_directories_are_not_looked_into() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir_all(at(".git/annex")).unwrap();
    fs::create_dir_all(at("sub/.git")).unwrap();
    let (_watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    fs::write(at(".git/index"), "").unwrap();
    fs::write(at("sub/.git/index"), "").unwrap();
    fs::create_dir_all(at("new/.git/x")).unwrap();
    fs::write(at("new/.git/x/y"), "").unwrap();
    fs::write(at("new/file"), "").unwrap();
    fs::write(at("last"), "").unwrap();
    let seen = paths_until(&mut changes, [at("last"), at("new/file")]).await;
    assert!(
        !seen
            .iter()
            .any(|path| path.components().any(|part| part.as_os_str() == ".git")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_git_directory_can_be_a_place_of_its_own() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir_all(at(".git/refs/heads")).unwrap();
    fs::create_dir_all(at(".git/objects")).unwrap();
    let (watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    watch.add(place(&at(".git"), WatchScope::Alone)).unwrap();
    watch.add(place(&at(".git/refs"), WatchScope::All)).unwrap();
    fs::write(at(".git/objects/x"), "").unwrap();
    fs::write(at(".git/refs/heads/main"), "").unwrap();
    fs::write(at(".git/index"), "").unwrap();
    let seen = paths_until(&mut changes, [at(".git/refs/heads/main"), at(".git/index")]).await;
    assert!(!seen.contains(&at(".git/objects/x")));
    watch.remove(&at(".git/refs")).unwrap();
    fs::write(at(".git/refs/heads/main"), "").unwrap();
    fs::write(at(".git/HEAD"), "").unwrap();
    let seen = paths_until(&mut changes, [at(".git/HEAD")]).await;
    assert!(!seen.contains(&at(".git/refs/heads/main")));
}

#[tokio::test]
async fn a_moved_directory_is_followed() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    fs::write(at("a/b/file"), "").unwrap();
    let (_watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    fs::rename(at("a"), at("c")).unwrap();
    paths_until(&mut changes, [at("a"), at("c"), at("c/b"), at("c/b/file")]).await;
    fs::write(at("c/b/file"), "more").unwrap();
    let seen = paths_until(&mut changes, [at("c/b/file")]).await;
    assert!(!seen.contains(&at("a/b/file")));
    // A directory of the old name is another one.
    fs::create_dir_all(at("a/b")).unwrap();
    fs::write(at("a/b/new"), "").unwrap();
    paths_until(&mut changes, [at("a/b/new")]).await;
    fs::remove_dir_all(at("c")).unwrap();
    paths_until(&mut changes, [at("c")]).await;
    fs::write(at("a/b/newer"), "").unwrap();
    paths_until(&mut changes, [at("a/b/newer")]).await;
}

#[tokio::test]
async fn the_old_names_of_many_moved_directories_can_be_used_again() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    let names: Vec<String> = (0..200).map(|n| format!("a/{n}")).collect();
    names.iter().for_each(|name| fs::create_dir_all(at(name)).unwrap());
    let (_watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    fs::rename(at("a"), at("b")).unwrap();
    paths_until(&mut changes, [at("b/0"), at("b/199")]).await;
    names.iter().for_each(|name| fs::create_dir_all(at(name)).unwrap());
    paths_until(&mut changes, names.iter().map(|name| at(name))).await;
    names.iter().for_each(|name| fs::write(at(name).join("x"), "").unwrap());
    paths_until(&mut changes, names.iter().map(|name| at(name).join("x"))).await;
    fs::write(at("b/199/y"), "").unwrap();
    paths_until(&mut changes, [at("b/199/y")]).await;
}

#[tokio::test]
async fn directories_beyond_the_watch_limit_are_polled() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir_all(at("a/deep")).unwrap();
    fs::create_dir_all(at("b")).unwrap();
    let places = [place(top.path(), WatchScope::WorkTree)];
    let (watch, mut changes) = Watch::with_limits(places, 3, Duration::from_millis(20)).unwrap();
    let Change::Blind(Blind { path, why }) = next(&mut changes).await else {
        panic!()
    };
    assert_eq!((path.as_path(), why), (at("a/deep").as_path(), Why::WatchLimit));
    until(&mut changes, &Change::Rescan(at("a/deep"), Why::WatchLimit)).await;
    until(&mut changes, &Change::Rescan(at("a/deep"), Why::WatchLimit)).await;
    // Room was made: it is watched again, and no longer polled.
    fs::remove_dir(at("b")).unwrap();
    until(&mut changes, &Change::Sighted(at("a/deep"))).await;
    fs::write(at("a/deep/x"), "").unwrap();
    paths_until(&mut changes, [at("a/deep/x")]).await;
    // With very many, the whole place is polled.
    for n in 0..100 {
        fs::create_dir(top.path().join(format!("d{n}"))).unwrap();
    }
    until(&mut changes, &Change::Rescan(top.path().to_owned(), Why::WatchLimit)).await;
    drop(watch);
}

#[tokio::test]
async fn a_place_may_come_go_and_be_replaced() {
    let top = tempfile::tempdir().unwrap();
    let root = top.path().join("root");
    let places = [place(&root, WatchScope::WorkTree)];
    let (_watch, mut changes) = Watch::with_limits(places, usize::MAX, Duration::from_millis(20)).unwrap();
    let gone = Change::Blind(Blind {
        path: root.clone(),
        why: Why::Missing,
    });
    until(&mut changes, &gone).await;
    fs::create_dir(&root).unwrap();
    until(&mut changes, &Change::Sighted(root.clone())).await;
    fs::write(root.join("x"), "").unwrap();
    paths_until(&mut changes, [root.join("x")]).await;
    fs::rename(&root, top.path().join("elsewhere")).unwrap();
    until(&mut changes, &Change::Rescan(root.clone(), Why::Missing)).await;
    until(&mut changes, &gone).await;
    fs::create_dir(&root).unwrap();
    until(&mut changes, &Change::Sighted(root.clone())).await;
    fs::write(root.join("y"), "").unwrap();
    paths_until(&mut changes, [root.join("y")]).await;
}

#[tokio::test]
async fn a_mount_inside_a_place_is_watched() {
    if !rustix::process::geteuid().is_root() {
        return crate::skipped::lacks("root", "only root can mount");
    }
    let top = tempfile::tempdir().unwrap();
    let disk = top.path().canonicalize().unwrap().join("disk");
    fs::create_dir_all(disk.join("covered")).unwrap();
    let (watch, mut changes) = watch(disk.parent().unwrap(), WatchScope::WorkTree);
    let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    for is_place_too in [false, true] {
        if is_place_too {
            watch.add(place(&disk, WatchScope::Alone)).unwrap();
        }
        if !run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&disk)) {
            return crate::skipped::lacks("mount", "mounting is not allowed here");
        }
        fs::create_dir(disk.join("directory")).unwrap();
        watch.mounted(&disk).unwrap();
        until(&mut changes, &Change::Rescan(disk.clone(), Why::Missing)).await;
        for name in ["file", "directory/file"] {
            fs::write(disk.join(name), "").unwrap();
            paths_until(&mut changes, [disk.join(name)]).await;
        }
        assert!(run(Command::new("umount").arg(&disk)));
        paths_until(&mut changes, [disk.clone()]).await;
        fs::write(disk.join("covered/file"), "").unwrap();
        paths_until(&mut changes, [disk.join("covered/file")]).await;
    }
}

/// Nothing tells that a directory above it was moved.
#[test]
fn a_work_tree_in_the_place_of_another_is_noticed_by_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let above = folder.path().canonicalize().unwrap().join("above");
    let top = above.join("top");
    fs::create_dir_all(&top).unwrap();
    let (watch, _changes) = watch(&top, WatchScope::WorkTree);
    let since = |moment: &str| {
        assert!(watch.delivery().wait(LONG));
        watch.history().unwrap().since(moment)
    };
    let first = since("");
    assert_eq!(since(&first.moment).paths, Some(vec![]));
    fs::rename(&above, above.with_file_name("moved")).unwrap();
    fs::create_dir_all(top.join("directory")).unwrap();
    let second = since(&first.moment);
    assert_eq!(second.paths, None);
    fs::write(top.join("directory/file"), "").unwrap();
    assert_eq!(since(&second.moment).paths, Some(vec!["directory/file".into()]));
}

#[test]
fn a_written_file_changes_under_all_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().canonicalize().unwrap();
    for name in ["one", "alone"] {
        fs::write(top.join(name), "").unwrap();
    }
    fs::hard_link(top.join("one"), top.join("another")).unwrap();
    let (watch, _changes) = watch(&top, WatchScope::WorkTree);
    let since = |moment: &str| {
        assert!(watch.delivery().wait(LONG));
        watch.history().unwrap().since(moment)
    };
    let first = since("");
    fs::write(top.join("alone"), "more").unwrap();
    let second = since(&first.moment);
    assert_eq!(second.paths, Some(vec!["alone".into()]));
    fs::write(top.join("one"), "more").unwrap();
    assert_eq!(since(&second.moment).paths, None);
}

#[tokio::test]
async fn a_place_that_is_mounted_over_is_watched() {
    if !rustix::process::geteuid().is_root() {
        return crate::skipped::lacks("root", "only root can mount");
    }
    let top = tempfile::tempdir().unwrap();
    let git_dir = top.path().canonicalize().unwrap().join(".git");
    fs::create_dir(&git_dir).unwrap();
    let (watch, mut changes) = watch(git_dir.parent().unwrap(), WatchScope::WorkTree);
    watch.add(place(&git_dir, WatchScope::Alone)).unwrap();
    let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&git_dir)) {
        return crate::skipped::lacks("mount", "mounting is not allowed here");
    }
    watch.mounted(&git_dir).unwrap();
    until(&mut changes, &Change::Rescan(git_dir.clone(), Why::Missing)).await;
    fs::write(git_dir.join("index"), "").unwrap();
    paths_until(&mut changes, [git_dir.join("index")]).await;
    assert!(run(Command::new("umount").arg(&git_dir)));
    until(&mut changes, &Change::Rescan(git_dir.clone(), Why::Missing)).await;
    fs::write(git_dir.join("HEAD"), "").unwrap();
    paths_until(&mut changes, [git_dir.join("HEAD")]).await;
}

#[tokio::test]
async fn file_systems_that_report_no_changes_are_polled() {
    if !rustix::process::geteuid().is_root() {
        return crate::skipped::lacks("root", "only root can mount");
    }
    let top = tempfile::tempdir_in("/dev/shm").unwrap();
    let at = |name: &str| top.path().join(name);
    for name in ["lower", "upper", "work", "tree/disk"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let layers = ["lowerdir", "upperdir", "workdir"]
        .into_iter()
        .zip(["lower", "upper", "work"]);
    let layers: Vec<_> = layers
        .map(|(option, name)| format!("{option}={}", at(name).display()))
        .collect();
    let disk = at("tree/disk");
    let mut mount = Command::new("mount");
    if !run(mount
        .args(["-t", "overlay", "none", "-o", &layers.join(",")])
        .arg(&disk))
    {
        return crate::skipped::lacks("mount", "mounting is not allowed here");
    }
    let places = [place(&at("tree"), WatchScope::WorkTree)];
    let (watch, mut changes) = Watch::with_limits(places, usize::MAX, Duration::from_millis(20)).unwrap();
    let blind = Change::Blind(Blind {
        path: disk.clone(),
        why: Why::Elsewhere,
    });
    assert_eq!(next(&mut changes).await, blind);
    for _ in 0..2 {
        assert_eq!(next(&mut changes).await, Change::Rescan(disk.clone(), Why::Elsewhere));
    }
    // It is watched as well.
    fs::write(disk.join("x"), "").unwrap();
    paths_until(&mut changes, [disk.join("x")]).await;
    drop(watch);
    assert!(run(Command::new("umount").arg(&disk)));
}

#[tokio::test]
async fn a_place_inside_another_takes_nothing_from_it() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir_all(at("inner/deep")).unwrap();
    let (watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    watch.add(place(&at("inner"), WatchScope::Alone)).unwrap();
    fs::rename(at("inner"), at("aside")).unwrap();
    fs::rename(at("aside"), at("inner")).unwrap();
    until(&mut changes, &Change::Rescan(at("inner"), Why::Missing)).await;
    paths_until(&mut changes, [at("inner/deep")]).await;
    fs::write(at("inner/deep/x"), "").unwrap();
    paths_until(&mut changes, [at("inner/deep/x")]).await;
    watch.remove(&at("inner")).unwrap();
    until(&mut changes, &Change::Rescan(at("inner"), Why::Missing)).await;
    fs::write(at("inner/deep/y"), "").unwrap();
    paths_until(&mut changes, [at("inner/deep/y")]).await;
}

#[tokio::test]
async fn changes_in_a_directory_of_two_names_are_reported_under_both() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link");
    fs::create_dir(at("directory")).unwrap();
    std::os::unix::fs::symlink(at("directory"), &link).unwrap();
    let (watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    watch.add(place(&link, WatchScope::Alone)).unwrap();
    fs::write(at("directory/x"), "").unwrap();
    paths_until(&mut changes, [at("directory/x"), link.join("x")]).await;
    watch.remove(&link).unwrap();
    fs::write(at("directory/y"), "").unwrap();
    let seen = paths_until(&mut changes, [at("directory/y")]).await;
    assert!(!seen.contains(&link.join("y")), "{seen:?}");
    watch.add(place(&link, WatchScope::Alone)).unwrap();
    fs::remove_dir_all(at("directory")).unwrap();
    let gone = Change::Blind(Blind {
        path: link,
        why: Why::Missing,
    });
    until(&mut changes, &gone).await;
}

#[tokio::test]
async fn a_missing_place_that_comes_is_seen_at_once() {
    let top = tempfile::tempdir().unwrap();
    let above = top.path().join("above");
    let root = above.join("between/root");
    let never = Duration::from_secs(100_000);
    let places = [place(&root, WatchScope::WorkTree)];
    let (_watch, mut changes) = Watch::with_limits(places, usize::MAX, never).unwrap();
    let missing = Change::Blind(Blind {
        path: root.clone(),
        why: Why::Missing,
    });
    until(&mut changes, &missing).await;
    for _ in 0..2 {
        fs::create_dir_all(&root).unwrap();
        until(&mut changes, &Change::Sighted(root.clone())).await;
        fs::write(root.join("x"), "").unwrap();
        paths_until(&mut changes, [root.join("x")]).await;
        fs::rename(&root, top.path().join("elsewhere")).unwrap();
        until(&mut changes, &missing).await;
        fs::write(above.join("between/other"), "").unwrap();
        fs::rename(top.path().join("elsewhere"), &root).unwrap();
        until(&mut changes, &Change::Sighted(root.clone())).await;
        fs::write(root.join("y"), "").unwrap();
        paths_until(&mut changes, [root.join("y")]).await;
        // Also if the directories go that it was in.
        fs::remove_dir_all(&above).unwrap();
        until(&mut changes, &missing).await;
    }
}

#[tokio::test]
async fn twenty_thousand_directories_are_watched_soon() {
    let top = tempfile::tempdir().unwrap();
    for a in 0..20 {
        for b in 0..1000 {
            fs::create_dir_all(top.path().join(format!("{a}/{b}"))).unwrap();
        }
    }
    let started = Instant::now();
    let (_watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    let took = started.elapsed();
    println!("20,021 directories watched after {took:?}");
    fs::write(top.path().join("19/999/x"), "").unwrap();
    match next(&mut changes).await {
        Change::Paths(paths) => assert_eq!(paths, [top.path().join("19/999/x")]),
        Change::Blind(blind) => println!("not measured: this machine's limit of watches is lower ({blind:?})"),
        other @ (Change::Rescan(..) | Change::Sighted(_)) => panic!("{other:?}"),
    }
    assert!(took < Duration::from_secs(8));
}

#[tokio::test]
async fn nothing_wakes_while_nothing_happens() {
    let top = tempfile::tempdir().unwrap();
    let (_watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    let quiet = tokio::time::timeout(Duration::from_millis(300), changes.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    drop(_watch);
    assert_eq!(changes.next().await, None);
}

/// `truncate(2)` opens and closes nothing.
#[tokio::test]
async fn a_file_cut_by_its_name_is_reported() {
    let top = tempfile::tempdir().unwrap();
    let file = top.path().join("file");
    fs::write(&file, "long text").unwrap();
    let (_watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    for length in [4, 2] {
        nix::unistd::truncate(&file, length).unwrap();
        paths_until(&mut changes, [file.clone()]).await;
    }
}

#[tokio::test]
async fn a_directory_that_becomes_a_repository_is_reported() {
    let top = tempfile::tempdir().unwrap();
    let project = top.path().join("project");
    fs::create_dir(&project).unwrap();
    let (_watch, mut changes) = watch(top.path(), WatchScope::WorkTree);
    fs::create_dir(project.join(".git")).unwrap();
    paths_until(&mut changes, [project.clone()]).await;
    fs::write(project.join(".git/index"), "").unwrap();
    fs::remove_dir_all(project.join(".git")).unwrap();
    let seen = paths_until(&mut changes, [project.clone()]).await;
    assert_eq!(seen, [project].into());
}
