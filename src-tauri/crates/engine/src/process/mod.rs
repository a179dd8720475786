//! One process: the folders it syncs, its settings, and requests from outside.

mod hosting;
mod once;
pub(crate) mod running;
mod settings;

pub use once::{answer, pause, resume, status, sync, why};
pub use running::{Door, Engine, runtime};
pub use settings::SettingsFile;
