//! The trust levels of repositories, as they apply here.

use std::collections::{BTreeMap, BTreeSet};

use annex::Facts;
use annex::settings::{Address, RemoteSettings};
use model::{Trust, Uuid};

/// The trust levels of all repositories, from the branch and from the remotes of this repository.
///
/// As in git-annex, `annex-trustlevel` overrides `trust.log`, and a remote that can be written to without git-annex is
/// untrusted whatever either says. Both apply only where the remote is enabled.
pub(super) fn in_force<'a>(facts: &Facts, remotes: impl Iterator<Item = &'a RemoteSettings>) -> BTreeMap<Uuid, Trust> {
    let mut trust = facts.trust.clone();
    for remote in remotes {
        let Some(uuid) = &remote.uuid else { continue };
        if let Some(chosen) = remote.trust.as_deref().and_then(level) {
            trust.insert(uuid.clone(), chosen);
        }
        if is_changed_by_others(remote, facts) {
            let level = trust.entry(uuid.clone()).or_default();
            *level = (*level).min(Trust::Untrusted);
        }
    }
    trust
}

/// True if a repository's content counts as a copy, because the repository is trusted to keep it.
pub(crate) fn is_counted(facts: &Facts, uuid: &Uuid) -> bool {
    facts.trust.get(uuid).is_none_or(|trust| *trust >= Trust::Semitrusted)
}

/// True if a repository is dead (`git annex dead`): nothing is exchanged with it.
pub(super) fn is_dead(facts: &Facts, uuid: &Uuid) -> bool {
    facts.trust.get(uuid) == Some(&Trust::Dead)
}

/// The repositories that have a key, without dead ones.
pub(crate) fn holders(have: &BTreeSet<Uuid>, facts: &Facts) -> BTreeSet<Uuid> {
    have.iter().filter(|uuid| !is_dead(facts, uuid)).cloned().collect()
}

fn level(name: &str) -> Option<Trust> {
    match name {
        "trusted" => Some(Trust::Trusted),
        "semitrusted" => Some(Trust::Semitrusted),
        "untrusted" => Some(Trust::Untrusted),
        "dead" => Some(Trust::Dead),
        _ => None,
    }
}

/// True for a tree of files that people work in, unless all its versions are kept, and for borg archives, which borg
/// prunes.
fn is_changed_by_others(remote: &RemoteSettings, facts: &Facts) -> bool {
    let Address::Special { kind, .. } = &remote.address else {
        return false;
    };
    let described = remote.uuid.as_ref().and_then(|uuid| facts.special_remotes.get(uuid));
    let says =
        |name: &str| described.is_some_and(|remote| remote.settings.get(name).is_some_and(|value| value == "yes"));
    let is_tree = (says("exporttree") || says("importtree")) && !says("versioning");
    is_tree || kind.as_deref() == Some("borg")
}

#[cfg(test)]
mod tests {
    use model::{Cost, RemoteName};

    use super::*;

    fn uuid(name: &str) -> Uuid {
        Uuid::parse(name).unwrap()
    }

    fn remote(name: &str, special: Option<&str>, trust: Option<&str>) -> RemoteSettings {
        RemoteSettings {
            name: RemoteName::parse(name).unwrap(),
            address: match special {
                Some(kind) => Address::Special {
                    kind: Some(kind.to_owned()),
                    place: None,
                },
                None => Address::Path("/there".into()),
            },
            pushed_to: Vec::new(),
            uuid: Some(uuid(name)),
            cost: Cost::LOCAL,
            ignore: false,
            ignore_is_guess: false,
            sync: true,
            pull: true,
            push: true,
            readonly: false,
            shell: None,
            trust: trust.map(str::to_owned),
            verify: true,
            unverified: false,
            private: false,
            is_sameas: false,
        }
    }

    #[test]
    fn trees_of_files_and_archives_are_untrusted_where_they_are_enabled() {
        let described = |settings: &str| {
            let settings = settings.split(' ').filter_map(|setting| setting.split_once('='));
            annex::SpecialRemote {
                settings: settings
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                ..annex::SpecialRemote::default()
            }
        };
        let facts = Facts {
            trust: [(uuid("tree"), Trust::Trusted), (uuid("gone"), Trust::Dead)].into(),
            special_remotes: [
                ("tree", "exporttree=yes"),
                ("camera", "importtree=yes"),
                ("gone", "exporttree=yes"),
                ("bucket", "exporttree=yes versioning=yes"),
                ("plain", "exporttree=no"),
                ("elsewhere", "exporttree=yes"),
            ]
            .map(|(name, settings)| (uuid(name), described(settings)))
            .into(),
            ..Facts::default()
        };
        let directory = Some("directory");
        let remotes = [
            remote("tree", directory, Some("trusted")),
            remote("camera", directory, None),
            remote("gone", directory, None),
            remote("bucket", Some("S3"), None),
            remote("plain", directory, None),
            remote("archive", Some("borg"), None),
            remote("chosen", None, Some("untrusted")),
        ];
        let expected = [
            ("archive", Trust::Untrusted),
            ("camera", Trust::Untrusted),
            ("chosen", Trust::Untrusted),
            ("gone", Trust::Dead),
            ("tree", Trust::Untrusted),
        ];
        assert_eq!(
            in_force(&facts, remotes.iter()),
            expected.map(|(name, trust)| (uuid(name), trust)).into()
        );
    }
}
