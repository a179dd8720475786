use bstr::BString;

use super::balance::{Balance, BalanceNumber};
use super::error::ParseError;
use super::glob::Glob;
use super::network::Trust;
use super::size::parse_signed;

/// Which terms a text may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// Preferred and required content of a repository, and that of groups.
    PreferredContent,
    /// `annex.largefiles` and `annex.addunlocked`: about a file that is not (yet) annexed.
    LargeFiles,
}

/// One condition on a file, a key or its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the git-annex term of that name")]
pub enum Term {
    Anything,
    Nothing,
    Include(Glob),
    Exclude(Glob),
    LargerThan(i128),
    SmallerThan(i128),
    Unused,
    MimeType(Glob),
    MimeEncoding(Glob),
    Copies {
        among: Among,
        number: i64,
    },
    /// `lackingcopies` or, if `approximate`, `approxlackingcopies`, which ignores `.gitattributes`.
    LackingCopies {
        number: i64,
        approximate: bool,
    },
    InBackend(BString),
    SecureHash,
    InAllGroup(Box<str>),
    OnlyInGroup(Box<str>),
    Metadata(MetadataTest),
    Url(Glob),
    Present,
    InPreferredDir,
    Standard,
    GroupWanted,
    Balanced(Balance),
}

/// Which repositories `copies=` counts; dead ones are never counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Among {
    /// Every repository.
    All,
    /// Repositories of exactly this trust level.
    Trusted(Trust),
    /// Repositories of at least this trust level.
    AtLeast(Trust),
    /// The members of a group.
    Group(Box<str>),
}

/// `metadata=FIELD=GLOB`, or a comparison of the field's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataTest {
    /// The name of the field, in lower case: git-annex ignores case.
    pub field: String,
    /// The condition that at least one value must meet.
    pub comparison: Comparison,
}

/// The condition on a metadata value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Matches(Glob),
    Less(BString),
    LessOrEqual(BString),
    Greater(BString),
    GreaterOrEqual(BString),
}

impl Term {
    /// Parses one word of an expression.
    pub(super) fn parse(word: &str, terms: Terms) -> Result<Self, ParseError> {
        let unknown = || ParseError::UnknownTerm(word.to_owned());
        let bad = || ParseError::BadValue(word.to_owned());
        let plain = match word {
            "anything" => Some(Term::Anything),
            "nothing" => Some(Term::Nothing),
            "unused" => Some(Term::Unused),
            _ if terms == Terms::LargeFiles => None,
            "present" => Some(Term::Present),
            "securehash" => Some(Term::SecureHash),
            "inpreferreddir" => Some(Term::InPreferredDir),
            "standard" => Some(Term::Standard),
            "groupwanted" => Some(Term::GroupWanted),
            _ => None,
        };
        if let Some(term) = plain {
            return Ok(term);
        }
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let glob = || Glob::new(value.as_bytes());
        Ok(match (name, terms) {
            ("include", _) => Term::Include(glob()),
            ("exclude", _) => Term::Exclude(glob()),
            ("largerthan", _) => Term::LargerThan(parse_signed(value).ok_or_else(bad)?),
            ("smallerthan", _) => Term::SmallerThan(parse_signed(value).ok_or_else(bad)?),
            ("mimetype", Terms::LargeFiles) => Term::MimeType(glob()),
            ("mimeencoding", Terms::LargeFiles) => Term::MimeEncoding(glob()),
            (_, Terms::LargeFiles) => return Err(unknown()),
            ("copies", Terms::PreferredContent) => copies(value).ok_or_else(bad)?,
            ("lackingcopies", Terms::PreferredContent) => Term::LackingCopies {
                number: leading_number(value).ok_or_else(bad)?,
                approximate: false,
            },
            ("approxlackingcopies", Terms::PreferredContent) => Term::LackingCopies {
                number: leading_number(value).ok_or_else(bad)?,
                approximate: true,
            },
            ("inbackend", Terms::PreferredContent) => Term::InBackend(value.into()),
            ("inallgroup", Terms::PreferredContent) => Term::InAllGroup(value.into()),
            ("onlyingroup", Terms::PreferredContent) => Term::OnlyInGroup(value.into()),
            ("metadata", Terms::PreferredContent) => Term::Metadata(metadata(value).ok_or_else(bad)?),
            ("url", Terms::PreferredContent) => Term::Url(glob()),
            ("balanced" | "fullybalanced" | "sizebalanced" | "fullysizebalanced", Terms::PreferredContent) => {
                Term::Balanced(balanced(name, value).ok_or_else(bad)?)
            }
            (_, Terms::PreferredContent) => return Err(unknown()),
        })
    }
}

