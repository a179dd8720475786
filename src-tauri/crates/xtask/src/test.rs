//! `cargo xtask test`: everything that is checked, in one command.

use std::process::Command;

use anyhow::{Context, Result};

use crate::place::Place;
use crate::steps::Steps;
use crate::{package, packages, tools, ui};

/// What was installed before the tests, by the names that they ask for it: without it they fail, instead of being left out.
const INSTALLED: [&str; 7] = [
    "GIT_ANNEX",
    "DBUS_DAEMON",
    "XVFB",
    "WEBKITWEBDRIVER",
    "DUNST",
    "UDISKS2",
    "SSHD",
];

/// Installs what is missing and runs every check; stops at the first that fails.
///
/// # Errors
///
/// When something cannot be installed, or a check fails; the steps so far are printed first.
pub(crate) fn run(yes: bool) -> Result<()> {
    let mut steps = Steps::new();
    let result = everything(&mut steps, yes);
    println!("{}", steps.summary());
    result
}

fn everything(steps: &mut Steps, yes: bool) -> Result<()> {
    let place = Place::find()?;
    steps.step("system packages", || {
        packages::install(
            &[
                packages::BUILD,
                packages::WINDOW,
                packages::BROWSER,
                packages::DESKTOP,
                packages::ENTRIES,
                packages::FUSE,
                packages::SCREEN,
                packages::TEST,
            ],
            yes,
        )
    })?;
    let deny = steps.step("cargo-deny", || tools::deny(&place))?;
    let machete = steps.step("cargo-machete", || tools::machete(&place))?;
    let nextest = steps.step("cargo-nextest", || tools::nextest(&place))?;
    let git_annex = steps.step("git-annex", || tools::git_annex(&place))?;

    steps.command("formatting", &mut place.cargo(&["fmt", "--all", "--check"]))?;
    let mut unused = place.cargo(&["machete"]);
    // With this, which cargo gives to xtask, it takes its own name for a directory to look at.
    unused.env_remove("CARGO_PKG_NAME");
    unused.env("PATH", tools::first_in_path(&machete)?);
    steps.command("unused dependencies", &mut unused)?;
    // cargo-deny looks at the packages of all systems, also at those that no build here needs.
    steps.command("packages", &mut place.cargo(&["fetch", "--locked"]))?;
    let mut allowed = place.cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"]);
    allowed.env("PATH", tools::first_in_path(&deny)?);
    steps.command("licences and duplicates of dependencies", &mut allowed)?;
    package::check_entries(steps, &place)?;
    // Before anything that builds the desktop program, which holds the window.
    ui::check(steps, &place)?;
    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps.command("lints", &mut place.cargo(&lints))?;
    steps.command(
        "documentation",
        documentation(&place).env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    steps.command(
        "examples in the documentation",
        &mut place.cargo(&["test", "--doc", "--workspace"]),
    )?;
    // The whole-system tests run the real programs. Built for the whole workspace, so that the tests' build after it
    // finds the same features and compiles nothing twice.
    steps.command(
        "the programs",
        &mut place.cargo(&[
            "build",
            "--workspace",
            "--bin",
            "anabranch",
            "--bin",
            "anabranch-desktop",
        ]),
    )?;

    let mut tests = place.cargo(&["nextest", "run", "--workspace"]);
    tests.env("PATH", tools::first_in_path(&nextest)?);
    // A runner hides what a passing test says; what was left out, and why, must be seen.
    let skipped = place.target.join("skipped.txt");
    std::fs::write(&skipped, "").with_context(|| format!("{} cannot be written", skipped.display()))?;
    tests
        .env("ANABRANCH_SKIPPED", &skipped)
        .env("ANABRANCH_BINARY", place.target.join("debug/anabranch"))
        .env("ANABRANCH_DESKTOP_BINARY", place.target.join("debug/anabranch-desktop"))
        .env("ANABRANCH_GIT_ANNEX", &git_annex)
        .envs(INSTALLED.map(|name| (format!("ANABRANCH_REQUIRE_{name}"), "1")));
    let passed = steps.command("tests", &mut tests);
    let list = std::fs::read_to_string(&skipped).unwrap_or_default();
    println!("  left out here: {}", if list.is_empty() { "nothing" } else { "" });
    list.lines().for_each(|line| println!("    {line}"));
    passed?;
    let mut ignored = place.cargo(&[
        "nextest",
        "list",
        "--workspace",
        "--run-ignored",
        "only",
        "--message-format",
        "oneline",
    ]);
    ignored.env("PATH", tools::first_in_path(&nextest)?);
    steps.command(
        "tests that run only when asked for, each for the reason beside it",
        &mut ignored,
    )
}

fn documentation(place: &Place) -> Command {
    place.cargo(&["doc", "--workspace", "--no-deps"])
}
