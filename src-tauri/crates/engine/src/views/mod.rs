//! What people are shown of a folder, read only. Nothing here is used by the work.

pub(crate) mod lists;
pub(crate) mod status;
pub(crate) mod why;
