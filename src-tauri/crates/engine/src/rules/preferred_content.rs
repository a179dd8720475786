//! Converts what repositories want between the git-annex branch and the window.

use std::collections::{BTreeMap, BTreeSet};

use annex::{Annex, Facts, VectorClock};
use contract::{Keeps, Purpose};
use model::Uuid;
use model::expression::{PreferenceSettings, standard_expression};

use crate::Error;

/// The preferred content that stands for the standard expression of the group.
const STANDARD: &str = "standard";

/// git-annex's group for a purpose.
fn group(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Carry => "transfer",
        Purpose::Backup => "backup",
        Purpose::OnlyNew => "incrementalbackup",
        Purpose::Archive => "archive",
    }
}

fn is_standard(group: &str) -> bool {
    standard_expression(group).is_some()
}

/// Tells what a repository keeps, by the facts of the branch.
pub(crate) fn told(facts: &Facts, repository: &Uuid) -> Keeps {
    let groups = facts.groups.get(repository).into_iter().flatten();
    let groups: Vec<String> = groups.filter(|group| is_standard(group)).cloned().collect();
    let wanted = facts.preferred.get(repository).map_or("", String::as_str);
    let all = [Purpose::Carry, Purpose::Backup, Purpose::OnlyNew, Purpose::Archive];
    let purpose = match groups.as_slice() {
        [only] if wanted.trim() == STANDARD => all.into_iter().find(|purpose| group(*purpose) == only),
        _ => None,
    };
    let is_unset = wanted.trim().is_empty() && !facts.required.contains_key(repository);
    match purpose {
        Some(purpose) => Keeps::For(purpose),
        None if is_unset => Keeps::All { groups },
        None => Keeps::Own {
            groups,
            wanted: wanted.to_owned(),
        },
    }
}

/// The facts of the branch if these repositories kept that. Groups that users named stay.
pub(crate) fn changed(facts: &Facts, changes: &[(Uuid, Keeps)]) -> Result<Facts, Error> {
    let mut facts = facts.clone();
    for (repository, keeps) in changes {
        let (groups, wanted) = match keeps {
            Keeps::For(purpose) => (vec![group(*purpose).to_owned()], STANDARD.to_owned()),
            Keeps::All { groups } => (groups.clone(), String::new()),
            Keeps::Own { groups, wanted } => (groups.clone(), wanted.clone()),
        };
        if let Some(strange) = groups.iter().find(|group| !is_standard(group)) {
            return Err(Error::Refused(format!(
                "{strange:?} is none of git-annex's standard groups; nothing was changed"
            )));
        }
        if wanted.contains(['\n', '\r', '\0']) {
            return Err(Error::Refused(
                "preferred content has only one line; nothing was changed".to_owned(),
            ));
        }
        let own = facts.groups.remove(repository).unwrap_or_default();
        let own = own.into_iter().filter(|group| !is_standard(group));
        let groups: BTreeSet<String> = own.chain(groups).collect();
        facts.groups.insert(repository.clone(), groups);
        facts.preferred.insert(repository.clone(), wanted);
    }
    Ok(facts)
}

/// Writes what repositories keep in one commit, as `git annex group` and `git annex wanted` do. Makes no commit if
/// nothing changes.
pub(crate) fn record(annex: &Annex, changes: &[(Uuid, Keeps)]) -> Result<(), Error> {
    let before = annex.branch().facts()?;
    let after = changed(&before, changes)?;
    let values = |facts: &Facts| -> BTreeMap<(&str, Uuid), String> {
        let values = changes.iter().flat_map(|(uuid, _)| {
            let groups = facts.groups.get(uuid).into_iter().flatten();
            let groups: Vec<&str> = groups.map(String::as_str).collect();
            let preferred = facts.preferred.get(uuid).cloned().unwrap_or_default();
            [
                (("group.log", uuid.clone()), groups.join(" ")),
                (("preferred-content.log", uuid.clone()), preferred),
            ]
        });
        values.collect()
    };
    let before = values(&before);
    let after = values(&after);
    let news = after.iter().filter(|(of, value)| before.get(of) != Some(value));
    let news: Vec<_> = news.map(|((log, uuid), value)| (*log, uuid, value.as_str())).collect();
    if !news.is_empty() {
        annex.branch().record_values(&news, VectorClock::now())?;
    }
    Ok(())
}

