use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::Uuid;

/// How far git-annex trusts the records about a repository's content. In ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Trust {
    /// Gone; never counted.
    Dead,
    /// May have lost content it is recorded to have; numcopies does not count its copies.
    Untrusted,
    /// The default.
    #[default]
    Semitrusted,
    /// Never loses anything.
    Trusted,
}

/// The settings of repositories in the git-annex branch, as far as preferred content depends on them.
#[derive(Debug, Clone, Default)]
pub struct PreferenceSettings {
    /// `group.log`.
    pub groups: BTreeMap<Uuid, BTreeSet<String>>,
    /// `preferred-content.log`; an empty text counts as none.
    pub preferred: BTreeMap<Uuid, String>,
    /// `required-content.log`.
    pub required: BTreeMap<Uuid, String>,
    /// `group-preferred-content.log`, by group.
    pub group_preferred: BTreeMap<String, String>,
    /// `trust.log`; a repository without a line is semitrusted.
    pub trust: BTreeMap<Uuid, Trust>,
    /// `numcopies.log` (or `annex.numcopies`); git-annex's default is 1.
    pub numcopies: Option<u32>,
    /// `maxsize.log`, in bytes.
    pub maxsize: BTreeMap<Uuid, u64>,
    /// Bytes of annexed content in each repository with a maxsize; one that is missing here counts as full.
    pub sizes: BTreeMap<Uuid, u64>,
    /// `preferreddir=` in `remote.log`; `public` where missing.
    pub preferred_directories: BTreeMap<Uuid, String>,
}

/// The facts about repositories that terms need, indexed.
#[derive(Debug, Clone)]
pub struct Network {
    groups: BTreeMap<Uuid, BTreeSet<String>>,
    members: BTreeMap<String, Members>,
    trust: BTreeMap<Uuid, Trust>,
    numcopies: u32,
    maxsize: BTreeMap<Uuid, u64>,
    sizes: BTreeMap<Uuid, u64>,
    preferred_directories: BTreeMap<Uuid, String>,
}

#[derive(Debug, Clone)]
struct Members {
    all: BTreeSet<Uuid>,
    /// An HMAC keyed with all their uuids, which chooses among them for balanced content.
    chooser: Hmac<Sha256>,
}

impl Network {
    /// Indexes the settings.
    pub fn new(settings: &PreferenceSettings) -> Self {
        let mut by_group: BTreeMap<String, BTreeSet<Uuid>> = BTreeMap::new();
        for (uuid, groups) in &settings.groups {
            for group in groups {
                by_group.entry(group.clone()).or_default().insert(uuid.clone());
            }
        }
        let members = by_group.into_iter().map(|(group, all)| {
            let secret: String = all.iter().map(Uuid::as_str).collect();
            let chooser = Hmac::new_from_slice(secret.as_bytes()).expect("because HMAC takes keys of any length");
            (group, Members { all, chooser })
        });
        Self {
            members: members.collect(),
            groups: settings.groups.clone(),
            trust: settings.trust.clone(),
            numcopies: settings.numcopies.unwrap_or(1),
            maxsize: settings.maxsize.clone(),
            sizes: settings.sizes.clone(),
            preferred_directories: settings.preferred_directories.clone(),
        }
    }

    /// The groups of a repository.
    pub fn groups(&self, uuid: &Uuid) -> impl Iterator<Item = &str> {
        self.groups.get(uuid).into_iter().flatten().map(String::as_str)
    }

    /// The repositories of a group, in ascending order.
    pub fn members(&self, group: &str) -> impl Iterator<Item = &Uuid> {
        self.members.get(group).into_iter().flat_map(|members| &members.all)
    }

    /// True if the repository is in the group.
    pub fn is_member(&self, uuid: &Uuid, group: &str) -> bool {
        self.members
            .get(group)
            .is_some_and(|members| members.all.contains(uuid))
    }

    /// The trust level of the repository.
    pub fn trust(&self, uuid: &Uuid) -> Trust {
        self.trust.get(uuid).copied().unwrap_or_default()
    }

    /// How many copies of every file there should be, ignoring `.gitattributes`.
    pub fn numcopies(&self) -> u32 {
        self.numcopies
    }

    /// The maximum size of the repository in bytes.
    pub fn maxsize(&self, uuid: &Uuid) -> Option<u64> {
        self.maxsize.get(uuid).copied()
    }

    /// The size of the repository in bytes; none unless the settings gave it.
    pub fn size(&self, uuid: &Uuid) -> Option<u64> {
        self.sizes.get(uuid).copied()
    }

    /// The name of the directory that `inpreferreddir` refers to.
    pub fn preferred_directory(&self, uuid: &Uuid) -> &str {
        self.preferred_directories.get(uuid).map_or("public", String::as_str)
    }

    /// The number that chooses among a group's members for a key, modulo `modulus`.
    pub(super) fn choice(&self, group: &str, key: &[u8], modulus: usize) -> usize {
        let Some(members) = self.members.get(group) else {
            return 0;
        };
        let digest = members.chooser.clone().chain_update(key).finalize().into_bytes();
        digest
            .iter()
            .fold(0, |rest, &byte| (rest * 256 + usize::from(byte)) % modulus.max(1))
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new(&PreferenceSettings::default())
    }
}
