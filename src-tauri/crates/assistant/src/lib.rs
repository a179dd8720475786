//! Decides what to do: events in, effects out. No I/O, no clock, no threads; chance comes from a seed.
//!
//! Start at [`Assistant::handle`]. The state is what was *observed*. The work to do is computed from it again after
//! every event (`assistant/plan.rs`), so no work can be forgotten: work that is due and not in progress is started,
//! whatever the reason it is due. Every list of effects passes the [`guards`] last. Each effect carries an [`Id`] and
//! ends in exactly one event with the same id.
//!
//! **Invariant:** no decision depends on the order in which unordered things are stored; the same seed and events give
//! the same effects.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "tests read vectors and may use any collection"
    )
)]

mod assistant;
mod attempts;
pub mod content;
mod effect;
mod event;
mod facts;
pub mod guards;
pub mod intake;
mod merging;
pub mod network;
pub mod pacing;
mod questions;
pub mod syncing;

pub use assistant::{Assistant, RemoteView};
pub use effect::Effect;
pub use event::Event;
pub use facts::{
    Abilities, About, Away, Candidate, Class, ClassId, Deletions, Direction, Failure, Found, Heads, Id, Looked, Lot,
    Merged, Outcome, Pushed, Question, Reach, Refs, RemoteFacts, Root, Said, Scope, Spare,
};
