use std::ffi::OsString;
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
    /// Turn a folder into a repository, or adopt one that git or git-annex created.
    Init {
        /// The folder; the current directory by default.
        path: Option<PathBuf>,
        /// Its description, which all clones share.
        #[arg(long, short)]
        description: Option<String>,
    },
    /// Clone a repository. If it is on this computer, each of the two becomes a remote of the other.
    Clone {
        /// The repository to clone: a path, or an address for ssh such as HOST:PATH.
        source: PathBuf,
        /// Where to create the clone; by default a directory of the same name in the current one.
        path: Option<PathBuf>,
        /// Create the clone without a work tree, for a drive that only carries files.
        #[arg(long)]
        bare: bool,
        /// Its description, which all clones share.
        #[arg(long, short)]
        description: Option<String>,
    },
    /// Make a place for a folder on another computer, or connect the folder to its clone there.
    Add {
        /// The folder, or a directory in it.
        folder: PathBuf,
        /// Where, as an address for ssh: HOST:PATH or ssh://HOST/PATH. Nothing, an empty directory, or a clone of the
        /// folder must be there.
        address: String,
        /// Make it without a work tree, for a computer that only holds content.
        #[arg(long)]
        bare: bool,
    },
    /// Keep folders in sync until stopped (ctrl-C).
    Run {
        /// The folders; the current directory by default.
        folders: Vec<PathBuf>,
    },
    /// Do everything that Anabranch can do now, then print why anything still waits (exit code 2 if anything does).
    Sync {
        /// The folder, or a directory in it; the current directory by default.
        folder: Option<PathBuf>,
    },
    /// Print the state of a folder (exit code 2 if anything waits or needs you).
    Status {
        /// The folder, or a directory in it; the current directory by default.
        folder: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print where a file is, where it should be, and what it is waiting for.
    Why {
        /// The file.
        path: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetch the content of files to this computer, as 'git annex get' does. Content that this computer doesn't want is dropped
    /// again by the next sync, or by an engine that runs.
    Get {
        /// The files, and directories with all files in them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Remove the content of files from this computer, where enough other copies are confirmed, as 'git annex drop' does.
    /// Content that this computer wants is fetched again by the next sync.
    Drop {
        /// The files, and directories with all files in them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Pause a folder until 'resume' or 'sync', whether or not an engine is running.
    Pause {
        /// The folder, or a directory in it; the current directory by default.
        folder: Option<PathBuf>,
    },
    /// Resume a paused folder.
    Resume {
        /// The folder, or a directory in it; the current directory by default.
        folder: Option<PathBuf>,
    },
    /// Answer the question that 'sync' or 'status' prints. If it asks for a password, type it then, or pipe it in.
    Answer {
        /// The answer.
        answer: YesNo,
        /// The folder, or a directory in it; the current directory by default.
        folder: Option<PathBuf>,
    },
    /// Git's filter for annexed files; git runs it itself.
    FilterProcess,
    /// Tell git which files have changed; git runs it itself.
    #[command(hide = true)]
    Fsmonitor {
        /// The version of git's question.
        form: String,
        /// The moment that git asks about.
        #[arg(allow_hyphen_values = true)]
        moment: String,
    },
    /// Serve git-annex on other computers over ssh; they start this by the name git-annex-shell.
    #[command(disable_help_flag = true)]
    Shell {
        /// What the other computer asks for.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Write the manual pages and shell completions.
    #[command(hide = true)]
    Generate {
        /// Where to write them.
        directory: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    /// Do what the question says for yes.
    Yes,
    /// Do what the question says for no.
    No,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
