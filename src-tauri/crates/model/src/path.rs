use std::borrow::Borrow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use bstr::{BStr, ByteSlice};

/// A path below the top of a work tree, as git stores it: bytes, separated by `/`, not empty.
///
/// It cannot leave the work tree or enter a git directory: it has no empty, `.` or `..` component, no component that
/// any file system takes for `.git`, and no NUL. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Arc<[u8]>);

/// Why some bytes are not a path inside a work tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Empty, absolute, or with an empty component.
    #[error("it is not relative to the folder")]
    NotRelative,
    /// A `.` or `..` component.
    #[error("it leads out of the folder")]
    Escapes,
    /// A component that some file system takes for `.git`.
    #[error("it leads into a git directory")]
    GitDirectory,
    /// A NUL byte, or more than 4,095 bytes, or a component of more than 255.
    #[error("no file system can hold it")]
    Unusable,
}

impl RepoPath {
    /// Accepts bytes from a tree, an index or the file system.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.len() > 4095 || bytes.contains(&0) {
            return Err(PathError::Unusable);
        }
        for component in bytes.split_str("/") {
            match component {
                b"" => return Err(PathError::NotRelative),
                b"." | b".." => return Err(PathError::Escapes),
                _ if is_git_directory(component) => return Err(PathError::GitDirectory),
                _ if component.len() > 255 => return Err(PathError::Unusable),
                _ => {}
            }
        }
        Ok(Self(bytes.into()))
    }

    /// The path as git stores it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as a file system path, relative to the top of a work tree.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The last component.
    pub fn file_name(&self) -> &BStr {
        self.0.rsplit_once_str("/").map_or(&*self.0, |(_, name)| name).as_bstr()
    }

    /// The directory that holds it; none at the top.
    pub fn parent(&self) -> Option<RepoPath> {
        self.0.rsplit_once_str("/").map(|(parent, _)| Self(parent.into()))
    }

    /// True if this path is `directory` or below it.
    pub fn is_within(&self, directory: &RepoPath) -> bool {
        self.0
            .strip_prefix(&*directory.0)
            .is_some_and(|rest| rest.first().is_none_or(|&b| b == b'/'))
    }

    /// How many directories lie between the top and the file.
    pub fn depth(&self) -> usize {
        self.0.iter().filter(|&&b| b == b'/').count()
    }

    /// True if a component starts with `.`, as in the files that git-annex calls dotfiles.
    pub fn is_dotfile(&self) -> bool {
        self.0.split_str("/").any(|component| component.starts_with(b"."))
    }
}

/// True for names that ext4, HFS+ (which ignores some code points) or NTFS (short names, trailing dots and spaces,
/// streams) resolve to `.git`.
fn is_git_directory(component: &[u8]) -> bool {
    // HFS+ ignores these code points: U+200C..U+200F, U+202A..U+202E, U+206A..U+206F, U+FEFF.
    let ignored =
        |c: char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let plain: Vec<u8> = match component.to_str() {
        Ok(text) if !text.is_ascii() => text.chars().filter(|&c| !ignored(c)).collect::<String>().into_bytes(),
        _ => component.to_vec(),
    };
    let stem = plain.split(|&b| b == b':').next().unwrap_or_default();
    let stem = stem.trim_end_with(|c| c == ' ' || c == '.');
    stem.eq_ignore_ascii_case(b".git") || stem.eq_ignore_ascii_case(b"git~1")
}

/// Paths are ordered like their bytes, so the paths below a directory form a range of a sorted set.
impl Borrow<[u8]> for RepoPath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_bstr().fmt(f)
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.as_bstr(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::{PathError, RepoPath};

    #[test]
    fn paths_out_of_the_work_tree_are_refused() {
        for (path, why) in [
            ("", PathError::NotRelative),
            ("/etc", PathError::NotRelative),
            ("a//b", PathError::NotRelative),
            ("a/", PathError::NotRelative),
            ("..", PathError::Escapes),
            ("a/../b", PathError::Escapes),
            ("./a", PathError::Escapes),
            (".git", PathError::GitDirectory),
            ("a/.GiT/hooks/x", PathError::GitDirectory),
            (".git. ./x", PathError::GitDirectory),
            ("GIT~1/x", PathError::GitDirectory),
            (".git::$INDEX_ALLOCATION/x", PathError::GitDirectory),
            (".g\u{200c}it/x", PathError::GitDirectory),
            ("a\0b", PathError::Unusable),
            (&"a".repeat(256), PathError::Unusable),
        ] {
            assert_eq!(RepoPath::parse(path.as_bytes()), Err(why), "{path:?}");
        }
    }

    #[test]
    fn unusual_names_are_accepted() {
        for path in [
            &b"-x"[..],
            b"a\nb",
            b"\xff\xfe",
            b".gitignore",
            b"a/.gitx",
            b"git",
            b"tab\there",
            b"..a",
            b":x",
        ] {
            assert!(RepoPath::parse(path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn a_path_is_within_itself_and_the_directories_above_it() {
        let path = |text: &str| RepoPath::parse(text.as_bytes()).unwrap();
        assert!(path("a/b").is_within(&path("a")));
        assert!(path("a").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
    }
}
