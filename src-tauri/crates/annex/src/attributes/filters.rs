//! The filters that all attributes files ask for, as lines of one file.

use std::collections::{BTreeSet, HashMap};

use bstr::{BString, ByteSlice, ByteVec};

use super::parse::{Line, State, Subject, quoted};
use super::{ANNEX_LINE, Attributes, parse};

const START: &str = "# Filters of .gitattributes, which the line above would hide. Anabranch keeps this up to date.";
const END: &str = "# End of these filters.";

/// Macros get other names here, so that only what they say of filters is repeated.
const PREFIX: &str = "anabranch-";

impl Attributes {
    /// The lines that say of each file which filter it has, by all attributes files but what stands below git-annex's line:
    /// of the directories named here, and of those that were asked about. A file that cannot be read says nothing, as to git.
    pub(crate) fn filters<'n>(&self, directories: impl Iterator<Item = &'n [u8]>) -> Vec<u8> {
        let mut all: BTreeSet<BString> = directories.map(BString::from).collect();
        let asked = self
            .directories
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        all.extend(asked.keys().cloned());
        drop(asked);
        all.insert(BString::default());
        // A directory sorts before what is in it, and what comes later goes first.
        let mut files: Vec<(BString, Vec<Line>)> = self
            .shared
            .iter()
            .map(|lines| (BString::default(), lines.clone()))
            .collect();
        for directory in all {
            let lines = self.directory(&directory).map(|lines| lines.to_vec());
            files.push((directory, lines.unwrap_or_default()));
        }
        files.push((BString::default(), self.hidden.clone()));
        let concerned = concerned(&files);
        let mut text = Vec::new();
        for (directory, lines) in &files {
            for line in lines {
                let said: Vec<u8> = line
                    .states
                    .iter()
                    .filter_map(|(name, state)| told(name, state, &concerned))
                    .collect::<Vec<_>>()
                    .concat();
                if said.is_empty() {
                    continue;
                }
                match &line.subject {
                    Subject::Macro(name) => text.push_str(format!("[attr]{PREFIX}{name}")),
                    Subject::Files(_, pattern) => text.push_str(quoted(&below(directory, pattern))),
                }
                text.extend(said);
                text.push(b'\n');
            }
        }
        text
    }

    /// True if filters were repeated below git-annex's line when it was read.
    pub(crate) fn has_shown_filters(&self) -> bool {
        self.has_shown_filters
    }
}

/// The macros that set a filter.
fn concerned(files: &[(BString, Vec<Line>)]) -> BTreeSet<BString> {
    let mut macros: HashMap<&BString, Vec<&BString>> = HashMap::new();
    for line in files.iter().flat_map(|(_, lines)| lines) {
        if let Subject::Macro(name) = &line.subject {
            macros
                .entry(name)
                .or_default()
                .extend(line.states.iter().map(|(name, _)| name));
        }
    }
    let mut concerned = BTreeSet::from([BString::from("filter")]);
    loop {
        let more: Vec<BString> = macros
            .iter()
            .filter(|(name, inner)| !concerned.contains(**name) && inner.iter().any(|name| concerned.contains(*name)))
            .map(|(name, _)| (*name).clone())
            .collect();
        if more.is_empty() {
            return concerned;
        }
        concerned.extend(more);
    }
}

/// What a line says of one attribute, if that decides about filters.
fn told(name: &BString, state: &State, concerned: &BTreeSet<BString>) -> Option<Vec<u8>> {
    if !concerned.contains(name) {
        return None;
    }
    let mut text = b" ".to_vec();
    if name == "filter" {
        text.push_str("filter=");
        match state {
            State::Value(value) => text.push_str(value),
            // Without a filter of its own a file has git-annex's.
            State::Set | State::Unset | State::Unspecified => text.push_str("annex"),
        }
        return Some(text);
    }
    text.push_str(match state {
        State::Set | State::Value(_) => "",
        State::Unset => "-",
        State::Unspecified => "!",
    });
    text.push_str(format!("{PREFIX}{name}"));
    if let State::Value(value) = state {
        text.push_str("=");
        text.push_str(value);
    }
    Some(text)
}

/// A pattern of a directory's file, as it stands in a file that is for the whole work tree.
fn below(directory: &BString, pattern: &BString) -> Vec<u8> {
    if directory.is_empty() {
        return pattern.to_vec();
    }
    let mut text = b"/".to_vec();
    for &byte in directory.iter() {
        if matches!(byte, b'*' | b'?' | b'[' | b'\\') {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text.push(b'/');
    let is_anchored = pattern.strip_suffix(b"/").unwrap_or(pattern).contains(&b'/');
    if !is_anchored {
        text.push_str("**/");
    }
    text.push_str(pattern.strip_prefix(b"/").unwrap_or(pattern));
    text
}

/// What `.git/info/attributes` is with these filters below git-annex's line, instead of those that stand there.
pub(crate) fn with_filters(content: &[u8], filters: &[u8]) -> Vec<u8> {
    let content = without_filters(content);
    let mut lines: Vec<&[u8]> = content.split(|&b| b == b'\n').collect();
    let block = [START.as_bytes(), b"\n", filters, END.as_bytes()].concat();
    if let Some(at) = annex_line(&lines)
        && !filters.is_empty()
    {
        lines.insert(at + 1, &block);
        if at + 2 == lines.len() {
            lines.push(b"");
        }
    }
    bstr::join(b"\n", lines)
}

/// The last of git-annex's lines.
fn annex_line(lines: &[&[u8]]) -> Option<usize> {
    lines
        .iter()
        .rposition(|line| line.trim_ascii() == ANNEX_LINE.as_bytes())
}

/// The lines of `.git/info/attributes` that git-annex's line hides.
pub(super) fn hidden(content: &[u8], fold_case: bool) -> Vec<Line> {
    let content = without_filters(content);
    let lines: Vec<&[u8]> = content.split(|&b| b == b'\n').collect();
    let before = annex_line(&lines).unwrap_or(0);
    parse(
        &bstr::join(
            b"\n",
            lines[..before]
                .iter()
                .filter(|line| line.trim_ascii() != ANNEX_LINE.as_bytes()),
        ),
        true,
        fold_case,
    )
}

pub(super) fn has_filters(content: &[u8]) -> bool {
    content.lines().any(|line| line == START.as_bytes())
}

/// `.git/info/attributes` without the filters that are repeated there.
pub(super) fn without_filters(content: &[u8]) -> Vec<u8> {
    let mut is_inside = false;
    let mut kept = Vec::new();
    for line in content.split(|&b| b == b'\n') {
        is_inside |= line == START.as_bytes();
        if !is_inside {
            kept.push(line);
        }
        is_inside &= line != END.as_bytes();
    }
    bstr::join(b"\n", kept)
}
