//! The two levels of directories that objects and logs are spread over.

use digest::Digest;
use md5::Md5;
use model::Key;

/// git-annex's alphabet of 32 characters: no vowels, so that no words appear.
const ALPHABET: &[u8; 32] = b"0123456789zqjxkmvwgpfZQJXKMVWGPF";

/// Returns the directories of objects in repositories with a work tree, and of symlink targets: `xm/Jp`.
pub fn mixed(key: &Key) -> String {
    let digest = md5(key);
    let word = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
    // The step is 6 although only 5 bits are used.
    let character = |i: u32| char::from(ALPHABET[(word >> (6 * i)) as usize & 31]);
    String::from_iter([character(1), character(0), '/', character(3), character(2)])
}

/// Returns the directories of objects in bare repositories and on drives, and of logs on the git-annex branch:
/// `4f3/b5f`.
pub fn lower(key: &Key) -> String {
    let digits = hex::encode(&md5(key)[..3]);
    format!("{}/{}", &digits[..3], &digits[3..])
}

/// All chunks of a key share its directories.
fn md5(key: &Key) -> [u8; 16] {
    if key.is_chunk() {
        Md5::digest(key.without_chunk()).into()
    } else {
        Md5::digest(key.as_bytes()).into()
    }
}
