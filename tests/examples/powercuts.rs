//! Cuts the power while Anabranch works, so many times (2,000 if not said): `cargo xtask powercuts`.
//!
//! With two more words, a workload and the rules (`Merge Journal`), only these are cut, from `ANABRANCH_SEED` on.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to the person at the terminal"
)]

use std::process::ExitCode;
use std::time::Instant;

use whole_system::Chance;
use whole_system::forgetful::Rules;
use whole_system::power_cuts::{Fault, Pair, Workload, cut_many};

/// As many as let the machine's processors work.
const THREADS: usize = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let cuts = arguments
        .next()
        .map_or(2_000, |text| text.parse().expect("the number of cuts"));
    let mut chance = Chance::new();
    let began = Instant::now();
    let faults = match (arguments.next(), arguments.next()) {
        (Some(workload), Some(rules)) => cut_one(&workload, &rules, cuts, &mut chance),
        _ => cut_many(&mut chance, cuts, THREADS, &|line| println!("{line}")),
    };
    match faults {
        Err(reason) => {
            eprintln!("this machine cannot: {reason}");
            ExitCode::FAILURE
        }
        Ok(faults) => {
            println!("{cuts} cuts, {} faults, {} s", faults.len(), began.elapsed().as_secs());
            if faults.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn cut_one(workload: &str, rules: &str, cuts: usize, chance: &mut Chance) -> Result<Vec<Fault>, String> {
    let workload = Workload::ALL.into_iter().find(|known| format!("{known:?}") == workload);
    let rules = [Rules::Journal, Rules::Trees]
        .into_iter()
        .find(|known| format!("{known:?}") == rules);
    let (Some(workload), Some(rules)) = (workload, rules) else {
        return Err(format!(
            "a workload is one of {:?}; rules are Journal or Trees",
            Workload::ALL
        ));
    };
    let seed = chance.seed();
    let faults = Pair::new(chance)?.cut(workload, rules, seed, cuts)?;
    faults.iter().for_each(|fault| println!("{fault}"));
    Ok(faults)
}
