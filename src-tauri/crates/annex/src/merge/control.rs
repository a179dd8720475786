//! The files that git itself reads: `.gitignore`, `.gitattributes` and `.gitmodules`, in conflict.
//!
//! Under a variant name they would rule nothing: what both sides keep out would be committed, and shared. So the versions
//! become one file at the path of both, by a function of nothing but their contents. git-annex has no such rule: it leaves
//! two versions in git to the user, and gives annexed ones variant names.
//!
//! The union keeps the order of both sides, so whatever both say holds in it too. Of `.gitignore`, it ignores all that
//! either version ignores: a line `!pattern` that only one side has becomes a comment.

use std::collections::BTreeSet;

use bstr::ByteSlice;
use model::RepoPath;

/// What a control file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Ignore,
    Attributes,
    Modules,
}

/// What the file at `path` is to git; none for a document.
pub(super) fn control(path: &[u8]) -> Option<Control> {
    match path.rsplit(|&b| b == b'/').next()? {
        b".gitignore" => Some(Control::Ignore),
        b".gitattributes" => Some(Control::Attributes),
        b".gitmodules" => Some(Control::Modules),
        _ => None,
    }
}

/// True for a file by which git is ruled: `.gitignore`, `.gitattributes` or `.gitmodules`, in any directory.
pub fn is_control_file(path: &RepoPath) -> bool {
    control(path.as_bytes()).is_some()
}

/// Aligning the lines of two files takes memory for so many pairs at most; more are put one after the other.
const MOST_PAIRS: usize = 4 << 20;

const MARK_OF_UTF8: &[u8] = b"\xef\xbb\xbf";

/// Makes one file of two, the same whichever comes first.
pub(super) fn union(control: Control, one: &[u8], other: &[u8]) -> Vec<u8> {
    let (one, other) = (one.min(other), one.max(other));
    let ending: &[u8] = match [one, other].iter().all(|side| has_returns(side)) {
        true => b"\r\n",
        false => b"\n",
    };
    let (one, other) = (parts(control, one), parts(control, other));
    let mut whole = Vec::new();
    let mut put = |part: &[u8], is_of_both: bool| {
        if control == Control::Ignore && !is_of_both && is_exception(part) {
            whole.push(b'#');
        }
        whole.extend_from_slice(part);
        whole.extend_from_slice(ending);
    };
    let (mut here, mut there) = (0, 0);
    for (a, b) in aligned(&one, &other) {
        one[here..a].iter().for_each(|part| put(part, false));
        other[there..b].iter().for_each(|part| put(part, false));
        put(one[a], true);
        (here, there) = (a + 1, b + 1);
    }
    one[here..].iter().for_each(|part| put(part, false));
    other[there..].iter().for_each(|part| put(part, false));
    whole
}

/// True if a merge of `.gitignore` by lines ignores all that both sides ignore, and all that one of them has begun to.
///
/// One side must have done no more than add patterns, and all of these must come after the exceptions that the other adds.
pub(super) fn keeps_ignored(base: &[u8], one: &[u8], other: &[u8], merged: &[u8]) -> bool {
    let (one, other) = (Edits::of(base, one), Edits::of(base, other));
    let merged = parts(Control::Ignore, merged);
    let follow = |patterns: &Edits<'_>, exceptions: &Edits<'_>| {
        let last = merged.iter().rposition(|part| exceptions.exceptions.contains(part));
        let first = merged.iter().position(|part| patterns.patterns.contains(part));
        match (first, last) {
            (Some(first), Some(last)) => last < first,
            (None, _) | (_, None) => true,
        }
    };
    match (one.only_adds_patterns(), other.only_adds_patterns()) {
        (true, true) => true,
        (true, false) => follow(&one, &other),
        (false, true) => follow(&other, &one),
        (false, false) => false,
    }
}

/// What one side did to the lines of a `.gitignore`.
struct Edits<'f> {
    patterns: BTreeSet<&'f [u8]>,
    exceptions: BTreeSet<&'f [u8]>,
    removes: bool,
}

impl<'f> Edits<'f> {
    fn of(base: &[u8], side: &'f [u8]) -> Self {
        let (base, side) = (parts(Control::Ignore, base), parts(Control::Ignore, side));
        let kept = aligned(&base, &side);
        let stays: BTreeSet<usize> = kept.iter().map(|(old, _)| *old).collect();
        let stayed: BTreeSet<usize> = kept.iter().map(|(_, new)| *new).collect();
        let added = side.iter().enumerate().filter(|(at, _)| !stayed.contains(at));
        let (exceptions, rest): (BTreeSet<_>, BTreeSet<_>) =
            added.map(|(_, part)| *part).partition(|part| is_exception(part));
        Self {
            patterns: rest.into_iter().filter(|part| is_rule(part)).collect(),
            exceptions,
            removes: base
                .iter()
                .enumerate()
                .any(|(at, part)| is_rule(part) && !stays.contains(&at)),
        }
    }

