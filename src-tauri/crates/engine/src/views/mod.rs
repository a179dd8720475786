//! Read-only views of a folder for the user. The work on the folder uses none of them.

pub(crate) mod contacts;
pub(crate) mod lists;
pub(crate) mod status;
pub(crate) mod why;
