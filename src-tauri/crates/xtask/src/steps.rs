//! Steps that are shown, timed, and summed up at the end.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs one step after the other and remembers how long each took.
pub(crate) struct Steps {
    began_at: Instant,
    ended: Vec<(String, Duration, bool)>,
}

impl Steps {
    /// Begins with no steps.
    pub(crate) fn new() -> Steps {
        Steps {
            began_at: Instant::now(),
            ended: Vec::new(),
        }
    }

    /// Runs a command as a step, its output going to the terminal.
    ///
    /// # Errors
    ///
    /// When the command cannot be started or does not succeed; the message names it and repeats its command line.
    pub(crate) fn command(&mut self, name: &str, command: &mut Command) -> Result<()> {
        self.step(name, || {
            println!("  $ {}", shown(command));
            succeed(command)
        })
    }

    /// Runs anything as a step.
    ///
    /// # Errors
    ///
    /// The step's own.
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n▶ {name}");
        let began_at = Instant::now();
        let result = work();
        let took = began_at.elapsed();
        println!("{} {name}: {}", if result.is_ok() { "✔" } else { "✘" }, seconds(took));
        self.ended.push((name.to_owned(), took, result.is_ok()));
        result.with_context(|| format!("stopped at the step “{name}”"))
    }

    /// Tells what was run, how long each step took, and all together.
    pub(crate) fn summary(&self) -> String {
        let width = self
            .ended
            .iter()
            .map(|(name, ..)| name.chars().count())
            .max()
            .unwrap_or(0)
            .max(10);
        let mut text = String::from("\n");
        for (name, took, is_good) in &self.ended {
            let mark = if *is_good { "✔" } else { "✘" };
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{mark} {name:width$}  {:>9}", seconds(*took));
        }
        let _ = writeln!(text, "  {:width$}  {:>9}", "all", seconds(self.began_at.elapsed()));
        text
    }
}

/// Runs a command to its end.
///
/// # Errors
///
/// When it cannot be started or does not succeed.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("`{program}` could not be started"))?;
    if !status.success() {
        bail!("`{}` failed ({status}); its own message stands above", shown(command));
    }
    Ok(())
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
///
/// When it cannot be started or does not succeed; the message holds what it said on standard error.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("`{program}` could not be started"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(command), output.status, said.trim());
    }
    Ok(output.stdout)
}

/// A command line for people: the program without its folder, arguments with blanks in quotes.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        if argument.is_empty() || argument.contains(char::is_whitespace) {
            let _ = write!(line, " '{argument}'");
        } else {
            let _ = write!(line, " {argument}");
        }
    }
    line
}

/// A duration for people: milliseconds below a second, minutes above one.
pub(crate) fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else if time < Duration::from_secs(60) {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_unit_that_fits() {
        assert_eq!(seconds(Duration::from_millis(7)), "7 ms");
        assert_eq!(seconds(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(61)), "1 min 01 s");
    }

    #[test]
    fn a_failed_command_is_named_and_stands_in_the_summary() {
        let mut steps = Steps::new();
        steps.command("good", &mut Command::new("true")).unwrap();
        let error = steps
            .command("bad", Command::new("false").arg("an argument"))
            .unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("“bad”") && text.contains("false 'an argument'"), "{text}");
        let summary = steps.summary();
        assert!(summary.contains("✔ good") && summary.contains("✘ bad"), "{summary}");
    }

    #[test]
    fn the_error_of_a_failed_command_has_its_output() {
        let error = output(Command::new("sh").args(["-c", "echo no room >&2; exit 3"])).unwrap_err();
        assert!(format!("{error:#}").contains("no room"));
    }
}
