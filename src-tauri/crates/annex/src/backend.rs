//! What git-annex's hash backends compute, and whether content is what its key says.

use digest::DynDigest;
use model::Key;

/// A backend that names content by a hash of it. The variant with a trailing `E` (it keeps the file's extension in the
/// key) computes the same hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the backend of that name")]
pub enum Backend {
    Sha256,
    Sha512,
    Sha224,
    Sha384,
    Sha3_256,
    Sha3_512,
    Sha3_224,
    Sha3_384,
    Skein256,
    Skein512,
    Blake2b256,
    Blake2b512,
    Blake2b160,
    Blake2b224,
    Blake2b384,
    Blake2bp512,
    Blake2s256,
    Blake2s160,
    Blake2s224,
    Blake2sp256,
    Blake2sp224,
    Blake3_256,
    Xxh3,
    Sha1,
    Md5,
}

/// git-annex's names, without the trailing `E`.
const NAMES: [(&str, Backend); 25] = [
    ("SHA256", Backend::Sha256),
    ("SHA512", Backend::Sha512),
    ("SHA224", Backend::Sha224),
    ("SHA384", Backend::Sha384),
    ("SHA3_256", Backend::Sha3_256),
    ("SHA3_512", Backend::Sha3_512),
    ("SHA3_224", Backend::Sha3_224),
    ("SHA3_384", Backend::Sha3_384),
    ("SKEIN256", Backend::Skein256),
    ("SKEIN512", Backend::Skein512),
    ("BLAKE2B256", Backend::Blake2b256),
    ("BLAKE2B512", Backend::Blake2b512),
    ("BLAKE2B160", Backend::Blake2b160),
    ("BLAKE2B224", Backend::Blake2b224),
    ("BLAKE2B384", Backend::Blake2b384),
    ("BLAKE2BP512", Backend::Blake2bp512),
    ("BLAKE2S256", Backend::Blake2s256),
    ("BLAKE2S160", Backend::Blake2s160),
    ("BLAKE2S224", Backend::Blake2s224),
    ("BLAKE2SP256", Backend::Blake2sp256),
    ("BLAKE2SP224", Backend::Blake2sp224),
    ("BLAKE3_256", Backend::Blake3_256),
    ("XXH3", Backend::Xxh3),
    ("SHA1", Backend::Sha1),
    ("MD5", Backend::Md5),
];

impl Backend {
    /// Finds the backend of a name as it stands in a key or a setting, and whether it is the variant that keeps the
    /// extension. None for the backends that do not hash (`WORM`, `URL`, …), external and unknown ones.
    pub fn parse(name: &[u8]) -> Option<(Backend, bool)> {
        let find = |name: &[u8]| NAMES.iter().find(|(known, _)| known.as_bytes() == name);
        match find(name) {
            Some(&(_, backend)) => Some((backend, false)),
            None => find(name.strip_suffix(b"E")?).map(|&(_, backend)| (backend, true)),
        }
    }

    /// True if nobody can make two contents with the same hash (`annex.securehashesonly`).
    pub fn is_secure(self) -> bool {
        !matches!(self, Backend::Sha1 | Backend::Md5 | Backend::Xxh3)
    }
}

/// True if `annex.securehashesonly` allows keys of the backend of this name, hashing or not.
pub fn is_secure_backend(name: &[u8]) -> bool {
    match Backend::parse(name) {
        Some((backend, _)) => backend.is_secure(),
        None => matches!(name, b"VURL" | b"GITBUNDLE"),
    }
}

/// Computes the hash of one content.
pub struct Hasher(State);

enum State {
    Digest(Box<dyn DynDigest + Send>),
    Blake2b(Box<blake2b_simd::State>),
    Blake2bp(Box<blake2b_simd::blake2bp::State>),
    Blake2s(Box<blake2s_simd::State>),
    Blake2sp(Box<blake2s_simd::blake2sp::State>),
    Blake3(Box<blake3::Hasher>),
    Xxh3(Box<xxhash_rust::xxh3::Xxh3>),
}

