use std::fmt;

/// A compiled glob. `*` and `?` match any character, including `/` and a leading dot; classes are `[a-z]`, `[!x]`,
/// `[[:alpha:]]`.
///
/// Backslash and braces are ordinary characters. Characters are those of UTF-8; each byte that is not UTF-8 is a
/// character of its own. Matching takes at most pattern × text steps for any pattern.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob {
    text: Box<[u8]>,
    /// None if a class is malformed: then nothing matches, and neither does git-annex's `exclude`.
    pieces: Option<Box<[Piece]>>,
    fold: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Char(u32),
    AnyChar,
    AnyText,
    OneOf { negated: bool, ranges: Box<[(u32, u32)]> },
}

impl Glob {
    /// Compiles a case-sensitive glob, as for paths and urls.
    pub fn new(text: &[u8]) -> Self {
        Self::compile(text, false)
    }

    /// Compiles a case-insensitive glob, as for metadata values.
    pub fn ignoring_case(text: &[u8]) -> Self {
        Self::compile(text, true)
    }

    /// True if all of `text` matches.
    pub fn matches(&self, text: &[u8]) -> bool {
        let Some(pieces) = &self.pieces else { return false };
        if matches!(**pieces, [Piece::AnyText]) {
            return true;
        }
        let (mut at, mut piece) = (0, 0);
        // Only the last `*` has to be retried: a longer match of an earlier `*` would not help.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match pieces.get(piece) {
                Some(Piece::AnyText) => {
                    piece += 1;
                    retry = Some((at, piece));
                    continue;
                }
                Some(wanted) if at < text.len() => {
                    let (char, length) = next_char(&text[at..]);
                    if wanted.accepts(char, self.fold) {
                        at += length;
                        piece += 1;
                        continue;
                    }
                }
                None if at == text.len() => return true,
                Some(_) | None => {}
            }
            match retry {
                Some((from, after)) if from < text.len() => {
                    at = from + next_char(&text[from..]).1;
                    piece = after;
                    retry = Some((at, after));
                }
                Some(_) | None => return false,
            }
        }
    }

    /// True if a class in it is malformed, as in `*.mp[`.
    pub fn is_malformed(&self) -> bool {
        self.pieces.is_none()
    }

    fn compile(text: &[u8], fold: bool) -> Self {
        let mut rest = text;
        let mut pieces = Vec::new();
        let mut is_well_formed = true;
        while !rest.is_empty() && is_well_formed {
            let (char, length) = next_char(rest);
            rest = &rest[length..];
            match piece(char, &mut rest, fold) {
                Some(Piece::AnyText) if pieces.last() == Some(&Piece::AnyText) => {}
                Some(piece) => pieces.push(piece),
                None => is_well_formed = false,
            }
        }
        let pieces = is_well_formed.then(|| pieces.into());
        Self {
            text: text.into(),
            pieces,
            fold,
        }
    }
}

/// Makes a piece of `char` and, for a class, of the bytes that follow. None if the class is malformed.
fn piece(char: u32, rest: &mut &[u8], fold: bool) -> Option<Piece> {
    Some(match char {
        0x2a => Piece::AnyText,
        0x3f => Piece::AnyChar,
        0x5b => class(rest)?,
        other if fold => Piece::Char(lower(other)),
        other => Piece::Char(other),
    })
}

/// Parses the rest of a class after `[`, including the `]`. None if it is malformed.
fn class(rest: &mut &[u8]) -> Option<Piece> {
    let negated = matches!(rest.first(), Some(b'!' | b'^'));
    if negated {
        *rest = &rest[1..];
    }
    let mut ranges = Vec::new();
    let mut is_first = true;
    loop {
        if let Some(after) = rest.strip_prefix(b"[:")
            && let Some(end) = named_end(after)
        {
            ranges.extend_from_slice(named(&after[..end]));
            *rest = &after[end + 2..];
            is_first = false;
            continue;
        }
        let (low, length) = take_char(rest)?;
        *rest = &rest[length..];
        if low == u32::from(b']') && !is_first {
            return Some(Piece::OneOf {
                negated,
                ranges: ranges.into(),
            });
        }
        is_first = false;
        let mut high = low;
        if rest.first() == Some(&b'-') && rest.get(1).is_some_and(|&b| b != b']') {
            let (end, length) = take_char(&rest[1..])?;
            // The range ends in a class, or runs backwards.
            if rest[1..].starts_with(b"[:") || end < low {
                return None;
            }
            high = end;
            *rest = &rest[1 + length..];
        }
        ranges.push((low, high));
    }
}

/// Where the name of a class (after `[:`) ends, if it is followed by `:]`.
fn named_end(after: &[u8]) -> Option<usize> {
    let end = after.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    after[end..].starts_with(b":]").then_some(end)
}

