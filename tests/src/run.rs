//! Running programs, with failures that can be read.

use std::fmt::Write as _;
use std::process::{Command, Output};

/// Runs a command that must succeed and returns what it printed on standard output.
///
/// # Panics
///
/// When it cannot be started or fails; the message holds the command line, the folder, and all that it said.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = attempt(command);
    assert!(output.status.success(), "{}", told(command, &output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command that may fail, but must not crash.
///
/// # Panics
///
/// When it cannot be started, is killed by a signal, or a Rust program panics.
#[track_caller]
pub fn attempt(command: &mut Command) -> Output {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{} could not be started: {error}", line(command)),
    };
    let has_panicked = String::from_utf8_lossy(&output.stderr).contains("panicked at");
    assert!(
        output.status.code().is_some() && !has_panicked,
        "a crash: {}",
        told(command, &output)
    );
    output
}

/// All that a command said, for a failed assertion.
#[must_use]
pub fn told(command: &Command, output: &Output) -> String {
    let mut text = line(command);
    // Writing into a String cannot fail.
    let _ = write!(text, "\n  {}", output.status);
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            let _ = write!(text, "\n--- {name}\n{}", String::from_utf8_lossy(bytes).trim_end());
        }
    }
    text
}

/// A command line with its folder, for people.
fn line(command: &Command) -> String {
    let mut text = format!("$ {:?}", command.get_program());
    for argument in command.get_args() {
        // Writing into a String cannot fail.
        let _ = write!(text, " {argument:?}");
    }
    if let Some(folder) = command.get_current_dir() {
        let _ = write!(text, "\n  in {}", folder.display());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "no room")]
    fn a_failure_tells_what_the_program_said() {
        run(Command::new("sh").args(["-c", "echo no room >&2; exit 1"]));
    }

    #[test]
    #[should_panic(expected = "a crash")]
    fn a_signal_is_a_crash() {
        attempt(Command::new("sh").args(["-c", "kill -SEGV $$"]));
    }
}
