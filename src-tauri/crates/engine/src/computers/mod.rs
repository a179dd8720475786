//! Other computers, reached by ssh: making a place for a folder there.

mod adding;
mod looking;

pub(crate) use adding::add;
pub(crate) use looking::look;
