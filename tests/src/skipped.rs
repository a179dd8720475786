//! Tests that cannot run on a machine say so, and why. With nothing but the standard library: tests in other crates take this
//! file in by its path.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Says that a test is left out here, and why.
///
/// The line goes to standard error and, because a runner hides what a passing test says, to the file that
/// `ANABRANCH_SKIPPED` names.
pub fn skipped(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{test}: left out here: {reason}\n");
    eprint!("{line}");
    if let Some(path) = std::env::var_os("ANABRANCH_SKIPPED") {
        // A list that cannot be written must not fail the test that only wanted to be left out.
        let _ = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut list| list.write_all(line.as_bytes()));
    }
}

/// Says that a test is left out because this machine lacks something.
///
/// # Panics
///
/// When `ANABRANCH_REQUIRE_…`, with the name of that in capitals, says that the machine has it.
pub fn lacks(what: &str, reason: &str) {
    let capital = |letter: char| match letter.is_ascii_alphanumeric() {
        true => letter.to_ascii_uppercase(),
        false => '_',
    };
    let name: String = what.chars().map(capital).collect();
    let variable = format!("ANABRANCH_REQUIRE_{name}");
    assert!(std::env::var_os(&variable).is_none(), "{variable} is set, but {reason}");
    skipped(reason);
}
