//! What the whole-system tests stand on: a world of their own, the real programs in it, and checks by others than us.
//!
//! A test makes a [`Sandbox`], repositories in it, runs `anabranch` and git-annex there, and looks at the result with
//! [`trees`] and [`checks`]. What is random comes from a [`Chance`], whose seed is printed and can be given back.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "this code runs in tests only: it fails by panicking and tells on standard error"
)]

pub mod alone;
pub mod asking;
pub mod chance;
pub mod checks;
pub mod clones;
pub mod desktop;
pub mod disk_services;
pub mod drives;
pub mod dunst;
pub mod edits;
pub mod engine;
pub mod forge;
pub mod forgetful;
pub mod kills;
pub mod laptops;
mod last_words;
pub mod network;
mod over_ssh;
pub mod portal;
pub mod power_cuts;
pub mod programs;
pub mod run;
pub mod sandbox;
pub mod scene;
pub mod skip;
mod skipped;
pub mod sshd;
pub mod tray;
pub mod trees;
pub mod wait;
pub mod window;

pub use asking::ask;
pub use chance::Chance;
pub use desktop::Desktop;
pub use dunst::Dunst;
pub use engine::Engine;
pub use forge::Forge;
pub use network::Network;
pub use run::{attempt, run};
pub use sandbox::Sandbox;
pub use scene::Scene;
pub use sshd::Sshd;
pub use tray::TrayHost;
pub use wait::{PATIENCE, eventually};
pub use window::Window;
