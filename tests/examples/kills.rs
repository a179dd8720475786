//! Kills two engines while they sync, so many times (1,000 if not said): `cargo xtask kills`.

#![allow(clippy::print_stdout, reason = "it talks to the person at the terminal")]

use std::time::Instant;

use whole_system::Chance;
use whole_system::kills::kill_many;

fn main() {
    let kills = std::env::args()
        .nth(1)
        .map_or(1_000, |text| text.parse().expect("the number of kills"));
    let began = Instant::now();
    kill_many(&mut Chance::new(), kills, &|line| println!("{line}"));
    println!("{kills} kills, no fault, {} s", began.elapsed().as_secs());
}
