//! What a process and all that it started cost: a web view is processes of its own.

use std::collections::BTreeMap;
use std::fs;

use nix::unistd::{Pid, SysconfVar, sysconf};

/// The memory of a process and its descendants in MiB; what is shared with others counts in part.
pub(crate) fn memory(program: Pid) -> f64 {
    let of = |process: i32| {
        let figures = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
        let line = figures.lines().find_map(|line| line.strip_prefix("Pss:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
    };
    family(program).into_iter().filter_map(of).sum::<f64>() / 1024.0
}

/// The processor time that a process and its descendants have used, in seconds.
pub(crate) fn time(program: Pid) -> f64 {
    let ticks = sysconf(SysconfVar::CLK_TCK).unwrap().expect("the system has a clock");
    let of = |process: i32| {
        let fields = fields(process)?;
        // User and system, of itself and of children that have ended.
        let parts = fields.get(11..15)?.iter().filter_map(|part| part.parse::<f64>().ok());
        Some(parts.sum::<f64>())
    };
    #[expect(clippy::cast_precision_loss, reason = "there are a hundred ticks in a second")]
    let ticks = ticks as f64;
    family(program).into_iter().filter_map(of).sum::<f64>() / ticks
}

/// A process and all its descendants.
fn family(program: Pid) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let parent = fields(process).and_then(|fields| fields.get(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(process);
    }
    let mut found = vec![program.as_raw()];
    let mut next = 0;
    while let Some(process) = found.get(next) {
        found.extend(children.remove(process).unwrap_or_default());
        next += 1;
    }
    found
}

/// What the system says of a process behind its name, from its state on; none if it has ended.
fn fields(process: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, behind) = text.rsplit_once(')')?;
    Some(behind.split_whitespace().map(str::to_owned).collect())
}