impl Hasher {
    /// Starts with no content.
    pub fn new(backend: Backend) -> Self {
        let blake2b = |bytes| State::Blake2b(Box::new(blake2b_simd::Params::new().hash_length(bytes).to_state()));
        let blake2s = |bytes| State::Blake2s(Box::new(blake2s_simd::Params::new().hash_length(bytes).to_state()));
        let blake2sp = |bytes| {
            State::Blake2sp(Box::new(
                blake2s_simd::blake2sp::Params::new().hash_length(bytes).to_state(),
            ))
        };
        Self(match backend {
            Backend::Sha256 => State::Digest(Box::<sha2::Sha256>::default()),
            Backend::Sha512 => State::Digest(Box::<sha2::Sha512>::default()),
            Backend::Sha224 => State::Digest(Box::<sha2::Sha224>::default()),
            Backend::Sha384 => State::Digest(Box::<sha2::Sha384>::default()),
            Backend::Sha3_256 => State::Digest(Box::<sha3::Sha3_256>::default()),
            Backend::Sha3_512 => State::Digest(Box::<sha3::Sha3_512>::default()),
            Backend::Sha3_224 => State::Digest(Box::<sha3::Sha3_224>::default()),
            Backend::Sha3_384 => State::Digest(Box::<sha3::Sha3_384>::default()),
            Backend::Skein256 => State::Digest(Box::<skein::Skein256_256>::default()),
            Backend::Skein512 => State::Digest(Box::<skein::Skein512_512>::default()),
            Backend::Sha1 => State::Digest(Box::<sha1::Sha1>::default()),
            Backend::Md5 => State::Digest(Box::<md5::Md5>::default()),
            Backend::Blake2b160 => blake2b(20),
            Backend::Blake2b224 => blake2b(28),
            Backend::Blake2b256 => blake2b(32),
            Backend::Blake2b384 => blake2b(48),
            Backend::Blake2b512 => blake2b(64),
            Backend::Blake2bp512 => State::Blake2bp(Box::new(blake2b_simd::blake2bp::State::new())),
            Backend::Blake2s160 => blake2s(20),
            Backend::Blake2s224 => blake2s(28),
            Backend::Blake2s256 => blake2s(32),
            Backend::Blake2sp224 => blake2sp(28),
            Backend::Blake2sp256 => blake2sp(32),
            Backend::Blake3_256 => State::Blake3(Box::new(blake3::Hasher::new())),
            Backend::Xxh3 => State::Xxh3(Box::new(xxhash_rust::xxh3::Xxh3::new())),
        })
    }

    /// Takes the next part of the content. Parts of 64 KiB or more keep the cost per call invisible.
    pub fn update(&mut self, part: &[u8]) {
        match &mut self.0 {
            State::Digest(state) => state.update(part),
            State::Blake2b(state) => {
                state.update(part);
            }
            State::Blake2bp(state) => {
                state.update(part);
            }
            State::Blake2s(state) => {
                state.update(part);
            }
            State::Blake2sp(state) => {
                state.update(part);
            }
            State::Blake3(state) => {
                state.update(part);
            }
            State::Xxh3(state) => state.update(part),
        }
    }

    /// Returns the hash in lower-case hexadecimal digits, as it stands in a key.
    pub fn finish(self) -> String {
        match self.0 {
            State::Digest(state) => hex::encode(state.finalize()),
            State::Blake2b(state) => hex::encode(state.finalize().as_bytes()),
            State::Blake2bp(state) => hex::encode(state.finalize().as_bytes()),
            State::Blake2s(state) => hex::encode(state.finalize().as_bytes()),
            State::Blake2sp(state) => hex::encode(state.finalize().as_bytes()),
            State::Blake3(state) => hex::encode(state.finalize().as_bytes()),
            State::Xxh3(state) => format!("{:016x}", state.digest()),
        }
    }
}

/// Compares content with what its key says about it.
pub struct Verifier {
    hash: Option<(Hasher, Vec<u8>)>,
    expected_size: Option<u64>,
    size: u64,
}

/// What a [`Verifier`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashVerdict {
    /// The content has the hash that the key names, and the size if the key names one.
    Matches,
    /// The key has no hash that this program can compute; the size does not contradict it.
    SizeOnly,
    /// This is not the content of the key.
    Wrong,
}

