//! The names under which both sides of a conflict are kept.

use bstr::{BString, ByteSlice};
use digest::Digest;
use git2::Oid;
use md5::Md5;
use model::{Key, RepoPath};

/// What marks a name as one side of a conflict.
const MARK: &[u8] = b".variant-";
/// The longest file name that file systems take, in bytes.
const LONGEST_NAME: usize = 255;

/// One side of a conflict, as far as its name goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Side {
    /// An annexed file.
    Annexed(Key),
    /// A file in git, for which git-annex has no rule: named as if its blob id were its key.
    InGit(Oid),
}

impl Side {
    fn short(&self) -> Vec<u8> {
        match self {
            Side::Annexed(key) => hex::encode(&Md5::digest(key.as_bytes())[..2]).into_bytes(),
            Side::InGit(id) => hex::encode(&id.as_bytes()[..2]).into_bytes(),
        }
    }

    fn long(&self) -> Vec<u8> {
        match self {
            Side::Annexed(key) => key.to_file_name().into(),
            Side::InGit(id) => id.to_string().into_bytes(),
        }
    }
}

/// The name for one side, as git-annex chooses it: a short mark, or the whole key if the path has a mark already.
pub(super) fn variant(path: &[u8], side: &Side) -> BString {
    if path.contains_str(MARK) {
        insert(path, &side.long())
    } else {
        insert(path, &side.short())
    }
}

/// The names for both sides: whole keys if the short marks are equal by chance, where git-annex would lose one side.
pub(super) fn variants(path: &[u8], ours: &Side, theirs: &Side) -> (BString, BString) {
    let names = (variant(path, ours), variant(path, theirs));
    if names.0 == names.1 && ours != theirs {
        return (insert(path, &ours.long()), insert(path, &theirs.long()));
    }
    names
}

/// The names under which a version of a file that is not in git yet may be kept, the usual one first; `id` is that of the
/// blob that its content would be.
pub(crate) fn versions_of(path: &RepoPath, id: Oid) -> impl Iterator<Item = RepoPath> {
    let side = Side::InGit(id);
    let names = [variant(path.as_bytes(), &side), insert(path.as_bytes(), &side.long())];
    names.into_iter().filter_map(|name| RepoPath::parse(&name).ok())
}

/// Puts the mark before the last dot of the last component. A name that starts with its only dot has nothing before
/// it, and git-annex then puts the mark after the directory (or after `.` at the top): `d/.x` becomes
/// `d.variant-1234.x`. A name that would be too long for a file system loses the end of what is before the mark.
fn insert(path: &[u8], mark: &[u8]) -> BString {
    let start = path.rfind_byte(b'/').map_or(0, |slash| slash + 1);
    let dot = path[start..].rfind_byte(b'.').map_or(path.len(), |dot| start + dot);
    let (stem, extension) = (&path[start..dot], &path[dot..]);
    let room = LONGEST_NAME.saturating_sub(MARK.len() + mark.len() + extension.len());
    let mut kept = stem.len().min(room);
    // A cut in the middle of a character would make the name unreadable.
    while kept < stem.len() && kept > 0 && stem[kept] & 0xc0 == 0x80 {
        kept -= 1;
    }
    let mut name = match (stem.is_empty(), start) {
        (false, _) => path[..start].to_vec(),
        (true, 0) => b".".to_vec(),
        (true, _) => path[..start - 1].to_vec(),
    };
    name.extend_from_slice(&stem[..kept]);
    name.extend_from_slice(MARK);
    name.extend_from_slice(mark);
    name.extend_from_slice(extension);
    name.into()
}

/// The name that a file had before it came to be in conflict; none if its name has no mark. Marks may stand one behind
/// another, where versions of a version were kept.
///
/// Of a name that began with its only dot, in a directory, no trace is left: `d.variant-1234.x` is read as `d.x`. And
/// where the mark is a whole key, its extension is taken for that of the name if this has none.
pub(crate) fn original(path: &[u8]) -> Option<RepoPath> {
    let mut unmarked = take_mark(path)?;
    while let Some(further) = take_mark(&unmarked) {
        unmarked = further;
    }
    RepoPath::parse(&unmarked).ok()
}

