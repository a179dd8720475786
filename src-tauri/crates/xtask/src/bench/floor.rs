//! What plain programs need for the same: the floor that no engine gets below.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::layout::Layout;

/// The time of one run of a program.
pub(super) fn time(program: &str, arguments: &[&Path]) -> Result<Duration> {
    let start = Instant::now();
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status();
    ensure!(
        status
            .with_context(|| format!("{program} could not be started"))?
            .success(),
        "{program} failed"
    );
    Ok(start.elapsed())
}

/// The best of three runs of `run`, each with a number of its own.
///
/// Deletes nothing before the end: ext4 without a journal creates files more slowly for minutes after many were deleted, which
/// would distort the measurement.
pub(super) fn best(mut run: impl FnMut(usize) -> Result<Duration>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for number in 0..3 {
        best = best.min(run(number)?);
    }
    Ok(best)
}

/// Creates by the plainest means the files that a burst leaves in two clones: an object of its own, in three directories
/// of its own, in each clone, and a file in the second work tree.
pub(super) fn plain_files(directory: &Path, count: usize, content: &[u8]) -> Result<Duration> {
    let start = Instant::now();
    for clone in ["a", "b"] {
        for number in 0..count {
            object(&directory.join(clone), number, content)?;
        }
    }
    let files = directory.join("files");
    fs::create_dir_all(&files)?;
    for number in 0..count {
        fs::write(files.join(number.to_string()), content)?;
    }
    Ok(start.elapsed())
}

fn object(clone: &Path, number: usize, content: &[u8]) -> Result<()> {
    // Spread as hashes are: most of the two upper directories are new as well.
    let spread = number.wrapping_mul(2_654_435_761) % (1 << 20);
    let directory = clone.join(format!("{:x}/{:x}/{number}", spread >> 10, spread & 1023));
    fs::create_dir_all(&directory)?;
    Ok(fs::write(directory.join("object"), content)?)
}

/// Creates an object for each file in each of the clones, and all files in one work tree. Then syncs the file system once.
pub(super) fn synced_files(directory: &Path, threads: usize, clones: usize, layout: &Layout) -> Result<Duration> {
    nix::unistd::sync();
    let start = Instant::now();
    let work_tree = directory.join("files");
    layout.make_directories(&work_tree)?;
    let share = layout.files.div_ceil(threads);
    let make = |thread: usize| -> Result<()> {
        // Neighbours are in the same directories, which threads would contend for.
        for number in (0..layout.files).skip(thread * share).take(share) {
            let content = Layout::content(number);
            for clone in 0..clones {
                object(&directory.join(clone.to_string()), number, content.as_bytes())?;
            }
            fs::write(work_tree.join(layout.path_of(number)), content)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || make(thread))).collect();
        let mut ended = running.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.try_for_each(|ended| ended.unwrap_or_else(|_| bail!("a thread of the floor panicked")))
    })?;
    nix::unistd::syncfs(File::open(directory)?)?;
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_the_files_without_a_gap() {
        let (scratch, layout) = (tempfile::tempdir().unwrap(), Layout::new(5, false));
        synced_files(scratch.path(), 2, 1, &layout).unwrap();
        assert_eq!(layout.arrived(&scratch.path().join("files")), 5);
    }
}
