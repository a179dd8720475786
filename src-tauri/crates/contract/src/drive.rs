use serde::{Deserialize, Serialize};

/// A drive that is mounted now, and that can be taken out or holds a place of some folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Drive {
    /// What it is asked for by: the uuid of its file system.
    pub id: String,
    /// Its label, or else its maker and model.
    pub name: String,
    /// Where it is mounted.
    pub path: String,
    /// The kind of its file system, such as `vfat`.
    pub file_system: String,
    /// The bytes it has room for.
    pub bytes: u64,
    /// The bytes that are free on it.
    pub free: u64,
    /// What it is to this program.
    pub standing: Standing,
    /// What people should know before they use it, such as the largest file it can hold; one sentence each.
    pub notes: Vec<String>,
    /// True if it can be unmounted from here.
    pub can_eject: bool,
}

/// What a drive is to this program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nobody has said yet what it is for.
    New,
    /// The user said that it is not to be used.
    Declined,
    /// It cannot be used; why, in words for people.
    Unusable(String),
    /// It holds places of these folders.
    InUse {
        /// Them.
        places: Vec<OnDrive>,
        /// True if everything that belongs on it is on it.
        up_to_date: bool,
    },
    /// It is being brought up to date and will then be unmounted.
    Ejecting {
        /// What is still to be done, in words for people.
        what: String,
    },
}

/// A place on a drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct OnDrive {
    /// The path of the folder.
    pub folder: String,
    /// The name that the folder knows the place by.
    pub place: String,
}

/// What a drive or another place is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Carry files between computers: git-annex's group `transfer`.
    Carry,
    /// Hold a full copy: git-annex's group `backup`.
    Backup,
    /// Hold what no full copy and no other place of this kind has: git-annex's group `incrementalbackup`.
    OnlyNew,
    /// Hold what no other archive has: git-annex's group `archive`.
    Archive,
}