fn take_mark(path: &[u8]) -> Option<Vec<u8>> {
    let start = path.rfind_byte(b'/').map_or(0, |slash| slash + 1);
    let at = start + path[start..].rfind(MARK)?;
    let (stem, rest) = (&path[start..at], &path[at + MARK.len()..]);
    let dot = rest.rfind_byte(b'.').unwrap_or(rest.len());
    let extension = match (is_mark(&rest[..dot]), is_mark(rest)) {
        (true, _) => &rest[dot..],
        (false, true) => b"",
        (false, false) => return None,
    };
    let stem = if path[..at] == *b"." { b"" } else { stem };
    Some([&path[..start], stem, extension].concat())
}

fn is_mark(text: &[u8]) -> bool {
    let is_hex = |c: &u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    (matches!(text.len(), 4 | 40) && text.iter().all(is_hex)) || Key::from_file_name(text).is_ok()
}

#[cfg(test)]
mod tests {
    use model::{Key, RepoPath};

    use super::{Side, insert, original, variant, variants};

    #[test]
    fn the_name_before_the_conflict_is_found_again() {
        let id = git2::Oid::from_bytes(&[7; 20]).unwrap();
        for (path, extension) in [
            ("foo.tar.gz", ".tar.gz"),
            ("foo", ""),
            (".foo", ""),
            ("foo.", ""),
            ("a.b/foo", ""),
            ("d/..a", ""),
            ("x y/ü.jpg", ".jpg"),
        ] {
            let key = Key::parse(format!("SHA256E-s5--ab{extension}").as_bytes()).unwrap();
            for side in [Side::Annexed(key), Side::InGit(id)] {
                let once = variant(path.as_bytes(), &side);
                assert_eq!(original(&once).unwrap().as_bytes(), path.as_bytes(), "{once}");
                let twice = variant(&once, &side);
                assert_ne!(once, twice);
                assert_eq!(original(&twice).unwrap().as_bytes(), path.as_bytes(), "{twice}");
            }
        }
    }

    #[test]
    fn names_that_only_look_like_one_are_none() {
        for path in [
            "foo",
            "foo.variant-xyz.txt",
            "foo.variant-58531",
            ".variant-5853",
            "a.variant-5853/foo",
            "",
        ] {
            assert_eq!(original(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn marks_go_before_the_last_dot_of_the_name() {
        for (path, marked) in [
            ("foo.tar.gz", "foo.tar.variant-5853.gz"),
            ("foo", "foo.variant-5853"),
            (".foo", "..variant-5853.foo"),
            ("foo.", "foo.variant-5853."),
            ("d/.foo", "d.variant-5853.foo"),
            ("d.x/.foo", "d.x.variant-5853.foo"),
            ("d/..a", "d/..variant-5853.a"),
            ("e..b", "e..variant-5853.b"),
            ("a.b/foo", "a.b/foo.variant-5853"),
        ] {
            assert_eq!(insert(path.as_bytes(), b"5853"), marked, "{path}");
        }
    }

    #[test]
    fn names_that_would_be_too_long_still_fit() {
        let key = Key::parse(format!("SHA256E-s5--{}.txt", "a".repeat(64)).as_bytes()).unwrap();
        for path in [
            format!("d/{}.txt", "ü".repeat(125)),
            format!("x.variant-1/{}", "y".repeat(250)),
        ] {
            let name = variant(path.as_bytes(), &Side::Annexed(key.clone()));
            assert!(RepoPath::parse(&name).is_ok(), "{name}");
            assert!(std::str::from_utf8(&name).is_ok(), "{name}");
        }
    }

    #[test]
    fn equal_marks_never_make_one_file_of_two() {
        // Two keys whose md5 starts with the same four digits.
        let side = |n: u32| Side::Annexed(Key::parse(format!("SHA256E-s1--{n}").as_bytes()).unwrap());
        let first = side(0);
        let twin = (1..10_000_000)
            .map(side)
            .find(|other| other.short() == first.short())
            .unwrap();
        let (a, b) = variants(b"foo.txt", &first, &twin);
        assert_ne!(a, b);
        let (d, c) = variants(b"foo.txt", &twin, &first);
        assert_eq!((a, b), (c, d));
    }
}
