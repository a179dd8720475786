//! What window, tray and command line may see and ask of an engine: plain data, sent as JSON.
//!
//! [`Status`] is a function of the engine's state, made anew whenever somebody asks; [`Command`] is everything that can
//! be asked. File names and descriptions are text for people here: bytes that are not UTF-8 are shown replaced.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "tests read vectors and may use any collection"
    )
)]

mod command;
mod problem;
mod status;
#[cfg(test)]
mod typescript;

pub use command::{Command, Reply};
pub use problem::Problem;
pub use status::{Change, Contact, Direction, Folder, Place, Progress, Question, State, Status, Why};
