//! What engines cost: processor, memory, bytes written and wakeups, as the system counts them.

use std::collections::HashMap;
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
    of_status(process, "VmRSS:")
}

/// The part of it that is in no file, in MiB: mapped packs don't count.
pub(super) fn anonymous(process: u32) -> Result<f64> {
    of_status(process, "RssAnon:")
}

/// The most memory that a process has used, in MiB.
pub(super) fn peak(process: u32) -> Result<f64> {
    of_status(process, "VmHWM:")
}

fn of_status(process: u32, field: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("the engine has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib: f64 = line
        .context("no memory figure")?
        .trim()
        .trim_end_matches(" kB")
        .parse()?;
    Ok(kib / 1024.0)
}

/// The bytes that a process and its ended children have had written to disks.
pub(super) fn written(process: u32) -> Result<f64> {
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

/// A figure of a process, and of each process below it: git-annex and Syncthing work in children.
pub(super) fn of_family(process: u32, figure: fn(u32) -> Result<f64>) -> Result<Vec<f64>> {
    let mut figures = vec![figure(process)?];
    // A child may end between being listed and being read.
    figures.extend(descendants(process)?.into_iter().filter_map(|child| figure(child).ok()));
    Ok(figures)
}

fn descendants(process: u32) -> Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = parent(id) {
            children.entry(parent).or_default().push(id);
        }
    }
    let (mut found, mut next) = (Vec::new(), vec![process]);
    while let Some(id) = next.pop() {
        let below = children.remove(&id).unwrap_or_default();
        next.extend(&below);
        found.extend(below);
    }
    Ok(found)
}

fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_below_another_counts_with_it() {
        // The second command keeps the shell from making way for the first.
        let mut shell = Command::new("sh")
            .args(["-c", "cat; true"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // An answer means that `cat` runs.
        let (mut input, mut output) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
        std::io::Write::write_all(&mut input, b"x").unwrap();
        std::io::Read::read_exact(&mut output, &mut [0]).unwrap();
        assert_eq!(of_family(shell.id(), memory).unwrap().len(), 2);
        drop(input);
        shell.wait().unwrap();
    }
}
