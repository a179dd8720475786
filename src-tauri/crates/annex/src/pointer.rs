//! How an annexed file stands in git: a pointer (unlocked) or a symlink (locked).

use std::ops::RangeInclusive;

use bstr::ByteSlice;
use model::{Key, RepoPath};

use crate::hash_directory;

/// No more bytes than this are ever a pointer; whoever reads a file to see if it is one need not read more.
pub const MAX_POINTER: usize = 32768;

/// The sizes of pointers as they are written: a key names a file, so it is no longer than 255 bytes.
pub(crate) const POINTER_SIZES: RangeInclusive<u64> = 20..=300;

/// What a pointer or an annexed symlink contains before its key.
const OBJECTS: &[u8] = b"/annex/objects/";

/// Returns the content of the pointer to a key, in the one form that git-annex writes.
pub fn pointer_for(key: &Key) -> Vec<u8> {
    let name = key.to_file_name();
    let mut pointer = Vec::with_capacity(OBJECTS.len() + name.len() + 1);
    pointer.extend_from_slice(OBJECTS);
    pointer.extend_from_slice(&name);
    pointer.push(b'\n');
    pointer
}

/// Returns the key that a file points to, if its content is a pointer as git-annex recognises it.
pub fn key_of_pointer(content: &[u8]) -> Option<Key> {
    if content.len() > MAX_POINTER {
        return None;
    }
    let (first, rest) = content.split_once_str(b"\n").unwrap_or((content, b""));
    let first = first.strip_suffix(b"\r").unwrap_or(first);
    // A newer git-annex may append lines; they are known by `/annex/`, and anything else is the user's content.
    if !rest.is_empty() && !rest.ends_with(b"\n") {
        return None;
    }
    if !rest.lines_with_terminator().all(|line| line.contains_str("/annex/")) {
        return None;
    }
    first.find(OBJECTS)?;
    let (_, name) = first.rsplit_once_str(b"/")?;
    Key::from_file_name(name).ok()
}

/// True if a file that begins so was a pointer and has been edited, in the belief that it was the content. `staged` is the
/// key that it had.
pub(crate) fn is_edited_pointer(start: &[u8], staged: Option<&Key>) -> bool {
    let pointer = staged.map(pointer_for).unwrap_or_default();
    let line = pointer.strip_suffix(b"\n").unwrap_or(&pointer);
    if start.len() >= b"/annex/".len() && start.len() < line.len() && line.starts_with(start) {
        // Cut off, it may look like the pointer to another key.
        return true;
    }
    if key_of_pointer(start).is_some() {
        return false;
    }
    let first = start.lines().next().unwrap_or_default();
    let begins = first.starts_with(OBJECTS) && (staged.is_some() || key_of_pointer(first).is_some());
    begins || !line.is_empty() && start.contains_str(line)
}

/// Returns the target of the symlink at `path` to a key's object.
pub fn symlink_target(path: &RepoPath, key: &Key) -> Vec<u8> {
    let name = key.to_file_name();
    let mut target = b"../".repeat(path.depth());
    target.extend_from_slice(b".git/annex/objects/");
    target.extend_from_slice(hash_directory::mixed(key).as_bytes());
    for _ in 0..2 {
        target.push(b'/');
        target.extend_from_slice(&name);
    }
    target
}

/// True if a symlink at `path` with this target leads to where the objects of its repository are.
pub(crate) fn leads_to_objects(path: &RepoPath, target: &[u8]) -> bool {
    let mut above = target;
    for _ in 0..path.depth() {
        match above.strip_prefix(b"../") {
            Some(rest) => above = rest,
            None => return false,
        }
    }
    above.starts_with(b".git/annex/objects/")
}

/// Returns the key that a symlink with this target stands for, if git-annex takes it for annexed. The target need not
/// lead to the object.
pub fn key_of_symlink(target: &[u8]) -> Option<Key> {
    key_of_pointer(target)
}

#[cfg(test)]
mod tests {
    use super::{is_edited_pointer, key_of_pointer, leads_to_objects, pointer_for, symlink_target};
    use model::{Key, RepoPath};
    use proptest::prelude::*;

    #[test]
    fn an_edited_pointer_is_known() {
        let key = Key::parse(b"SHA256E-s5--abc.txt").unwrap();
        let pointer = String::from_utf8(pointer_for(&key)).unwrap();
        let line = pointer.trim_end();
        // Of a file that was a pointer: appended to, put before, edited within, cut off, filled up.
        for edited in [
            format!("{pointer}dear diary\n"),
            format!("title\n{pointer}"),
            line.replace("abc", "xyz/"),
            line[..line.len() - 4].to_owned() + "/",
            line[..12].to_owned(),
            line[..line.len() - 4].to_owned(),
            format!("{pointer}\0\0\0"),
        ] {
            assert!(is_edited_pointer(edited.as_bytes(), Some(&key)), "{edited:?}");
        }
        for pointer in [&pointer, line, "/annex/objects/SHA256E-s5--other\n"] {
            assert!(!is_edited_pointer(pointer.as_bytes(), Some(&key)), "{pointer:?}");
        }
        // Of a new file.
        assert!(is_edited_pointer(format!("{pointer}dear diary").as_bytes(), None));
        for other in ["", "new content", "/annex", "see /annex/objects/ of git-annex"] {
            assert!(!is_edited_pointer(other.as_bytes(), Some(&key)), "{other:?}");
            assert!(!is_edited_pointer(other.as_bytes(), None), "{other:?}");
        }
        assert!(!is_edited_pointer(b"/annex/objects/ holds the objects\n", None));
    }

    #[test]
    fn a_symlink_that_was_moved_leads_nowhere() {
        let key = Key::parse(b"SHA256E-s5--abc.txt").unwrap();
        let path = |path: &str| RepoPath::parse(path.as_bytes()).unwrap();
        for (made, moved, leads) in [
            ("a", "b", true),
            ("a", "d/a", false),
            ("d/a", "a", false),
            ("d/a", "e/a", true),
        ] {
            let target = symlink_target(&path(made), &key);
            assert_eq!(leads_to_objects(&path(moved), &target), leads, "{made} {moved}");
        }
    }

    proptest! {
        // No backend makes names that end in CR, and no pointer could hold them.
        #[test]
        fn a_pointer_leads_back_to_its_key(name in "([^\n\0]{0,40}[^\n\r\0])?", backend in "[A-Z0-9_]{1,8}E?") {
            if let Ok(key) = Key::parse(format!("{backend}-s7--{name}").as_bytes()) {
                prop_assert_eq!(key_of_pointer(&pointer_for(&key)), Some(key));
            }
        }

        #[test]
        fn any_content_is_answered(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = key_of_pointer(&content);
        }
    }
}
