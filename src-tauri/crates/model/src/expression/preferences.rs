use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Details, Facts, NoDetails};
use super::network::{Network, Settings};
use super::preference::Preference;
use super::tree::Needs;
use crate::{Key, RepoPath, Uuid};

/// What every repository of a network wants.
#[derive(Debug, Clone)]
pub struct Preferences {
    network: Network,
    /// Repositories with something configured; all others want everything.
    configured: BTreeMap<Uuid, Preference>,
}

/// The content that is asked about.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Its key.
    pub key: &'a Key,
    /// The files that have it: it is wanted if it is wanted for any of them. Without files it is judged without a
    /// name, as in a bare repository.
    pub paths: &'a [RepoPath],
    /// The repositories that have it.
    pub holders: &'a BTreeSet<Uuid>,
    /// What [`Preferences::needs`] asks for beyond that.
    pub details: &'a dyn Details,
}

impl Preferences {
    /// Understands what the git-annex branch says.
    pub fn new(settings: &Settings) -> Self {
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

    /// What is configured for a repository; none if nothing is, and it wants everything.
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

    /// Finds which of `among` want the key, having it or not. For expressions that need no [`Details`].
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

    /// True if the repository wants the content, having it or not.
    pub fn wants(&self, repository: &Uuid, subject: &Subject<'_>) -> bool {
        self.for_any_path(repository, subject, &Preference::wants)
            .unwrap_or(true)
    }

    /// True if the repository wants the content gone: for none of its files would it want it once it had dropped it.
    pub fn wants_to_drop(&self, repository: &Uuid, subject: &Subject<'_>) -> bool {
        let keeps = |preference: &Preference, facts: &Facts<'_>| !preference.wants_to_drop(facts);
        !self.for_any_path(repository, subject, &keeps).unwrap_or(true)
    }

    /// True if the content is required in the repository: it must not be dropped from it without force.
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