fn copies(value: &str) -> Option<Term> {
    let (among, number) = match value.split_once(':') {
        None => (Among::All, value),
        Some((among, number)) => {
            let level = |name: &str| match name {
                "trusted" => Some(Trust::Trusted),
                "semitrusted" => Some(Trust::Semitrusted),
                "untrusted" => Some(Trust::Untrusted),
                _ => None,
            };
            let among = match (level(among), among.strip_suffix('+').and_then(level)) {
                (Some(trust), _) => Among::Trusted(trust),
                (None, Some(trust)) => Among::AtLeast(trust),
                (None, None) => Among::Group(among.into()),
            };
            (among, number)
        }
    };
    Some(Term::Copies {
        among,
        number: leading_number(number)?,
    })
}

fn balanced(name: &str, value: &str) -> Option<Balance> {
    let (group, number) = value.split_once(':').unwrap_or((value, "1"));
    let number = match number {
        "lackingcopies" => BalanceNumber::LackingCopies,
        digits => BalanceNumber::Fixed(leading_number(digits)?),
    };
    Some(Balance {
        group: group.into(),
        number,
        by_size: name.ends_with("sizebalanced"),
        fully: name.starts_with("fully"),
    })
}

fn metadata(value: &str) -> Option<MetadataTest> {
    let end = value.find(['<', '>', '=']).unwrap_or(value.len());
    let (field, test) = value.split_at(end);
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if field.is_empty() || !field.chars().all(allowed) {
        return None;
    }
    let comparison = match test.split_at(test.len().min(1)) {
        ("<", bound) => match bound.strip_prefix('=') {
            Some(bound) => Comparison::LessOrEqual(bound.into()),
            None => Comparison::Less(bound.into()),
        },
        (">", bound) => match bound.strip_prefix('=') {
            Some(bound) => Comparison::GreaterOrEqual(bound.into()),
            None => Comparison::Greater(bound.into()),
        },
        (_, glob) => Comparison::Matches(Glob::ignoring_case(glob.as_bytes())),
    };
    Some(MetadataTest {
        field: field.to_lowercase(),
        comparison,
    })
}

/// Parses a leading integer and ignores the rest, as git-annex does (`copies=2x`), unless the rest would make it a
/// different number (`1.5`, `1e3`, `0x10`).
fn leading_number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = digits[length..].bytes();
    let goes_on = match (rest.next(), rest.next()) {
        (Some(b'.' | b'e' | b'E'), Some(next)) => next.is_ascii_digit(),
        (Some(b'x' | b'X'), Some(next)) => next.is_ascii_hexdigit(),
        _ => false,
    };
    if length == 0 || goes_on {
        return None;
    }
    let size = digits[..length].parse().unwrap_or(i64::MAX);
    Some(if digits.len() < text.len() { -size } else { size })
}

impl MetadataTest {
    /// True if `value` meets the condition: compared as numbers if both sides are numbers, else byte by byte.
    pub fn accepts(&self, value: &[u8]) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let compare = |bound: &[u8]| match (number(value), number(bound)) {
            (Some(value), Some(bound)) => value.total_cmp(&bound),
            _ => value.cmp(bound),
        };
        match &self.comparison {
            Comparison::Matches(glob) => glob.matches(value),
            Comparison::Less(bound) => compare(bound) == Less,
            Comparison::LessOrEqual(bound) => matches!(compare(bound), Less | Equal),
            Comparison::Greater(bound) => compare(bound) == Greater,
            Comparison::GreaterOrEqual(bound) => matches!(compare(bound), Greater | Equal),
        }
    }
}

fn number(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    // Only digits: Rust also takes "inf" and "nan" for numbers.
    text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        .then(|| text.parse().ok())
        .flatten()
}
