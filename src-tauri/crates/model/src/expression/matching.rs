//! Whether a term matches.

use super::facts::Facts;
use super::network::Trust;
use super::term::{Among, Term};
use crate::Uuid;

impl Term {
    pub(super) fn matches(&self, facts: &Facts<'_>) -> bool {
        let on_path = |test: &dyn Fn(&[u8]) -> bool| facts.path.is_some_and(|path| test(path.as_bytes()));
        let on_size = |test: &dyn Fn(i128) -> bool| facts.size().is_some_and(|size| test(i128::from(size)));
        match self {
            Term::Anything | Term::Standard | Term::GroupWanted => true,
            Term::Nothing => false,
            Term::Include(glob) => on_path(&|path| glob.matches(path)),
            Term::Exclude(glob) => on_path(&|path| !glob.is_malformed() && !glob.matches(path)),
            Term::LargerThan(limit) => on_size(&|size| size > *limit),
            Term::SmallerThan(limit) => on_size(&|size| size < *limit),
            Term::Unused => facts.key.is_some_and(|key| facts.details.is_unused(key)),
            Term::MimeType(glob) => mime(facts).is_some_and(|mime| glob.matches(mime.mime_type.as_bytes())),
            Term::MimeEncoding(glob) => mime(facts).is_some_and(|mime| glob.matches(mime.encoding.as_bytes())),
            Term::Copies { among, number } => {
                let counts = |(uuid, trust): &(&Uuid, Trust)| match among {
                    Among::All => true,
                    Among::Trusted(level) => trust == level,
                    Among::AtLeast(level) => trust >= level,
                    Among::Group(group) => facts.network.is_member(uuid, group),
                };
                i64::try_from(facts.copies().filter(counts).count()).unwrap_or(i64::MAX) >= *number
            }
            Term::LackingCopies { number, approximate } => facts.lacking_copies(*approximate) >= *number,
            Term::InBackend(name) => facts.key.is_some_and(|key| key.backend() == name),
            Term::SecureHash => facts.key.is_some_and(|key| is_secure(key.backend())),
            Term::InAllGroup(group) => facts
                .network
                .members(group)
                .all(|member| facts.copies().any(|(uuid, _)| uuid == member)),
            Term::OnlyInGroup(group) => {
                let mut inside = false;
                facts.copies().all(|(uuid, _)| {
                    let member = facts.network.is_member(uuid, group);
                    inside |= member;
                    member
                }) && inside
            }
            Term::Metadata(test) => facts.key.is_some_and(|key| {
                facts
                    .details
                    .has_metadata(key, &test.field, &|value| test.accepts(value))
            }),
            Term::Url(glob) => facts
                .key
                .is_some_and(|key| facts.details.has_url(key, &|url| glob.matches(url))),
            Term::Present => facts.is_present(),
            Term::InPreferredDir => {
                let directory = facts.network.preferred_directory(facts.repository);
                on_path(&|path| is_below(path, directory.as_bytes()))
            }
            Term::Balanced(balance) => balance.matches(facts),
        }
    }
}

fn mime(facts: &Facts<'_>) -> Option<super::Mime> {
    facts.details.mime(facts.path?)
}

/// True if some directory of the path is named `directory`.
fn is_below(path: &[u8], directory: &[u8]) -> bool {
    let inside = |at: &[u8]| at.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"));
    inside(path)
        || path
            .iter()
            .zip(1..)
            .any(|(&byte, next)| byte == b'/' && inside(&path[next..]))
}

/// True if nobody can make two contents with the same key of this backend.
fn is_secure(backend: &[u8]) -> bool {
    const SECURE: [&str; 22] = [
        "SHA224",
        "SHA256",
        "SHA384",
        "SHA512",
        "SHA3_224",
        "SHA3_256",
        "SHA3_384",
        "SHA3_512",
        "SKEIN256",
        "SKEIN512",
        "BLAKE2B160",
        "BLAKE2B224",
        "BLAKE2B256",
        "BLAKE2B384",
        "BLAKE2B512",
        "BLAKE2BP512",
        "BLAKE2S160",
        "BLAKE2S224",
        "BLAKE2S256",
        "BLAKE2SP224",
        "BLAKE2SP256",
        "BLAKE3_256",
    ];
    let hash = backend.strip_suffix(b"E").unwrap_or(backend);
    matches!(backend, b"VURL" | b"GITBUNDLE") || SECURE.iter().any(|secure| secure.as_bytes() == hash)
}
