use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Keeps folders in sync across computers and drives, as git-annex repositories.
#[derive(Debug, Parser)]
#[command(name = "anabranch", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Make a folder a repository, or adopt one that git or git-annex made.
    Init {
        /// The folder; the current directory if left out.
        path: Option<PathBuf>,
        /// What to call it in all clones.
        #[arg(long, short)]
        description: Option<String>,
    },
    /// Make a clone of a repository on this machine, and let the two know each other.
    Clone {
        /// The repository to clone.
        source: PathBuf,
        /// Where to make the clone; a directory of the same name here if left out.
        path: Option<PathBuf>,
        /// Make it without a work tree: for a drive that only carries.
        #[arg(long)]
        bare: bool,
        /// What to call it in all clones.
        #[arg(long, short)]
        description: Option<String>,
    },
    /// Keep folders in sync until stopped (ctrl-C).
    Run {
        /// The folders; the current directory if left out.
        folders: Vec<PathBuf>,
    },
    /// Do everything that can be done now, then say what is still waiting (exit code 2 if something is).
    Sync {
        /// The folder, or a directory in it; the current directory if left out.
        folder: Option<PathBuf>,
    },
    /// Say how things are (exit code 2 if something is waiting).
    Status {
        /// The folder, or a directory in it; the current directory if left out.
        folder: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say of a file where it is, where it should be, and what it is waiting for.
    Why {
        /// The file.
        path: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a folder rest until 'resume' or 'sync', whether an engine runs or not.
    Pause {
        /// The folder, or a directory in it; the current directory if left out.
        folder: Option<PathBuf>,
    },
    /// Let a folder go on that is paused.
    Resume {
        /// The folder, or a directory in it; the current directory if left out.
        folder: Option<PathBuf>,
    },
    /// Answer the question that 'sync' or 'status' shows.
    Answer {
        /// The answer.
        answer: YesNo,
        /// The folder, or a directory in it; the current directory if left out.
        folder: Option<PathBuf>,
    },
    /// Git's filter for annexed files, run by git itself.
    FilterProcess,
    /// Write the manual pages and shell completions.
    #[command(hide = true)]
    Generate {
        /// Where to write them.
        directory: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    /// As the question says.
    Yes,
    /// As the question says.
    No,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        super::Arguments::command().debug_assert();
    }
}
