//! Whether one copy of content may be removed: only with a proof that enough others exist, by git-annex's rules.
//!
//! A copy counts if it was just seen, in a repository that is trusted to keep it; what the location log says of it counts
//! only for a repository that is trusted without being asked. While content is removed, nobody may rely on it, and the
//! copies that are relied on must stay: otherwise two repositories that drop the same content at once, each counting the
//! other, would lose it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use model::{Key, RepoPath, Trust, Uuid};

use crate::attributes::{Attribute, Attributes};
use crate::{Annex, Error, Result};

/// How long a lock on another computer is relied on. git-annex keeps the content for ten minutes, even if the connection
/// that has locked it breaks at once.
pub const RELIED_ON: Duration = Duration::from_secs(500);
/// How long a copy that was only seen is relied on.
const SEEN_FOR: Duration = Duration::from_secs(30);

/// How many other copies there must be for a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fewest {
    /// numcopies: as many are confirmed.
    pub numcopies: u32,
    /// mincopies: as many are sure to be left, even if others drop the content at the same moment.
    pub mincopies: u32,
}

/// How many copies the files of a repository ask for, as `.gitattributes` says at one moment.
pub struct FewestCopies {
    attributes: Attributes,
    in_general: Fewest,
}

impl FewestCopies {
    /// Reads what holds for the files of a repository. `in_general` is what counts for those about which `.gitattributes` says
    /// nothing.
    ///
    /// # Errors
    ///
    /// If the index or the configuration cannot be read.
    pub fn of(annex: &Annex, in_general: Fewest) -> Result<Self> {
        let attributes = Attributes::staged(annex, &*annex.git()?)?;
        Ok(Self { attributes, in_general })
    }

    /// The most that any of these files asks for, which all have the same content.
    ///
    /// # Errors
    ///
    /// Refused if `.gitattributes` cannot be read, or asks for something else than a number. Then nothing may be removed.
    pub fn for_files(&self, paths: &BTreeSet<RepoPath>) -> Result<Fewest> {
        let in_general = self.in_general;
        let mut fewest: Option<Fewest> = None;
        for path in paths {
            let said = self.attributes.of(path, ["annex.numcopies", "annex.mincopies"]);
            let [numcopies, mincopies] = said.map_err(Error::Refused)?;
            let asked = |attribute: &Attribute, in_general| {
                let number = number(attribute).map_err(|text| {
                    Error::Refused(format!(
                        ".gitattributes asks for {text:?} copies of {path}, which is no number; nothing was removed"
                    ))
                });
                number.map(|number| number.unwrap_or(in_general))
            };
            let (numcopies, mincopies) = (
                asked(&numcopies, in_general.numcopies)?,
                asked(&mincopies, in_general.mincopies)?,
            );
            fewest = Some(fewest.map_or(Fewest { numcopies, mincopies }, |before| Fewest {
                numcopies: before.numcopies.max(numcopies),
                mincopies: before.mincopies.max(mincopies),
            }));
        }
        Ok(fewest.unwrap_or(in_general))
    }
}

impl Fewest {
    fn copies(self) -> usize {
        let most = self.numcopies.max(self.mincopies).max(1);
        usize::try_from(most).unwrap_or(usize::MAX)
    }
}

/// The number that an attribute asks for; none if it is not set. git-annex takes 0 for 1. It also reads numbers from the
/// beginning of a text, and ignores a text without one: that is an error here, which is the text.
fn number(attribute: &Attribute) -> std::result::Result<Option<u32>, String> {
    match attribute {
        Attribute::Text(text) => {
            let text = text.to_string();
            let number: Option<u32> = text.parse().ok();
            number.map(|number| Some(number.max(1))).ok_or(text)
        }
        Attribute::None | Attribute::Set | Attribute::Unset => Ok(None),
    }
}

/// How a copy in another repository was confirmed.
pub enum Confirmed {
    /// It is there, and stays as long as this is held.
    Locked(Box<dyn Send>),
    /// It is there, and another computer keeps it as long as this is held, which occupies a connection; for [`RELIED_ON`] also
    /// if that breaks.
    Kept(Box<dyn Send>),
    /// It was there just now. Nothing can keep it there, as in a special remote.
    Seen,
}

/// Proves that enough other copies exist for one copy of a key to be removed here. The locks on them are held until it is
/// dropped.
pub struct CopiesProof {
    key: Key,
    from: Uuid,
    until: Option<Instant>,
    held: Vec<Confirmed>,
}

impl fmt::Debug for CopiesProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enough copies of {} besides that in {}", self.key, self.from)
    }
}

/// There are too few other copies, or too few could be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFew {
    /// How many were confirmed.
    pub confirmed: usize,
    /// How many are needed.
    pub needed: usize,
}

impl CopiesProof {
    /// Confirms copies of `key` until they are enough for the repository `from` to remove its own. Call this while `from`
    /// holds its exclusive lock on the content.
    ///
    /// `logged` are the repositories that have it by the location log, in the order in which to ask them; `confirm` asks one
    /// of them. Those that are dead, untrusted, or `from` itself are not asked, and trusted ones are believed.
    pub fn gather(
        key: &Key,
        from: &Uuid,
        fewest: Fewest,
        trust: &BTreeMap<Uuid, Trust>,
        logged: &[Uuid],
        confirm: &mut dyn FnMut(&Uuid) -> Option<Confirmed>,
    ) -> std::result::Result<Self, TooFew> {
        let trust_of = |uuid: &Uuid| trust.get(uuid).copied().unwrap_or_default();
        let counted: BTreeSet<&Uuid> = logged
            .iter()
            .filter(|uuid| *uuid != from && trust_of(uuid) >= Trust::Semitrusted)
            .collect();
        let (trusted, others): (Vec<&Uuid>, Vec<&Uuid>) = logged
            .iter()
            .filter(|uuid| counted.contains(uuid))
            .partition(|uuid| trust_of(uuid) == Trust::Trusted);
        let mut known: BTreeSet<&Uuid> = trusted.into_iter().collect();
        let (mut confirmed, mut held, mut until) = (known.len(), Vec::new(), None);
        // A copy that was only seen counts for mincopies too. Whoever removes it needs a lock on another copy, and cannot get one
        // on this copy while `from` holds its exclusive lock.
        let needed = fewest.copies();
        for uuid in others {
            if confirmed >= needed {
                break;
            }
            if !known.insert(uuid) {
                continue;
            }
            let asked = Instant::now();
            if let Some(copy) = confirm(uuid) {
                confirmed += 1;
                let of_this = match copy {
                    Confirmed::Locked(_) => None,
                    Confirmed::Kept(_) => Some(asked + RELIED_ON),
                    Confirmed::Seen => Some(asked + SEEN_FOR),
                };
                until = until.into_iter().chain(of_this).min();
                held.push(copy);
            }
        }
        if confirmed < needed {
            return Err(TooFew { confirmed, needed });
        }
        Ok(Self {
            key: key.clone(),
            from: from.clone(),
            until,
            held,
        })
    }

    /// True if it occupies a connection to another computer as long as it is held.
    pub(crate) fn holds_connection(&self) -> bool {
        self.held.iter().any(|copy| matches!(copy, Confirmed::Kept(_)))
    }

    /// True if it is about this copy, and what it relies on still holds.
    pub(crate) fn covers(&self, key: &Key, from: &Uuid) -> bool {
        self.key == *key && self.from == *from && self.until.is_none_or(|until| Instant::now() < until)
    }
}

#[cfg(test)]
mod tests;
