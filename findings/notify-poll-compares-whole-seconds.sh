#!/usr/bin/env bash
# notify's PollWatcher tells no change within the same second, and no older file that takes another's place.
#
# It looks at files again and compares what it saw. Expected: a file whose time of modification differs, in whatever direction,
# has changed; file systems keep that time in nanoseconds. Seen with notify 8.2.2, without `with_compare_contents`: the time is
# cut to whole seconds, and only a later second counts. A file that is written twice in a second, or restored from a backup
# with its old time, is never told, also if its size is another.
#
# Needs cargo and its registry. Ends with 1 if it is not so any more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src watched
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.1.0"
edition = "2021"

[dependencies]
notify = { version = "=8.2.2", default-features = false }
TOML
cat >src/main.rs <<'RUST'
use notify::{Config, PollWatcher, RecursiveMode, Watcher};
use std::fs::{self, File};
use std::sync::mpsc::channel;
use std::time::{Duration, UNIX_EPOCH};

fn main() {
    let start = UNIX_EPOCH + Duration::from_millis(1_700_000_000_100);
    let write = |text: &str, at| {
        fs::write("watched/file", text).unwrap();
        let file = File::options().write(true).open("watched/file").unwrap();
        file.set_modified(at).unwrap();
    };
    write("one", start);
    let (tell, told) = channel();
    let config = Config::default().with_manual_polling();
    let mut watcher = PollWatcher::new(tell, config).unwrap();
    watcher.watch("watched".as_ref(), RecursiveMode::NonRecursive).unwrap();
    let changed = |text: &str, at| {
        write(text, at);
        watcher.poll().unwrap();
        // The answer to a poll comes from another thread.
        let first = told.recv_timeout(Duration::from_secs(2));
        let is_told = first.is_ok();
        while told.recv_timeout(Duration::from_millis(200)).is_ok() {}
        is_told
    };
    println!("half a second later: {}", changed("two, longer", start + Duration::from_millis(500)));
    println!("a minute earlier: {}", changed("three, from a backup", start - Duration::from_secs(60)));
    println!("a minute later: {}", changed("four", start + Duration::from_secs(60)));
}
RUST
cargo run --quiet >seen
echo "notify 8.2.2 tells of a file that is modified"
cat seen
cat >expected <<'TEXT'
half a second later: false
a minute earlier: false
a minute later: true
TEXT
cmp -s seen expected