    fn only_adds_patterns(&self) -> bool {
        !self.removes && self.exceptions.is_empty()
    }
}

fn is_exception(line: &[u8]) -> bool {
    line.starts_with(b"!")
}

fn is_rule(line: &[u8]) -> bool {
    !line.starts_with(b"#") && !line.trim_ascii().is_empty()
}

fn has_returns(content: &[u8]) -> bool {
    let mut lines = content.split_inclusive(|&b| b == b'\n').peekable();
    lines.peek().is_some() && lines.all(|line| line.ends_with(b"\r\n"))
}

/// What a file consists of, without line ends: lines, or the sections of a `.gitmodules`.
fn parts(control: Control, content: &[u8]) -> Vec<&[u8]> {
    let content = content.strip_prefix(MARK_OF_UTF8).unwrap_or(content);
    match control {
        Control::Ignore | Control::Attributes => content.lines().collect(),
        Control::Modules => {
            let mut parts = Vec::new();
            let (mut start, mut at) = (0, 0);
            for line in content.lines_with_terminator() {
                if at > start && line.trim_ascii_start().starts_with(b"[") {
                    parts.push(content[start..at].trim_ascii_end());
                    start = at;
                }
                at += line.len();
            }
            parts.push(content[start..].trim_ascii_end());
            parts.retain(|part| !part.is_empty());
            parts
        }
    }
}

