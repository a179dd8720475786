use std::collections::BTreeSet;

use super::network::{Network, Trust};
use crate::{Key, RepoPath, Uuid};

/// The facts that an expression is evaluated against: file, key and repository.
///
/// A term whose fact is missing does not match (neither does `exclude` for a file without a name).
/// [`Needs`](super::Needs) tells in advance which facts an expression needs.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The file, relative to the top of the repository; none when keys are evaluated without files.
    pub path: Option<&'a RepoPath>,
    /// The key; none for a file that is not annexed yet.
    pub key: Option<&'a Key>,
    /// Size of the file in bytes, used if there is no key that records a size.
    pub size: Option<u64>,
    /// The repository in question.
    pub repository: &'a Uuid,
    /// The repositories that have the key's content, by the location log.
    pub holders: &'a BTreeSet<Uuid>,
    /// Evaluate as if the repository in question had dropped the content; `present` still sees it.
    pub assume_dropped: bool,
    /// Groups, trust, numbers of copies.
    pub network: &'a Network,
    /// Facts that are expensive to find out, requested only when a term needs them.
    pub details: &'a dyn Details,
}

/// Facts that only some terms need.
pub trait Details {
    /// True if some current value of the field passes `test`. `field` is in lower case.
    fn has_metadata(&self, _key: &Key, _field: &str, _test: &dyn Fn(&[u8]) -> bool) -> bool {
        false
    }

    /// True if some recorded url passes `test`.
    fn has_url(&self, _key: &Key, _test: &dyn Fn(&[u8]) -> bool) -> bool {
        false
    }

    /// True if the key is in the local list of unused keys.
    fn is_unused(&self, _key: &Key) -> bool {
        false
    }

    /// The number of copies that `.gitattributes` asks for.
    fn numcopies(&self, _path: &RepoPath) -> Option<u32> {
        None
    }

    /// The MIME type and encoding of the file. If unknown, `mimetype=` and `mimeencoding=` match nothing, and the
    /// caller must not rely on the result.
    fn mime(&self, _path: &RepoPath) -> Option<Mime> {
        None
    }
}

/// The output of `file --mime`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mime {
    /// Such as `text/plain`.
    pub mime_type: String,
    /// Such as `us-ascii` or `binary`.
    pub encoding: String,
}

/// No details at all.
#[derive(Debug, Clone, Copy)]
pub struct NoDetails;

impl Details for NoDetails {}

impl Facts<'_> {
    /// The size of the key, or of the file.
    pub fn size(&self) -> Option<u64> {
        self.key.and_then(Key::size).or(self.size)
    }

    /// True if the repository in question has the content, even if it is assumed dropped.
    pub fn is_present(&self) -> bool {
        self.holders.contains(self.repository)
    }

    /// The repositories that count as having the content; dead ones do not.
    pub(super) fn copies(&self) -> impl Iterator<Item = (&Uuid, Trust)> {
        self.holders
            .iter()
            .filter(|&uuid| !(self.assume_dropped && uuid == self.repository))
            .map(|uuid| (uuid, self.network.trust(uuid)))
            .filter(|&(_, trust)| trust != Trust::Dead)
    }

    /// How many copies are missing; negative if there are more than enough.
    pub(super) fn lacking_copies(&self, approximate: bool) -> i64 {
        let attribute = match self.path {
            Some(path) if !approximate => self.details.numcopies(path),
            Some(_) | None => None,
        };
        let enough = attribute.unwrap_or_else(|| self.network.numcopies());
        let counted = self.copies().filter(|&(_, trust)| trust >= Trust::Semitrusted).count();
        i64::from(enough) - i64::try_from(counted).unwrap_or(i64::MAX)
    }
}
