use serde::{Deserialize, Serialize};

/// A mounted drive that is removable or holds a place of some folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Drive {
    /// The uuid of its file system, which identifies it in requests.
    pub id: String,
    /// Its label, or else its maker and model.
    pub name: String,
    /// Where it is mounted.
    pub path: String,
    /// The type of its file system, such as `vfat`.
    pub file_system: String,
    /// Its capacity in bytes.
    pub bytes: u64,
    /// Its free space in bytes.
    pub free: u64,
    /// How Anabranch uses it.
    pub standing: Standing,
    /// Notes that the user should read before using it, such as the largest file it can hold; one sentence each.
    pub notes: Vec<String>,
    /// True if Anabranch can unmount it.
    pub can_eject: bool,
}

/// How Anabranch uses a drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The user has not yet chosen a use for it.
    New,
    /// The user chose not to use it.
    Declined,
    /// It cannot be used; with the reason, as text for the user.
    Unusable(String),
    /// It holds places of these folders.
    InUse {
        /// The places on it.
        places: Vec<OnDrive>,
        /// True if every place on it is up to date.
        up_to_date: bool,
    },
    /// It is being brought up to date, and will then be unmounted.
    Ejecting {
        /// The remaining work, as text for the user.
        what: String,
    },
}

/// A place on a drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct OnDrive {
    /// The path of the folder.
    pub folder: String,
    /// The folder's name for the place.
    pub place: String,
}

/// The purpose of a drive or another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Carries files between computers: git-annex's group `transfer`.
    Carry,
    /// Holds a full copy: git-annex's group `backup`.
    Backup,
    /// Holds files that no full copy and no other place of this kind has: git-annex's group `incrementalbackup`.
    OnlyNew,
    /// Holds files that no other archive has: git-annex's group `archive`.
    Archive,
}
