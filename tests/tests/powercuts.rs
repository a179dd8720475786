//! The power is cut while Anabranch works: what was promised is there, and all becomes right again by itself.
//!
//! A short form of `cargo xtask powercuts`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use whole_system::Chance;
use whole_system::forgetful::Rules;
use whole_system::power_cuts::{Pair, cut_many};
use whole_system::skip::or_skipped;

/// How many cuts there are.
const CUTS: usize = 40;

#[test]
fn a_power_cut_loses_nothing_that_was_promised() {
    if !std::path::Path::new("/dev/fuse").exists() {
        return whole_system::skip::lacks("fuse", "there is no /dev/fuse");
    }
    let faults = or_skipped("fuse", cut_many(&mut Chance::new(), CUTS, 2, &|_| {}));
    let Some(faults) = faults else { return };
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{} of {CUTS}:\n{}", told.len(), told.join("\n"));
}

#[test]
fn a_checkout_is_noted_on_the_disk_before_the_first_file_changes() {
    if !std::path::Path::new("/dev/fuse").exists() {
        return whole_system::skip::lacks("fuse", "there is no /dev/fuse");
    }
    let mut chance = Chance::new();
    let Some(pair) = or_skipped("fuse", Pair::new(&mut chance)) else {
        return;
    };
    for rules in [Rules::Journal, Rules::Trees] {
        let unnoted = pair.cut_before_files_change(rules, 20, &mut chance).unwrap();
        assert_eq!(unnoted, 0, "{rules:?}: so many of 20 cuts left no note");
    }
}
