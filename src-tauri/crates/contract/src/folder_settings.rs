use serde::{Deserialize, Serialize};

/// The settings of git and git-annex for one folder that the window can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FolderSettings {
    /// How many copies of each file to keep: `numcopies`, which all clones share.
    pub copies: Chosen,
    /// How much space to leave free on the folder's disk: `annex.diskreserve`.
    pub reserve: Chosen,
    /// Whether new files are added unlocked: `annex.addunlocked`, `true`, `false` or an expression of git-annex.
    pub unlocked: Chosen,
    /// Whether git asks the engine which files have changed, instead of looking at all of them: `true` or `false`.
    pub quick_git: Chosen,
}

/// The effective value of a setting, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Chosen {
    /// The value as written, even if invalid; git-annex's default if it is not written anywhere.
    pub value: String,
    /// Where it is written.
    pub origin: Origin,
}

/// Where a [`Chosen`] setting is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Nowhere: the default applies.
    Default,
    /// Where [`crate::Command::SetFolder`] writes it.
    Here,
    /// Somewhere that [`crate::Command::SetFolder`] overrides, as text for the user.
    Weaker(String),
    /// Somewhere that overrides [`crate::Command::SetFolder`], so it cannot be set from here; as text for the user.
    Stronger(String),
}

/// One of the [`FolderSettings`] with a new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum FolderSetting {
    /// [`FolderSettings::copies`].
    Copies(u32),
    /// [`FolderSettings::reserve`], in git-annex's notation for sizes; none to remove the setting.
    Reserve(Option<String>),
    /// [`FolderSettings::unlocked`]; none to remove the setting.
    Unlocked(Option<bool>),
    /// [`FolderSettings::quick_git`].
    QuickGit(bool),
}