/// The members of a named class, ASCII only; an unknown name has none.
fn named(name: &[u8]) -> &'static [(u32, u32)] {
    match name {
        b"alpha" => &[(0x41, 0x5a), (0x61, 0x7a)],
        b"digit" => &[(0x30, 0x39)],
        b"alnum" => &[(0x30, 0x39), (0x41, 0x5a), (0x61, 0x7a)],
        b"word" => &[(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)],
        b"upper" => &[(0x41, 0x5a)],
        b"lower" => &[(0x61, 0x7a)],
        b"xdigit" => &[(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)],
        b"space" => &[(0x09, 0x0d), (0x20, 0x20)],
        b"blank" => &[(0x09, 0x09), (0x20, 0x20)],
        b"cntrl" => &[(0x00, 0x1f), (0x7f, 0x7f)],
        b"graph" => &[(0x21, 0x7e)],
        b"print" => &[(0x20, 0x7e)],
        b"punct" => &[(0x21, 0x2f), (0x3a, 0x40), (0x5b, 0x60), (0x7b, 0x7e)],
        _ => &[],
    }
}

impl Piece {
    fn accepts(&self, char: u32, fold: bool) -> bool {
        match self {
            Piece::AnyChar => true,
            Piece::AnyText => false,
            Piece::Char(wanted) if fold => lower(char) == *wanted,
            Piece::Char(wanted) => char == *wanted,
            Piece::OneOf { negated, ranges } => {
                let holds = |char: u32| ranges.iter().any(|&(low, high)| (low..=high).contains(&char));
                (holds(char) || (fold && (holds(lower(char)) || holds(upper(char))))) != *negated
            }
        }
    }
}

fn lower(char: u32) -> u32 {
    char::from_u32(char).map_or(char, |c| c.to_lowercase().next().map_or(char, u32::from))
}

fn upper(char: u32) -> u32 {
    char::from_u32(char).map_or(char, |c| c.to_uppercase().next().map_or(char, u32::from))
}

fn take_char(bytes: &[u8]) -> Option<(u32, usize)> {
    (!bytes.is_empty()).then(|| next_char(bytes))
}

/// Decodes the first character of `bytes`, which must not be empty. A byte that is not UTF-8 becomes a lone surrogate
/// (as in git-annex), which equals no real character.
fn next_char(bytes: &[u8]) -> (u32, usize) {
    match bytes[0] {
        ascii @ 0..0x80 => (u32::from(ascii), 1),
        other => match bstr::decode_utf8(bytes) {
            (Some(char), length) => (u32::from(char), length),
            (None, _) => (0xdc00 + u32::from(other), 1),
        },
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bstr::BStr::new(&*self.text).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Glob;

    #[test]
    fn globs_match_as_in_git_annex() {
        for (glob, text, matches) in [
            ("?.mp3", "é.mp3", true),
            ("??.mp3", "é.mp3", false),
            ("[é].mp3", "é.mp3", true),
            ("[é-ü]x", "öx", true),
            ("[!a]x", "éx", true),
            ("[[:alpha:]]x", "éx", false),
            ("[]]x", "]x", true),
            ("[]a]x", "ax", true),
            ("[!]]x", "]x", false),
            ("[!]]x", "ax", true),
            ("[a-]x", "-x", true),
            ("[-a]x", "-x", true),
            ("[a-c-e]x", "-x", true),
            ("[a-c-e]x", "dx", false),
            ("[--0]x", ".x", true),
            ("[[:alnum:]_]x", "_x", true),
            ("[[:foo:]]x", "ax", false),
            ("[[:alpha]x", ":x", true),
            ("[\\]x", "\\x", true),
            ("[[]x", "[x", true),
            ("a]x", "a]x", true),
            ("a.b", "axb", false),
            ("{a}", "{a}", true),
            ("\\*", "*", false),
            ("*", "a\nb", true),
            ("*a*b", "xaxxb", true),
            ("a*", "a", true),
            ("", "", true),
            ("?", "", false),
        ] {
            assert_eq!(
                Glob::new(glob.as_bytes()).matches(text.as_bytes()),
                matches,
                "{glob} {text}"
            );
        }
        for glob in [
            "[a",
            "[]",
            "[]x",
            "[!]",
            "[^]x",
            "a[",
            "*.mp[]",
            "[z-a]x",
            "[a-[:alpha:]]x",
            "[[:alpha:]",
            "[[:alpha:x",
        ] {
            assert!(Glob::new(glob.as_bytes()).is_malformed(), "{glob}");
        }
    }

    #[test]
    fn case_is_ignored_on_request() {
        for (glob, text) in [("FoO*", "fOobar"), ("É", "é"), ("[a-c]", "B"), ("[A-C]", "b")] {
            assert!(
                Glob::ignoring_case(glob.as_bytes()).matches(text.as_bytes()),
                "{glob} {text}"
            );
            assert!(!Glob::new(glob.as_bytes()).matches(text.as_bytes()), "{glob} {text}");
        }
    }

    #[test]
    fn a_byte_that_is_not_utf8_is_one_character() {
        assert!(Glob::new(b"?x").matches(b"\xffx"));
        assert!(Glob::new(b"\xff*").matches(b"\xffx"));
        assert!(!Glob::new(b"\xfe*").matches(b"\xffx"));
    }

    #[test]
    fn hostile_patterns_match_quickly() {
        let started = Instant::now();
        let glob = Glob::new("*a".repeat(500).as_bytes());
        assert!(!glob.matches(&[b"a".repeat(4000), b"b".to_vec()].concat()));
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}
