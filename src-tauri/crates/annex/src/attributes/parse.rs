//! The lines of an attributes file.

use bstr::{BString, ByteSlice};

use crate::ignore::Pattern;

/// git passes over a longer line.
const MAX_LINE: usize = 2048;

/// What a line says of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// `name`
    Set,
    /// `-name`
    Unset,
    /// `!name`
    Unspecified,
    /// `name=value`
    Value(BString),
}

/// To what a line applies.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    /// The files that a pattern matches, with the pattern's text.
    Files(Pattern, BString),
    /// The definition of a macro of this name.
    Macro(BString),
}

/// A line of an attributes file.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) subject: Subject,
    pub(super) states: Vec<(BString, State)>,
}

/// Reads an attributes file as git does. Lines that git passes over are left out. `has_macros` is false below the top of
/// the work tree, where git allows no macros.
pub(super) fn parse(content: &[u8], has_macros: bool, fold_case: bool) -> Vec<Line> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    content
        .split(|&b| b == b'\n')
        .filter_map(|line| parse_line(line, has_macros, fold_case))
        .collect()
}

fn parse_line(line: &[u8], has_macros: bool, fold_case: bool) -> Option<Line> {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let trimmed = line.iter().position(|b| !is_blank(b)).map(|start| &line[start..])?;
    if trimmed.starts_with(b"#") || line.len() >= MAX_LINE {
        return None;
    }
    let (name, rest) = match unquote(trimmed) {
        Some((name, rest)) => (name, rest),
        None => {
            let end = trimmed.iter().position(is_blank).unwrap_or(trimmed.len());
            (trimmed[..end].to_vec(), &trimmed[end..])
        }
    };
    let is_macro = name.starts_with(b"[attr]");
    let (subject, rest) = if is_macro {
        if !has_macros {
            return None;
        }
        // The name may also stand apart from the prefix.
        let text = [&name[b"[attr]".len()..], rest].concat();
        let start = text.iter().position(|b| !is_blank(b))?;
        let end = text[start..]
            .iter()
            .position(is_blank)
            .map_or(text.len(), |length| start + length);
        let name = &text[start..end];
        if !is_name(name) {
            return None;
        }
        (Subject::Macro(name.into()), text[end..].to_vec())
    } else {
        if name.starts_with(b"!") {
            return None;
        }
        (
            Subject::Files(Pattern::of(&name, fold_case)?, name.into()),
            rest.to_vec(),
        )
    };
    let mut states = Vec::new();
    for word in rest.split(is_blank).filter(|word| !word.is_empty()) {
        let (name, state) = match (word[0], word.find_byte(b'=')) {
            (b'-', _) => (before_value(&word[1..]), State::Unset),
            (b'!', _) => (before_value(&word[1..]), State::Unspecified),
            (_, Some(at)) => (&word[..at], State::Value(word[at + 1..].into())),
            (_, None) => (word, State::Set),
        };
        // One bad name makes git pass over the whole line.
        if !is_name(name) {
            return None;
        }
        states.push((name.into(), state));
    }
    Some(Line { subject, states })
}

fn before_value(word: &[u8]) -> &[u8] {
    word.split(|&b| b == b'=').next().unwrap_or_default()
}

fn is_name(name: &[u8]) -> bool {
    let is_part = |&b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !name.is_empty() && !name.starts_with(b"-") && !name.starts_with(b"builtin_") && name.iter().all(is_part)
}

/// Reads a text in double quotes, with C's escapes; returns it with what follows.
fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let mut read = Vec::new();
    let mut at = 0;
    loop {
        match *text.get(at)? {
            b'"' => return Some((read, &text[at + 1..])),
            b'\\' => {
                let (byte, length) = match *text.get(at + 1)? {
                    b'a' => (7, 1),
                    b'b' => (8, 1),
                    b'f' => (12, 1),
                    b'n' => (b'\n', 1),
                    b'r' => (b'\r', 1),
                    b't' => (b'\t', 1),
                    b'v' => (11, 1),
                    same @ (b'\\' | b'"') => (same, 1),
                    b'0'..=b'3' => (octal(text.get(at + 1..at + 4)?)?, 3),
                    _ => return None,
                };
                read.push(byte);
                at += 1 + length;
            }
            byte => {
                read.push(byte);
                at += 1;
            }
        }
    }
}

fn octal(digits: &[u8]) -> Option<u8> {
    let text = digits
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    u8::from_str_radix(text, 8).ok()
}

/// A pattern as it stands in an attributes file, quoted where it must be.
pub(super) fn quoted(pattern: &[u8]) -> Vec<u8> {
    let is_plain = |&b: &u8| b > b' ' && b != 0x7f && b != b'"';
    if pattern.iter().all(is_plain) && !pattern.starts_with(b"#") && !pattern.starts_with(b"[attr]") {
        return pattern.to_vec();
    }
    let mut text = vec![b'"'];
    for &byte in pattern {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', byte]),
            0..b' ' | 0x7f => text.extend(format!("\\{byte:03o}").bytes()),
            _ => text.push(byte),
        }
    }
    text.push(b'"');
    text
}
