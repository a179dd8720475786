//! Why a checkout leaves a path as it is, while all others follow.

use std::fmt;

use bstr::BString;
use model::PathError;
use rustix::io::Errno;

use crate::Error;

/// A path that a checkout could not make follow. It stays as it is, and so does its index entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    /// The path, as the commit has it.
    pub path: BString,
    /// What it waits for.
    pub why: Obstacle,
}

/// What keeps a checkout from changing a path. Its `Display` is a clause for people: "a program has it open for writing".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// A file of the user's is there that is not committed: edited, untracked or ignored.
    Changed,
    /// A program has the file open for writing.
    Open,
    /// The file system takes its name for that of another file.
    SameName,
    /// No work tree may hold a file of this name.
    Unfit(String),
    /// git cannot convert it as `.gitattributes` asks; what git says.
    Unconverted(String),
    /// The system refuses; in words for people.
    Refused(&'static str),
}

impl Obstacle {
    /// The obstacle if the system's refusal concerns one path alone; none if it would meet every path: a full disk, a drive
    /// that is gone, a damaged one.
    pub(super) fn of(error: &Error) -> Option<Self> {
        let Error::Io { source, .. } = error else { return None };
        Self::of_errno(Errno::from_io_error(source)?)
    }

    pub(super) fn of_errno(errno: Errno) -> Option<Self> {
        Some(match errno {
            Errno::ACCESS | Errno::PERM => Obstacle::Refused("you have no permission to change it"),
            Errno::NAMETOOLONG => Obstacle::Refused("its name is too long for this disk"),
            Errno::INVAL | Errno::ILSEQ | Errno::OVERFLOW => {
                Obstacle::Refused("this disk cannot hold a file of its name")
            }
            Errno::BUSY => Obstacle::Refused("a disk is mounted there"),
            Errno::TXTBSY => Obstacle::Open,
            Errno::EXIST | Errno::ISDIR | Errno::NOTDIR | Errno::NOTEMPTY | Errno::LOOP => Obstacle::Changed,
            _ => return None,
        })
    }

    pub(super) fn unfit(why: PathError) -> Self {
        Obstacle::Unfit(why.to_string())
    }

    /// What the user can do, as a sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Obstacle::Changed => "Move your file away or rename it.",
            Obstacle::Open => "Close it in the program that has it open.",
            Obstacle::SameName => "Rename one of the two files.",
            Obstacle::Unfit(_) => "Rename it in the folder that it came from.",
            Obstacle::Unconverted(_) => "Correct the filter, or the line in .gitattributes.",
            Obstacle::Refused(_) => {
                "Make it possible to write there, or rename the file in the folder that it came from."
            }
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Changed => out.write_str("a file of yours is in its place that is not synced"),
            Obstacle::Open => out.write_str("a program has it open for writing"),
            Obstacle::SameName => out.write_str("this disk takes its name for that of another file"),
            Obstacle::Unfit(why) => write!(out, "no folder may hold a file of this name: {why}"),
            Obstacle::Unconverted(why) => write!(out, "git cannot convert it as .gitattributes asks: {why}"),
            Obstacle::Refused(why) => out.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_refusal_lets_a_path_wait_if_it_concerns_that_path_alone() {
        let of = |errno: Errno| Obstacle::of(&Error::io("write", Path::new("f"))(errno.into()));
        let permission = "you have no permission to change it";
        let unfit = "this disk cannot hold a file of its name";
        for (errnos, why) in [
            (&[Errno::ACCESS, Errno::PERM][..], Some(Obstacle::Refused(permission))),
            (
                &[Errno::INVAL, Errno::ILSEQ, Errno::OVERFLOW],
                Some(Obstacle::Refused(unfit)),
            ),
            (
                &[Errno::NAMETOOLONG],
                Some(Obstacle::Refused("its name is too long for this disk")),
            ),
            (&[Errno::BUSY], Some(Obstacle::Refused("a disk is mounted there"))),
            (&[Errno::TXTBSY], Some(Obstacle::Open)),
            (
                &[Errno::EXIST, Errno::ISDIR, Errno::NOTDIR, Errno::NOTEMPTY, Errno::LOOP],
                Some(Obstacle::Changed),
            ),
            (&[Errno::NOSPC, Errno::IO, Errno::ROFS, Errno::NODEV], None),
        ] {
            for errno in errnos {
                assert_eq!(of(*errno), why, "{errno}");
            }
        }
        assert_eq!(Obstacle::of(&Error::Damaged("a tree".into())), None);
    }

    #[test]
    fn each_obstacle_has_a_sentence_that_says_what_to_do() {
        for obstacle in [
            Obstacle::Changed,
            Obstacle::Open,
            Obstacle::SameName,
            Obstacle::Unfit("a name".into()),
            Obstacle::Unconverted("no such program".into()),
            Obstacle::Refused("a disk is mounted there"),
        ] {
            assert!(obstacle.remedy().ends_with('.'), "{obstacle}");
        }
    }
}
