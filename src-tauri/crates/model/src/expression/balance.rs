use super::facts::Facts;
use super::network::Trust;
use crate::Uuid;

/// `balanced=`, `fullybalanced=`, `sizebalanced=` or `fullysizebalanced=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// The group among whose members the content is spread.
    pub group: Box<str>,
    /// How many members should have the content.
    pub number: BalanceNumber,
    /// Prefer the least full members, instead of choosing by hash.
    pub by_size: bool,
    /// Move content to the chosen members even if others already have it.
    pub fully: bool,
}

/// The number of a balanced term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalanceNumber {
    /// The number as written, 1 by default.
    Fixed(i64),
    /// `lackingcopies`: as many as numcopies asks for beyond the copies outside the group.
    LackingCopies,
}

impl Balance {
    /// True if the repository in question should have the content.
    pub(super) fn matches(&self, facts: &Facts<'_>) -> bool {
        if !self.fully && facts.is_present() {
            return true;
        }
        let number = self.number(facts);
        if number <= 0 || !facts.network.is_member(facts.repository, &self.group) {
            return false;
        }
        if !self.fully && self.copies(facts, Trust::Untrusted) >= number {
            return false;
        }
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        if self.by_size {
            self.is_least_full(facts, number)
        } else {
            self.is_chosen(facts, number)
        }
    }

    /// How many members should have the content. `lackingcopies` stands for the copies that numcopies requires beyond
    /// those outside the group, as observed in git-annex.
    fn number(&self, facts: &Facts<'_>) -> i64 {
        match self.number {
            BalanceNumber::Fixed(number) => number,
            BalanceNumber::LackingCopies => facts.lacking_copies(false) + self.copies(facts, Trust::Semitrusted),
        }
    }

    fn copies(&self, facts: &Facts<'_>, at_least: Trust) -> i64 {
        let counts = |&(uuid, trust): &(&Uuid, Trust)| trust >= at_least && facts.network.is_member(uuid, &self.group);
        i64::try_from(facts.copies().filter(counts).count()).unwrap_or(i64::MAX)
    }

    /// git-annex's choice: `number` consecutive candidates, starting with one that the key's HMAC selects.
    fn is_chosen(&self, facts: &Facts<'_>, number: usize) -> bool {
        let Some(key) = facts.key else { return false };
        let (mut count, mut place) = (0, None);
        for member in facts
            .network
            .members(&self.group)
            .filter(|member| has_room(facts, member))
        {
            if member == facts.repository {
                place = Some(count);
            }
            count += 1;
        }
        let Some(place) = place else { return false };
        let first = facts.network.choice(&self.group, key.as_bytes(), count);
        (place + count - first) % count < number
    }

    /// True if fewer than `number` members with room are less full than this one; among equally full members, the last
    /// in order goes first. Members without a maxsize never count. The fullness of a member is measured before the key
    /// is added. All this as observed in git-annex.
    fn is_least_full(&self, facts: &Facts<'_>, number: usize) -> bool {
        let Some(own) = fullness(facts, facts.repository) else {
            return false;
        };
        let goes_first = |member: &&Uuid| {
            let Some(other) = fullness(facts, member) else {
                return false;
            };
            (other.0 * own.1)
                .cmp(&(own.0 * other.1))
                .then(facts.repository.cmp(*member))
                .is_lt()
        };
        facts.network.members(&self.group).filter(goes_first).count() < number
    }
}

/// True if the repository has no maxsize, or if the key fits in it. A repository of unknown size counts as full.
fn has_room(facts: &Facts<'_>, uuid: &Uuid) -> bool {
    facts.network.maxsize(uuid).is_none() || fullness(facts, uuid).is_some()
}

