use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{Fault, Pair, Workload};
use crate::Chance;
use crate::forgetful::Rules;

/// How many cuts one run of a workload serves at most.
const OF_ONE_RUN: usize = 25;

/// Some cuts of one run of a workload.
#[derive(Debug, Clone, Copy)]
struct Job {
    workload: Workload,
    rules: Rules,
    seed: u64,
    cuts: usize,
}

/// Cuts the power so many times, in all workloads by all rules alike, on so many disks at a time. The faults that it finds.
///
/// # Errors
///
/// In words, when this machine cannot mount such a disk or watch system calls.
///
/// # Panics
///
/// When a workload fails without any cut.
pub fn cut_many(
    chance: &mut Chance,
    cuts: usize,
    threads: usize,
    told: &(dyn Fn(&str) + Sync),
) -> Result<Vec<Fault>, String> {
    let kinds: Vec<(Workload, Rules)> = [Rules::Journal, Rules::Trees]
        .into_iter()
        .flat_map(|rules| Workload::ALL.map(|workload| (workload, rules)))
        .collect();
    let mut jobs = Vec::new();
    let mut left = cuts;
    while left > 0 {
        let (workload, rules) = kinds[jobs.len() % kinds.len()];
        let cuts = cuts.div_ceil(kinds.len()).min(OF_ONE_RUN).min(left);
        // Written with a fault: `ANABRANCH_SEED` brings this run as the first.
        let seed = if jobs.is_empty() {
            chance.seed()
        } else {
            chance.number()
        };
        jobs.push(Job {
            workload,
            rules,
            seed,
            cuts,
        });
        left -= cuts;
    }
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let mut chance = Chance::from_seed(chance.number());
                let (next, faults, jobs) = (&next, &faults, &jobs);
                scope.spawn(move || -> Result<(), String> {
                    let pair = Pair::new(&mut chance)?;
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let found = pair.cut(job.workload, job.rules, job.seed, job.cuts)?;
                        told(&format!("{job}: {}", words(found.len())));
                        found.iter().for_each(|fault| told(&fault.to_string()));
                        faults.lock().expect("nobody panics with it").extend(found);
                    }
                    Ok(())
                })
            })
            .collect();
        for worker in workers {
            match worker.join() {
                Ok(done) => done?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok::<(), String>(())
    })?;
    Ok(faults.into_inner().expect("nobody panics with it"))
}

fn words(faults: usize) -> String {
    match faults {
        0 => "all right".to_owned(),
        1 => "1 fault".to_owned(),
        many => format!("{many} faults"),
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Job {
            workload,
            rules,
            seed,
            cuts,
        } = self;
        write!(f, "{workload:?} by the rules of {rules:?}, seed {seed}, {cuts} cuts")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault {
            workload,
            rules,
            seed,
            at: (at, of),
            what,
            story,
        } = self;
        write!(
            f,
            "{workload:?} by the rules of {rules:?}, seed {seed}, cut at {at} of {of}: {what}\nWhat happened last:\n{story}"
        )
    }
}
