//! The loop: facts become events, effects become work.
//!
//! Start at [`Engine`], which runs folders until it is stopped, or at [`sync`], which does everything once; the process
//! that hosts an engine asks its folders through a [`Door`]. Each folder has one loop that owns its assistant and never
//! blocks; the work runs on threads, and ends as events.

mod asking;
mod clock;
mod conflicts;
mod drives;
mod error;
mod first;
mod folder;
mod folder_settings;
mod hosting;
mod household;
mod linked;
mod lists;
mod observations;
mod once;
mod policy;
mod repository;
mod running;
mod settings;
mod socket;
mod status;
mod watching;
mod whole;
mod why;
mod wishes;
mod work;

pub use error::Error;
pub use once::{answer, pause, resume, status, sync, why};
pub use repository::{clone, filter_process, init};
pub use running::{Door, Engine, runtime};
pub use settings::SettingsFile;
pub use status::files;
