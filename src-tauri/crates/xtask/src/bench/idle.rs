//! What engines cost while nothing happens.

use std::fs;

use anyhow::{Context, Result};

/// How often all threads of a process have been put to sleep by themselves: each time means that they had woken.
pub(super) fn wakeups(process: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).context("the engine has ended")? {
        // A thread may end between being listed and being read.
        let Ok(status) = fs::read_to_string(thread?.path().join("status")) else {
            continue;
        };
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(sum)
}

/// The memory of a process that is in use, in MiB.
pub(super) fn memory(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("the engine has ended")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no memory figure")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// The most memory that a process has used, in MiB.
pub(super) fn peak(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("the engine has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .context("no memory figure")?
        .trim()
        .trim_end_matches(" kB")
        .parse()?;
    Ok(kib / 1024.0)
}

/// The bytes that a process has had written to disks.
pub(super) fn written(process: u32) -> Result<u64> {
    let io = fs::read_to_string(format!("/proc/{process}/io")).context("the engine has ended")?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    Ok(line.context("no figure of bytes written")?.trim().parse()?)
}

/// The seconds of processor that a process and its ended children have used.
pub(super) fn processor(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).context("the engine has ended")?;
    let (_, fields) = stat.rsplit_once(')').context("no figure of the processor")?;
    // utime, stime, cutime and cstime, fields 14 to 17 (proc_pid_stat(5)); the first after the name is field 3.
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks / 100.0)
}