/// The facts of the branch as settings for preferred content.
pub(crate) fn settings(facts: &Facts) -> PreferenceSettings {
    PreferenceSettings {
        groups: facts.groups.clone(),
        preferred: facts.preferred.clone(),
        required: facts.required.clone(),
        group_preferred: facts.group_preferred.clone(),
        trust: facts.trust.clone(),
        numcopies: facts.numcopies,
        ..PreferenceSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uuid() -> Uuid {
        Uuid::parse("there").unwrap()
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn facts(groups: &str, preferred: &str, required: &str) -> Facts {
        let set = |text: &str| (!text.is_empty()).then(|| (uuid(), text.to_owned()));
        Facts {
            groups: [(uuid(), words(groups).into_iter().collect())].into(),
            preferred: set(preferred).into_iter().collect(),
            required: set(required).into_iter().collect(),
            ..Facts::default()
        }
    }

    fn own(groups: &str, wanted: &str) -> Keeps {
        Keeps::Own {
            groups: words(groups),
            wanted: wanted.to_owned(),
        }
    }

    fn all(groups: &str) -> Keeps {
        Keeps::All { groups: words(groups) }
    }

    #[test]
    fn the_facts_of_the_branch_are_converted() {
        for (groups, preferred, keeps) in [
            ("", "", all("")),
            ("mine client", "", all("client")),
            ("backup", "standard", Keeps::For(Purpose::Backup)),
            ("incrementalbackup", "standard", Keeps::For(Purpose::OnlyNew)),
            ("archive mine", " standard ", Keeps::For(Purpose::Archive)),
            ("transfer", "standard", Keeps::For(Purpose::Carry)),
            ("client", "standard", own("client", "standard")),
            // With two standard groups, it wants only the content it has.
            ("archive backup", "standard", own("archive backup", "standard")),
            ("mine", "standard", own("", "standard")),
            (
                "archive",
                "standard or include=*.jpg",
                own("archive", "standard or include=*.jpg"),
            ),
            ("archive", "groupwanted", own("archive", "groupwanted")),
        ] {
            let told = told(&facts(groups, preferred, ""), &uuid());
            assert_eq!(told, keeps, "{groups:?}, {preferred:?}");
        }
        assert_eq!(told(&Facts::default(), &uuid()), all(""));
        assert_eq!(told(&facts("", "", "include=*.jpg"), &uuid()), own("", ""));
        let both = facts("backup", "standard", "include=*.jpg");
        assert_eq!(told(&both, &uuid()), Keeps::For(Purpose::Backup));
    }

    #[test]
    fn settings_are_read_back_as_set_and_named_groups_stay() {
        for keeps in [
            Keeps::For(Purpose::Archive),
            Keeps::For(Purpose::OnlyNew),
            all("client"),
            own("client manual", "standard"),
            own("", "include=*.jpg"),
        ] {
            for before in [facts("", "", ""), facts("mine backup", "standard", "")] {
                let set = changed(&before, &[(uuid(), keeps.clone())]).unwrap();
                assert_eq!(told(&set, &uuid()), keeps);
                let is_mine = |facts: &Facts| facts.groups[&uuid()].contains("mine");
                assert_eq!(is_mine(&set), is_mine(&before), "{keeps:?}");
            }
        }
    }

    #[test]
    fn settings_that_could_not_be_read_back_are_refused() {
        for (keeps, part) in [
            (all("mine"), "mine"),
            (own("archive", "include=a\ninclude=b"), "one line"),
            (
                Keeps::All {
                    groups: vec!["archive backup".to_owned()],
                },
                "archive backup",
            ),
        ] {
            let told = changed(&facts("", "", ""), &[(uuid(), keeps)]).unwrap_err().to_string();
            assert!(told.contains(part), "{told}");
        }
    }
}
