//! The loop: facts become events, effects become work.
mod observations;
