//! A world in memory: repositories, drives, links, users and faults around real assistants, all from one seed.
//!
//! [`run`] plays one schedule: some seconds in which users edit and everything fails at random, then calm, in which all
//! must come into step and then be still. The engine's part (`engine`, `transfers`, `drops`) is carried out on repositories that
//! are sets and maps (`world`, `history`); what must hold is in `invariants`. The same seed gives the same history, to the byte.

mod chance;
mod drops;
mod engine;
mod happenings;
mod history;
mod invariants;
mod shape;
mod transfers;
mod world;

pub use shape::{Setting, run, starvation};
pub use world::{Counts, Violation};
