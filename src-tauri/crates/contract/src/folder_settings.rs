use serde::{Deserialize, Serialize};

/// What git and git-annex are told of one folder, as far as the window sets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FolderSettings {
    /// How many copies of each file are to be kept: `numcopies`, which all clones share.
    pub copies: Chosen,
    /// How much of the folder's disk is left free: `annex.diskreserve`.
    pub reserve: Chosen,
    /// Whether new files are added unlocked: `annex.addunlocked`, `true`, `false` or an expression of git-annex.
    pub unlocked: Chosen,
}

/// A setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Chosen {
    /// As it is written, whatever that means; where it is not written, what git-annex does then.
    pub value: String,
    /// Where it is written.
    pub origin: Origin,
}

/// Where a [`Chosen`] setting is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Nowhere.
    Default,
    /// Where [`crate::Command::SetFolder`] writes it.
    Here,
    /// Elsewhere, in words for people; what is written here holds before that.
    Weaker(String),
    /// Elsewhere, in words for people; that holds before what is written here, so it cannot be set here.
    Stronger(String),
}

/// One of the [`FolderSettings`] with a new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum FolderSetting {
    /// [`FolderSettings::copies`].
    Copies(u32),
    /// [`FolderSettings::reserve`], as git-annex writes sizes; none to write nothing here.
    Reserve(Option<String>),
    /// [`FolderSettings::unlocked`]; none to write nothing here.
    Unlocked(Option<bool>),
}
