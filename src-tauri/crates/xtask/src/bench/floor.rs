//! What plain programs need for the same: the floor that no engine gets below.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

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
/// Deletes nothing before the end: ext4 creates files more slowly for minutes after many were deleted, which would distort
/// the measurement.
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
            // Spread as hashes are: most of the two upper directories are new as well.
            let spread = number.wrapping_mul(2_654_435_761) % (1 << 20);
            let objects = directory
                .join(clone)
                .join(format!("{:x}/{:x}/{number}", spread >> 10, spread & 1023));
            fs::create_dir_all(&objects)?;
            fs::write(objects.join("object"), content)?;
        }
    }
    let files = directory.join("files");
    fs::create_dir_all(&files)?;
    for number in 0..count {
        fs::write(files.join(number.to_string()), content)?;
    }
    Ok(start.elapsed())
}
