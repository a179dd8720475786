//! Other computers, reached by ssh: making a place for a folder there.

mod adding;

pub(crate) use adding::add;
