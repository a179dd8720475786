//! One process: the folders it syncs, its settings, and requests from outside.

mod hosting;
mod one_shot;
pub(crate) mod running;
mod settings;

pub use one_shot::{add_computer, answer, clone_over, drop_content, get_content, pause, resume, status, sync, why};
pub use running::{Client, Engine, runtime};
pub use settings::SettingsFile;
