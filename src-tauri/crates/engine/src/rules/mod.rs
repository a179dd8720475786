//! What was said of one folder: by its rules, by preferred content, and by the settings of git and git-annex.

pub(crate) mod configured;
pub(crate) mod policy;
pub(crate) mod wishes;
