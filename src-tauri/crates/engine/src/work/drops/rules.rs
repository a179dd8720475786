//! Which content is dropped by itself, as far as the observations tell.

use std::collections::{BTreeMap, BTreeSet};

use annex::Facts;
use assistant::Spare;
use model::expression::{NoDetails, Preference, Preferences, Subject};
use model::{Key, RepoPath, Trust, Uuid};

use super::super::FolderState;

/// The rules that decide which content is not wanted here any more. Equal rules, equal decisions.
#[derive(Debug, Hash)]
pub(in crate::work) struct DropRules {
    here: Uuid,
    /// True if this repository never wants to drop anything, or depends on what cannot be looked up.
    keeps_all: bool,
    /// How many copies must be left of a file about which `.gitattributes` says nothing.
    copies: usize,
    trusted: BTreeSet<Uuid>,
    /// The repositories whose copies do not count.
    uncounted: BTreeSet<Uuid>,
}

impl DropRules {
    pub(in crate::work) fn of(state: &FolderState, facts: &Facts, preferences: &Preferences) -> Self {
        let here = state.annex().uuid();
        let preference = preferences.of(here);
        let drops = |preference: &Preference| preference.is_configured() && is_looked_up(preference);
        let at_level = |level: fn(Trust) -> bool| of_level(&facts.trust, level);
        let fewest = state.configured().fewest_copies(facts);
        Self {
            here: here.clone(),
            keeps_all: !preference.is_some_and(drops),
            copies: usize::try_from(fewest.numcopies.max(fewest.mincopies).max(1)).unwrap_or(usize::MAX),
            trusted: at_level(|trust| trust == Trust::Trusted),
            uncounted: at_level(|trust| trust < Trust::Semitrusted),
        }
    }

    /// What this repository needs to drop a key; none if it wants it, or too few copies are known.
    pub(in crate::work) fn spare(
        &self,
        preferences: &Preferences,
        key: &Key,
        paths: &[RepoPath],
        have: &BTreeSet<Uuid>,
    ) -> Option<Spare> {
        // What no file uses was perhaps used a moment ago, and history needs it.
        if self.keeps_all || paths.is_empty() || !have.contains(&self.here) {
            return None;
        }
        let counted = have
            .iter()
            .filter(|uuid| **uuid != self.here && !self.uncounted.contains(uuid));
        let (trusted, among): (Vec<_>, BTreeSet<Uuid>) = {
            let (trusted, others): (Vec<&Uuid>, Vec<&Uuid>) = counted.partition(|uuid| self.trusted.contains(*uuid));
            (trusted, others.into_iter().cloned().collect())
        };
        let confirm = self.copies.saturating_sub(trusted.len());
        if among.len() < confirm {
            return None;
        }
        let subject = Subject {
            key,
            paths,
            holders: have,
            details: &NoDetails,
        };
        let is_spare = preferences.wants_to_drop(&self.here, &subject);
        is_spare.then_some(Spare { confirm, among })
    }
}

/// True if everything is known that the preferred and required content of a repository depend on.
pub(super) fn is_looked_up(preference: &Preference) -> bool {
    let needs = preference.needs();
    !(needs.metadata || needs.urls || needs.unused || needs.attributes || needs.mime || needs.sizes)
}

fn of_level(trust: &BTreeMap<Uuid, Trust>, is_so: fn(Trust) -> bool) -> BTreeSet<Uuid> {
    let such = trust.iter().filter(|(_, level)| is_so(**level));
    such.map(|(uuid, _)| uuid.clone()).collect()
}
