//! The rules of one folder, its preferred content, and its settings of git and git-annex.

pub(crate) mod configured;
pub(crate) mod policy;
pub(crate) mod preferred_content;