impl HashVerdict {
    /// True for the content of the key. Where the key has no hash to tell, the sender's word `is_valid` counts.
    pub(crate) fn is_right(self, is_valid: bool) -> bool {
        match self {
            HashVerdict::Matches => true,
            HashVerdict::SizeOnly => is_valid,
            HashVerdict::Wrong => false,
        }
    }
}

impl Verifier {
    /// Starts with no content. Of the keys of chunks nothing can be verified: their hash is that of the whole content.
    pub fn for_key(key: &Key) -> Self {
        let hash = Backend::parse(key.backend())
            .filter(|_| !key.is_chunk())
            .map(|(backend, keeps_extension)| {
                let name = match key.name().iter().position(|&b| b == b'.') {
                    Some(dot) if keeps_extension => &key.name()[..dot],
                    _ => key.name(),
                };
                (Hasher::new(backend), name.to_vec())
            });
        Self {
            hash,
            expected_size: key.size().filter(|_| !key.is_chunk()),
            size: 0,
        }
    }

    /// Takes the next part of the content.
    pub fn update(&mut self, part: &[u8]) {
        self.size += part.len() as u64;
        if let Some((hasher, _)) = &mut self.hash {
            hasher.update(part);
        }
    }

    /// Returns the verdict on all that was given.
    pub fn finish(self) -> HashVerdict {
        if self.expected_size.is_some_and(|expected| expected != self.size) {
            return HashVerdict::Wrong;
        }
        let Some((hasher, expected)) = self.hash else {
            return HashVerdict::SizeOnly;
        };
        if hasher.finish().as_bytes() == expected {
            HashVerdict::Matches
        } else {
            HashVerdict::Wrong
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Backend, HashVerdict, Verifier, is_secure_backend};
    use model::Key;

    fn verdict(key: &str, content: &[u8]) -> HashVerdict {
        let mut verifier = Verifier::for_key(&Key::parse(key.as_bytes()).unwrap());
        for part in content.chunks(2) {
            verifier.update(part);
        }
        verifier.finish()
    }

    #[test]
    fn only_the_named_content_matches() {
        let hello = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        assert_eq!(
            verdict(&format!("SHA256E-s6--{hello}.tar.gz"), b"hello\n"),
            HashVerdict::Matches
        );
        assert_eq!(verdict(&format!("SHA256--{hello}"), b"hello\n"), HashVerdict::Matches);
        assert_eq!(verdict(&format!("SHA256--{hello}"), b"hellO\n"), HashVerdict::Wrong);
        assert_eq!(verdict(&format!("SHA256-s7--{hello}"), b"hello\n"), HashVerdict::Wrong);
        assert_eq!(
            verdict(&format!("SHA256-s6--{hello}.txt"), b"hello\n"),
            HashVerdict::Wrong
        );
        assert_eq!(verdict("XXH3--123", b"hello\n"), HashVerdict::Wrong);
    }

    #[test]
    fn a_key_without_a_known_hash_is_never_said_to_match() {
        for key in [
            "WORM-s6-m1--a",
            "URL--http&c%%x",
            "VURL-s6--x",
            "XFOO-s6--x",
            "sha256-s6--x",
        ] {
            assert_eq!(verdict(key, b"hello\n"), HashVerdict::SizeOnly, "{key}");
        }
        assert_eq!(verdict("WORM-s5-m1--a", b"hello\n"), HashVerdict::Wrong);
        assert_eq!(verdict("SHA256-s6-S4-C1--x", b"hell"), HashVerdict::SizeOnly);
    }

    #[test]
    fn secure_is_what_git_annex_calls_secure() {
        for name in ["SHA256E", "BLAKE2SP224", "SKEIN512E", "VURL", "GITBUNDLE"] {
            assert!(is_secure_backend(name.as_bytes()), "{name}");
        }
        for name in ["SHA1", "MD5E", "XXH3", "WORM", "URL", "GITMANIFEST", "XSHA256", "E", ""] {
            assert!(!is_secure_backend(name.as_bytes()), "{name}");
        }
        assert_eq!(Backend::parse(b"SHA256EE"), None);
    }
}