/// Size and maxsize of a repository that has room for the key or already has it.
fn fullness(facts: &Facts<'_>, uuid: &Uuid) -> Option<(u128, u128)> {
    let maxsize = facts.network.maxsize(uuid)?;
    let size = facts.network.size(uuid)?;
    let fits = facts.holders.contains(uuid) || size.saturating_add(facts.size().unwrap_or(0)) <= maxsize;
    fits.then_some((u128::from(size), u128::from(maxsize.max(1))))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::expression::{PreferenceSettings, Preferences};
    use crate::{Key, RepoPath, Uuid};

    /// Returns for each of the first eight keys of `balanced.json` the members that want it, named by the first digits
    /// of their uuids.
    fn wanting(expression: &str, numcopies: u32, holders: &str, full: &[(char, u64, u64)]) -> Vec<String> {
        let uuid =
            |digit: char| Uuid::parse(&format!("{}-1111-4222-8333-444455556666", digit.to_string().repeat(8))).unwrap();
        let members = ['0', '3', 'a', 'f'].map(uuid);
        let preferences = Preferences::new(&PreferenceSettings {
            groups: members
                .iter()
                .map(|u| (u.clone(), BTreeSet::from(["bal".to_owned()])))
                .collect(),
            preferred: members.iter().map(|u| (u.clone(), expression.to_owned())).collect(),
            numcopies: Some(numcopies),
            sizes: full.iter().map(|&(digit, size, _)| (uuid(digit), size)).collect(),
            maxsize: full.iter().map(|&(digit, _, maxsize)| (uuid(digit), maxsize)).collect(),
            ..PreferenceSettings::default()
        });
        let holders = holders.chars().map(uuid).collect();
        let keys =
            (1..=8).map(|n| Key::parse(format!("SHA256E-s{}--{:064x}.dat", n * 10, n * 7919).as_bytes()).unwrap());
        let path = [RepoPath::parse(b"f").unwrap()];
        let names = |found: BTreeSet<Uuid>| found.iter().map(|u| &u.as_str()[..1]).collect();
        keys.map(|key| names(preferences.wanting(&key, &path, &holders, &members)))
            .collect()
    }

    #[test]
    fn copies_outside_the_group_reduce_lackingcopies() {
        // These are the answers of git-annex.
        for (numcopies, holders, text, wanted) in [
            (1, "", "balanced", "0 f f f f 3 3 3"),
            (1, "0f", "fullybalanced", "0 f f f f 3 3 3"),
            (2, "", "balanced", "03 0f 0f 0f 0f 3a 3a 3a"),
            (2, "0", "balanced", "03 0f 0f 0f 0f 03a 03a 03a"),
            (2, "f", "balanced", "03f 0f 0f 0f 0f 3af 3af 3af"),
            (2, "0f", "balanced", "0f 0f 0f 0f 0f 0f 0f 0f"),
            (2, "c", "balanced", "0 f f f f 3 3 3"),
            (2, "c0", "balanced", "0 0 0 0 0 0 0 0"),
            (2, "c7", "fullybalanced", "       "),
            (3, "", "fullybalanced", "03a 03f 03f 03f 03f 3af 3af 3af"),
            (3, "c0", "balanced", "03 0f 0f 0f 0f 03a 03a 03a"),
            (3, "c7", "balanced", "0 f f f f 3 3 3"),
        ] {
            let found = wanting(&format!("{text}=bal:lackingcopies"), numcopies, holders, &[]);
            assert_eq!(found.join(" "), wanted, "numcopies {numcopies} {text} {holders}");
        }
    }

    #[test]
    fn balancing_by_size_prefers_the_least_full_members() {
        let filled = [('0', 600, 2000), ('3', 700, 10_000), ('a', 800, 4000), ('f', 500, 1000)];
        for (text, full, wanted) in [
            ("sizebalanced=bal", &filled[..], "3"),
            ("fullysizebalanced=bal:2", &filled, "3a"),
            ("sizebalanced=bal:3", &filled, "03a"),
            ("sizebalanced=bal:2", &[filled[0], filled[1], filled[3]], "03"),
            (
                "sizebalanced=bal",
                &[('0', 0, 100), ('3', 0, 1_000_000), ('f', 0, 1000)],
                "f",
            ),
            ("sizebalanced=bal", &[('0', 500, 1000), ('f', 100, 210)], "f"),
            ("sizebalanced=bal:2", &[('0', 600, 600), ('f', 500, 500)], ""),
        ] {
            assert_eq!(wanting(text, 1, "", full), [wanted; 8], "{text} {full:?}");
        }
    }
}
