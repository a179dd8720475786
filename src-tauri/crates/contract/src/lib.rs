//! The data that window, tray and command line exchange with an engine: plain data, sent as JSON.
//!
//! [`Status`] is a function of the engine's state, computed again on each request. [`Command`] is everything that can
//! be asked of a folder, [`Request`] everything that can be asked of the program. File names and descriptions are text
//! for the user here: bytes that are not UTF-8 are shown replaced.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "tests read vectors and may use any collection"
    )
)]

mod activity;
mod command;
mod drive;
mod files;
mod folder_settings;
mod problem;
mod request;
mod rules;
mod secret;
mod settings;
mod status;
#[cfg(test)]
mod typescript;
mod update;

pub use activity::{Activity, Deed};
pub use command::{Command, Keep, Reply, Since};
pub use drive::{Drive, OnDrive, Purpose, Standing};
pub use files::{Conflict, File, Page, Path, Version, Which};
pub use folder_settings::{Chosen, FolderSetting, FolderSettings, Origin};
pub use problem::{Action, Problem};
pub use request::{Answer, AtPlace, Check, Checked, Found, Looked, Request, There, Verdict};
pub use rules::{Allow, Amount, Branch, Keeping, Keeps, Preview, Rule, Rules, Travel};
pub use secret::Secret;
pub use settings::{Declined, Look, Setting, Settings};
pub use status::{
    Change, Contact, Direction, Folder, Held, Holder, Missing, Pause, PauseReason, Place, Progress, Question, Refused,
    State, Status, Typed, Way, Why, Work,
};
pub use update::{Entry, News, Update};