/// The longest common subsequence, as pairs of places; a shorter one where that would take too long.
fn aligned(one: &[&[u8]], other: &[&[u8]]) -> Vec<(usize, usize)> {
    let common = |a: &mut dyn Iterator<Item = (&&[u8], &&[u8])>| a.take_while(|(a, b)| a == b).count();
    let head = common(&mut one.iter().zip(other));
    let tail = common(&mut one[head..].iter().rev().zip(other[head..].iter().rev()));
    let (a, b) = (&one[head..one.len() - tail], &other[head..other.len() - tail]);
    let mut pairs: Vec<_> = (0..head).map(|at| (at, at)).collect();
    if a.len().saturating_mul(b.len()) <= MOST_PAIRS {
        // How long the longest is of what follows two places.
        let width = b.len() + 1;
        let mut longest = vec![0_u32; (a.len() + 1) * width];
        for i in (0..a.len()).rev() {
            for j in (0..b.len()).rev() {
                longest[i * width + j] = match a[i] == b[j] {
                    true => longest[(i + 1) * width + j + 1] + 1,
                    false => longest[(i + 1) * width + j].max(longest[i * width + j + 1]),
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < a.len() && j < b.len() {
            if a[i] == b[j] {
                pairs.push((head + i, head + j));
                (i, j) = (i + 1, j + 1);
            } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
                i += 1;
            } else {
                j += 1;
            }
        }
    }
    pairs.extend(
        (0..tail)
            .rev()
            .map(|back| (one.len() - 1 - back, other.len() - 1 - back)),
    );
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::three_way::merge_lines;
    use super::{Control, keeps_ignored, union};
    use crate::ignore::Ignore;

    fn ignored(rules: &[u8]) -> Vec<&'static str> {
        let mut ignore = Ignore::new(b"", b"", false);
        ignore.enter(0, rules);
        let covers = |path: &str| {
            let above = path
                .match_indices('/')
                .any(|(at, _)| ignore.covers(&path.as_bytes()[..at], true));
            above || ignore.covers(path.as_bytes(), false)
        };
        ["a.key", "b.key", "a.log", "d/a.key", "d/b.log", "e/d/x", "x"]
            .into_iter()
            .filter(|path| covers(path))
            .collect()
    }

    #[test]
    fn lines_of_both_sides_keep_their_order() {
        for (control, one, other, expected) in [
            (
                Control::Ignore,
                "*.key\n*.log\n",
                "*.key\n*.tmp\n",
                "*.key\n*.log\n*.tmp\n",
            ),
            (Control::Ignore, "a", "b", "a\nb\n"),
            (Control::Ignore, "a\r\nb\r\n", "a\r\nc\r\n", "a\r\nb\r\nc\r\n"),
            (Control::Ignore, "a\r\nb\r\n", "a\nc\n", "a\nc\nb\n"),
            (
                Control::Ignore,
                "*\n!*.tex\n!*.bib\n",
                "*\n!*.tex\n!*.sty\n",
                "*\n!*.tex\n#!*.bib\n#!*.sty\n",
            ),
            (Control::Ignore, "", "\u{feff}x\n", "x\n"),
            (
                Control::Attributes,
                "*.md a\n* !b\n",
                "*.md a\n*.txt a\n",
                "*.md a\n* !b\n*.txt a\n",
            ),
            (
                Control::Modules,
                "[submodule \"a\"]\n\tpath = a\n\tbranch = x\n",
                "[submodule \"b\"]\n\tpath = b\n\tbranch = x\n",
                "[submodule \"a\"]\n\tpath = a\n\tbranch = x\n[submodule \"b\"]\n\tpath = b\n\tbranch = x\n",
            ),
        ] {
            for (one, other) in [(one, other), (other, one)] {
                let made = union(control, one.as_bytes(), other.as_bytes());
                assert_eq!(String::from_utf8(made).unwrap(), expected);
            }
        }
    }

    #[test]
    fn a_merge_by_lines_that_would_ignore_less_is_not_taken() {
        let keeps = |base: &str, one: &str, other: &str, merged: &str| {
            let all = [base, one, other, merged].map(str::as_bytes);
            assert_eq!(
                keeps_ignored(all[0], all[2], all[1], all[3]),
                keeps_ignored(all[0], all[1], all[2], all[3])
            );
            keeps_ignored(all[0], all[1], all[2], all[3])
        };
        assert!(keeps("1\n2\n3\n", "0\n1\n2\n3\n", "1\n2\n3\n4\n", "0\n1\n2\n3\n4\n"));
        assert!(keeps("1\n2\n3\n", "2\n3\n", "1\n2\n3\n4\n", "2\n3\n4\n"));
        assert!(keeps("1\n2\n3\n", "!0\n1\n2\n3\n", "1\n2\n3\n4\n", "!0\n1\n2\n3\n4\n"));
        // A pattern that is there twice, of which each side removes another one.
        assert!(!keeps("k\n2\n3\nk\n", "2\n3\nk\n", "k\n2\n3\n", "2\n3\n"));
        // The exception of one side comes after the pattern of the other.
        assert!(!keeps("1\n2\n3\n", "k\n1\n2\n3\n", "1\n2\n3\n!k\n", "k\n1\n2\n3\n!k\n"));
    }

    fn rules() -> impl Strategy<Value = Vec<&'static str>> {
        let line = prop::sample::select(vec![
            "*.key", "!a.key", "*.log", "!*.log", "d/", "!d/", "e/d", "!x", "x", "# y", "", "*", "!*/", "!*",
        ]);
        prop::collection::vec(line, 0..6)
    }

    fn text(lines: &[&str]) -> Vec<u8> {
        lines
            .iter()
            .flat_map(|line| [line.as_bytes(), b"\n"].concat())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_union_ignores_what_either_version_ignores(one in rules(), other in rules()) {
            let (one, other) = (text(&one), text(&other));
            let made = union(Control::Ignore, &one, &other);
            prop_assert_eq!(&made, &union(Control::Ignore, &other, &one));
            let all = ignored(&made);
            for path in ignored(&one).into_iter().chain(ignored(&other)) {
                prop_assert!(all.contains(&path), "{} in {:?}", path, bstr::BStr::new(&made));
            }
        }

        #[test]
        fn a_merge_by_lines_that_is_taken_ignores_what_both_and_what_one_newly_ignores(base in rules(), one in rules(), other in rules()) {
            // Equal ones are never merged, and git2 0.21 reads an empty result through a null pointer.
            prop_assume!(base != one && base != other && one != other);
            // libgit2 must have begun.
            let _ = git2::Index::new().unwrap();
            let (base, one, other) = (text(&base), text(&one), text(&other));
            if let Some(merged) = merge_lines(&base, &one, &other).unwrap()
                && keeps_ignored(&base, &one, &other, &merged)
            {
                let (old, one, other) = (ignored(&base), ignored(&one), ignored(&other));
                let all = ignored(&merged);
                for path in one.iter().chain(&other) {
                    let is_due = !old.contains(path) || (one.contains(path) && other.contains(path));
                    prop_assert!(!is_due || all.contains(path), "{} in {:?}", path, bstr::BStr::new(&merged));
                }
            }
        }
    }
}
