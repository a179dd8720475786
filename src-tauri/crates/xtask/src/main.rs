//! Sets up, checks and runs the project: `cargo xtask …`.
//!
//! `cargo xtask test` installs what the tests need and runs all of them; `cargo xtask run` builds Anabranch and runs
//! it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person at the terminal"
)]

mod bench;
mod display;
mod fuzz;
mod icons;
mod kills;
mod mutants;
mod package;
mod packages;
mod place;
mod power_cuts;
mod run;
mod sample;
mod screenshots;
mod steps;
mod test;
mod tools;
mod ui;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The tasks of the project.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Sets up, checks and runs Anabranch."
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Installs what the tests need, then runs everything: formatting, lints, all tests, documentation.
    Test {
        /// Installs missing system packages without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Measures, beside git-annex's assistant and plain programs, and prints one table.
    Bench(bench::Options),
    /// Sends anything to the parsers of what other computers say, and checks that they keep their promises.
    Fuzz {
        /// Installs missing system packages without asking.
        #[arg(long)]
        yes: bool,
        /// For how long, for each of them.
        #[arg(long, default_value_t = 10)]
        minutes: u64,
    },
    /// Makes the pictures in `icons/` again from their SVG sources.
    Icons,
    /// Kills two engines while they sync, most often while one writes git's index, and checks the clones after each kill.
    Kills {
        /// Installs missing system packages without asking.
        #[arg(long)]
        yes: bool,
        /// How often.
        #[arg(default_value_t = 1_000)]
        kills: usize,
    },
    /// Breaks the code that keeps files safe, one line at a time, and lists the changes that no test notices. Takes an hour.
    Mutants {
        /// Installs missing system packages without asking.
        #[arg(long)]
        yes: bool,
        /// The files to break, as paths or patterns below the project's top; all that are guarded if none is named.
        files: Vec<String>,
    },
    /// Builds a Debian package and checks it.
    Package {
        /// Installs missing system packages without asking.
        #[arg(long)]
        yes: bool,
        /// Installs the package in a clean Debian in the build folder, too, and starts it there; needs root.
        #[arg(long = "try")]
        try_it: bool,
    },
    /// Cuts the power while Anabranch works, on a disk that forgets unsynced writes, and checks the files afterwards.
    Powercuts {
        /// Installs missing system packages without asking.
        #[arg(long)]
        yes: bool,
        /// How often.
        #[arg(default_value_t = 2_000)]
        cuts: usize,
    },
    /// Builds Anabranch and runs it: with its tray and window where there is a display, else in the terminal.
    Run {
        /// The folders to sync: git-annex repositories, or folders that `anabranch init` made into repositories.
        folders: Vec<PathBuf>,
        /// Installs missing system packages without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Syncs three clones in a line under three changes a second, and shows what grows.
    Soak {
        /// Installs missing system packages without asking.
        #[arg(long)]
        yes: bool,
        /// How long.
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
    /// Takes the pictures in `src-tauri/pictures` again, of the program on a real, invisible desktop.
    Screenshots {
        /// Installs missing system packages without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Shows Anabranch's main job on a sample; so does `run` with neither a display nor a folder.
    Sample {
        /// Installs missing system packages without asking.
        #[arg(long)]
        yes: bool,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Test { yes } => test::run(yes),
        Task::Bench(options) => bench::run(&options),
        Task::Fuzz { yes, minutes } => fuzz::run(yes, minutes),
        Task::Icons => icons::run(),
        Task::Kills { yes, kills } => kills::run(yes, kills),
        Task::Mutants { yes, files } => mutants::run(yes, &files),
        Task::Package { yes, try_it } => package::run(yes, try_it),
        Task::Powercuts { yes, cuts } => power_cuts::run(yes, cuts),
        Task::Run { folders, yes } => run::run(&folders, yes),
        Task::Screenshots { yes } => screenshots::run(yes),
        Task::Soak { yes, minutes } => bench::soak::run(yes, minutes),
        Task::Sample { yes } => run::run_sample(yes),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ncargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
