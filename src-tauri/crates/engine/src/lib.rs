//! The loop: facts become events, effects become work.
//!
//! Start at [`Engine`], which runs folders until it is stopped, or at [`sync`], which does everything once. The process
//! that hosts an engine queries its folders through a [`Client`]. Each folder has one loop that owns its assistant and
//! never blocks; work runs on threads and ends as events.

mod atomic_file;
mod clock;
mod computers;
mod drives;
mod error;
mod folder;
mod login;
mod memory;
mod observations;
mod process;
mod repository;
mod rules;
mod runtime_directory;
mod views;
mod watched_symlink;
mod words;
mod work;

pub use annex::settings::{Address, SshAddress};
pub use error::Error;
pub use folder::answer_git;
pub use model::readable_size;
pub use process::{
    Client, Engine, SettingsFile, add_computer, answer, clone_over, drop_content, get_content, pause, resume, runtime,
    status, sync, why,
};
pub use remotes::askpass;
pub use repository::{clone, filter_process, init};
pub use words::files;
pub use work::{Dropped, Fetched};
