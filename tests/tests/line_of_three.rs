//! A–B–C, A and C not connected: files dropped into A are in C, though B is killed again and again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use whole_system::clones::{Actor, connect_both};
use whole_system::{Chance, Engine, Sandbox, checks, eventually, trees};

const FILES: usize = 500;
const KILLS: usize = 5;

#[test]
fn five_hundred_files_cross_a_clone_that_is_killed_five_times() {
    let mut chance = Chance::new();
    let sandbox = Sandbox::new();
    let a = Actor::Anabranch.init(&sandbox, "a");
    let b = Actor::Anabranch.clone(&sandbox, &a, "b", false);
    let c = Actor::Anabranch.clone(&sandbox, &b, "c", false);
    connect_both(&sandbox, &a, &b);
    connect_both(&sandbox, &b, &c);
    let ends = [Engine::start(&sandbox, &[&a]), Engine::start(&sandbox, &[&c])];
    let mut middle = Engine::start(&sandbox, &[&b]);

    let mut expected: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for burst in 0..KILLS {
        for number in 0..FILES / KILLS {
            let length = 1 + chance.below(8_192);
            let bytes = chance.bytes(length);
            let path = PathBuf::from(format!("drop {burst}/file {number}.bin"));
            fs::create_dir_all(a.join(path.parent().unwrap())).unwrap();
            fs::write(a.join(&path), &bytes).unwrap();
            expected.insert(path, bytes);
        }
        std::thread::sleep(Duration::from_millis(chance.below(600) as u64));
        middle.kill();
        middle = Engine::spawn(&sandbox, &[&b]);
    }
    for clone in [&c, &b, &a] {
        eventually(Duration::from_secs(90), || trees::holds(clone, &expected));
    }
    middle.stop();
    for engine in ends {
        engine.stop();
    }
    checks::same_commit_tree(&sandbox, &[&a, &b, &c]).unwrap();
    for clone in [&a, &b, &c] {
        checks::assert_whole(&sandbox, clone);
    }
}
