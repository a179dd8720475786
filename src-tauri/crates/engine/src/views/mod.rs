//! Read-only views of a folder for people. The work on it uses none of them.

pub(crate) mod contacts;
pub(crate) mod lists;
pub(crate) mod status;
pub(crate) mod why;
