//! Which key a new content gets.

use bstr::ByteSlice;
use digest::Digest;
use md5::Md5;
use model::{Key, KeyError, RepoPath};

use crate::Backend;

/// A key with a longer extension (dot included) is recognised by no git-annex command.
const MAX_EXTENSION: usize = 64;

/// Sanitized names of no more bytes than this are kept whole.
const MAX_NAME: usize = 64;

/// Returns the extension that backends with a trailing `E` keep, with its dot; empty if there is none.
///
/// `max_length` is `annex.maxextensionlength` (bytes, dot excluded), `max_extensions` is `annex.maxextensions`. Leading
/// parts are left out where the whole would be too long for a key, unlike git-annex, which then makes keys that it does
/// not recognise.
pub fn extension(path: &RepoPath, max_length: usize, max_extensions: usize) -> Vec<u8> {
    let name = path.file_name().trim_start_with(|c| c == '.');
    let is_valid = |piece: &&[u8]| piece.iter().all(|b| b.is_ascii_alphanumeric() || *b >= 0x80);
    let pieces = name.split_str(".").skip(1).collect::<Vec<_>>();
    let kept = pieces
        .iter()
        .rev()
        .take_while(|piece| piece.len() <= max_length)
        .filter(|piece| is_valid(piece))
        .take(max_extensions)
        .filter(|piece| !piece.is_empty())
        .scan(0, |length, piece| {
            *length += 1 + piece.len();
            (*length <= MAX_EXTENSION).then_some(*piece)
        })
        .collect::<Vec<_>>();
    let mut extension = Vec::new();
    for piece in kept.into_iter().rev() {
        extension.push(b'.');
        extension.extend_from_slice(piece);
    }
    extension
}

/// Returns the key of hashed content: `digest` is what [`crate::Hasher::finish`] said, `extension` what [`extension`]
/// said (left out if the backend does not keep extensions).
///
/// # Panics
///
/// Never for a backend name that [`Backend::parse`] knows.
pub fn key_for(backend: &str, digest: &str, size: u64, extension: &[u8]) -> Key {
    let mut text = format!("{backend}-s{size}--{digest}").into_bytes();
    if Backend::parse(backend.as_bytes()).is_some_and(|(_, keeps_extension)| keeps_extension) {
        text.extend_from_slice(extension);
    }
    Key::parse(&text).expect("because a hash backend, a digest and an extension that was capped make a key")
}

/// True if a key of this backend is one of this content. Its extension says nothing of that: it is of the name that the file
/// had when it was added.
pub(crate) fn is_of(key: &Key, backend: &str, digest: &str, size: u64) -> bool {
    let rest = key.name().strip_prefix(digest.as_bytes());
    key.backend() == backend
        && key.size().is_none_or(|known| known == size)
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
}

/// True if git-annex would give the content of `key` another key at this path, with its default settings: because the
/// extension is another.
pub(crate) fn is_of_another_name(key: &Key, path: &RepoPath) -> bool {
    let keeps_extension = Backend::parse(key.backend().as_bytes()).is_some_and(|(_, keeps)| keeps);
    let name: &[u8] = key.name();
    let kept = name.find_byte(b'.').map_or(&b""[..], |dot| &name[dot..]);
    keeps_extension && extension(path, 4, 2) != kept
}

/// Returns the WORM key of a file: `mtime` in whole seconds since the epoch.
///
/// # Errors
///
/// Never seen: sanitizing leaves only characters that a key may have.
pub fn worm_key(path: &RepoPath, size: u64, mtime: u64) -> Result<Key, KeyError> {
    let mut text = format!("WORM-s{size}-m{mtime}--").into_bytes();
    text.extend_from_slice(sanitized(path.as_bytes()).as_bytes());
    Key::parse(&text)
}

/// Returns the VURL key of a url.
///
/// # Errors
///
/// Never seen: sanitizing leaves only characters that a key may have.
pub fn url_key(url: &str, size: Option<u64>) -> Result<Key, KeyError> {
    let size = size.map_or(String::new(), |size| format!("-s{size}"));
    Key::parse(format!("VURL{size}--{}", sanitized(url.as_bytes())).as_bytes())
}

/// Maps a path or url to the characters of key names; long ones end in their md5.
fn sanitized(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                ',' => text.push_str(",,"),
                'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | ':' | '/' | '%' => text.push(c),
                other => text.push_str(&format!(",{}", u32::from(other))),
            }
        }
        for &byte in chunk.invalid() {
            // How Haskell represents a byte that is no UTF-8: as a lone surrogate.
            text.push_str(&format!(",{}", 0xDC00 + u32::from(byte)));
        }
    }
    if name.len() > MAX_NAME {
        text.truncate(31);
        text.push('-');
        text.push_str(&hex::encode(Md5::digest(name)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::extension;
    use model::RepoPath;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_extension_never_breaks_a_key(name in "[.a-zé ]{1,120}", length in 0..200_usize, count in 0..50_usize) {
            if let Ok(path) = RepoPath::parse(name.as_bytes()) {
                let extension = extension(&path, length, count);
                prop_assert!(extension.len() <= 64);
                prop_assert!(extension.is_empty() || extension[0] == b'.');
            }
        }
    }

    #[test]
    fn directories_have_no_part_in_it() {
        let path = RepoPath::parse(b"a.tar.gz/.b.c/file").unwrap();
        assert_eq!(extension(&path, 4, 2), b"");
    }
}
