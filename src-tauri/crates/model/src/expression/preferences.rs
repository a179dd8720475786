use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Details, Facts, NoDetails};
use super::network::{Network, PreferenceSettings};
use super::preference::Preference;
use super::tree::Needs;
use crate::{Key, RepoPath, Uuid};

/// The preferences of all repositories of a network.
#[derive(Debug, Clone)]
pub struct Preferences {
    network: Network,
    /// The repositories with something configured; all others want everything.
    configured: BTreeMap<Uuid, Preference>,
}

/// The content in question.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Its key.
    pub key: &'a Key,
    /// The files that have it: a repository wants the content if it wants any of them. Without files, the content is
    /// evaluated without a name, as in a bare repository.
    pub paths: &'a [RepoPath],
    /// The repositories that have it.
    pub holders: &'a BTreeSet<Uuid>,
    /// Further facts that [`Preferences::needs`] may ask for.
    pub details: &'a dyn Details,
}

impl Preferences {
    /// Parses the settings of the git-annex branch.
    pub fn new(settings: &PreferenceSettings) -> Self {
        let network = Network::new(settings);
        let group_preferred = |group: &str| settings.group_preferred.get(group).map(String::as_str);
        let uuids: BTreeSet<&Uuid> = settings.preferred.keys().chain(settings.required.keys()).collect();
        let understand = |uuid: &Uuid| {
            let text = |texts: &'_ BTreeMap<Uuid, String>| texts.get(uuid).cloned();
            let (preferred, required) = (text(&settings.preferred), text(&settings.required));
            Preference::new(
                preferred.as_deref(),
                required.as_deref(),
                uuid,
                &network,
                &group_preferred,
            )
        };
        let configured = uuids
            .into_iter()
            .map(|uuid| (uuid.clone(), understand(uuid)))
            .filter(|(_, preference)| preference.is_configured())
            .collect();
        Self { network, configured }
    }

    /// Groups, trust and numbers of copies.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The preference configured for a repository; none if nothing is configured, so that it wants everything.
    pub fn of(&self, repository: &Uuid) -> Option<&Preference> {
        self.configured.get(repository)
    }

    /// Which facts the answers about any of the repositories may depend on.
    pub fn needs(&self, among: &[Uuid]) -> Needs {
        among
            .iter()
            .filter_map(|uuid| self.of(uuid))
            .map(Preference::needs)
            .fold(Needs::default(), Needs::or)
    }

    /// Finds which of `among` want the key, whether or not they have it. For expressions that need no [`Details`].
    pub fn wanting(&self, key: &Key, paths: &[RepoPath], holders: &BTreeSet<Uuid>, among: &[Uuid]) -> BTreeSet<Uuid> {
        let subject = Subject {
            key,
            paths,
            holders,
            details: &NoDetails,
        };
        among
            .iter()
            .filter(|uuid| self.wants(uuid, &subject))
            .cloned()
            .collect()
    }

    /// True if the repository wants the content, whether or not it has it.
    pub fn wants(&self, repository: &Uuid, subject: &Subject<'_>) -> bool {
        self.for_any_path(repository, subject, &Preference::wants)
            .unwrap_or(true)
    }

    /// True if the repository wants to drop the content: after dropping it, it would not want it for any of its files.
    pub fn wants_to_drop(&self, repository: &Uuid, subject: &Subject<'_>) -> bool {
        let keeps = |preference: &Preference, facts: &Facts<'_>| !preference.wants_to_drop(facts);
        !self.for_any_path(repository, subject, &keeps).unwrap_or(true)
    }

    /// True if the repository requires the content, so that it must not be dropped there without force.
    pub fn requires(&self, repository: &Uuid, subject: &Subject<'_>) -> bool {
        self.for_any_path(repository, subject, &Preference::is_required)
            .unwrap_or(false)
    }

    fn for_any_path(
        &self,
        repository: &Uuid,
        subject: &Subject<'_>,
        test: &dyn Fn(&Preference, &Facts<'_>) -> bool,
    ) -> Option<bool> {
        let preference = self.of(repository)?;
        let facts = Facts {
            path: None,
            key: Some(subject.key),
            size: None,
            repository,
            holders: subject.holders,
            assume_dropped: false,
            network: &self.network,
            details: subject.details,
        };
        let mut paths = subject.paths;
        if !preference.needs().path {
            paths = &paths[..paths.len().min(1)];
        }
        Some(match paths {
            [] => test(preference, &facts),
            paths => paths.iter().any(|path| {
                test(
                    preference,
                    &Facts {
                        path: Some(path),
                        ..facts
                    },
                )
            }),
        })
    }
}
