//! What a server tells a client that listens (`notifychanges`), and whether a folder has all that was pushed to it.

use model::Oid;

use crate::message::{reason, split};

/// Why the files of a folder do not have all that was pushed to it, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind(String);

impl Behind {
    /// In one line, which is cut if it is long.
    #[must_use]
    pub fn new(why: &str) -> Self {
        Self(reason(why))
    }

    /// In one line.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.0
    }
}

/// One line of what a client hears that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The server tells of changes from now on.
    Ready,
    /// Refs lead to these objects now.
    Changed(Vec<Oid>),
    /// Ours: why the files there wait, or that they do not wait any more. Only a client that [asks](crate::MERGES) hears it.
    Merged(Option<Behind>),
}

impl News {
    /// Parses a line without its end; none for one that is not known, as of a newer server.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let id = |word: &[u8]| Oid::parse(std::str::from_utf8(word).ok()?);
        Some(match split(line) {
            (b"READY", None) => Self::Ready,
            (b"CHANGED", Some(ids)) => Self::Changed(ids.split(|&byte| byte == b' ').filter_map(id).collect()),
            _ => Self::Merged(merged(line)?),
        })
    }

    /// The line, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Ready => "READY\n".to_owned(),
            Self::Changed(ids) => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                format!("CHANGED {}\n", ids.join(" "))
            }
            Self::Merged(behind) => told(behind.as_ref()),
        }
    }
}

/// What a line says of a folder; none if it says nothing of that.
pub(crate) fn merged(line: &[u8]) -> Option<Option<Behind>> {
    match split(line) {
        (b"MERGED", None) => Some(None),
        (b"BEHIND", Some(why)) => Some(Some(Behind::new(&String::from_utf8_lossy(why)))),
        _ => None,
    }
}

/// The line that says it.
pub(crate) fn told(behind: Option<&Behind>) -> String {
    match behind {
        None => "MERGED\n".to_owned(),
        Some(Behind(why)) => format!("BEHIND {why}\n"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn news_are_what_was_told() {
        let (one, other) = (Oid([1; 20]), Oid([0xff; 20]));
        for news in [
            News::Ready,
            News::Changed(vec![one]),
            News::Changed(vec![one, other]),
            News::Merged(None),
            News::Merged(Some(Behind::new("a file is in the way"))),
        ] {
            let line = news.line();
            assert_eq!(News::parse(line.trim_end().as_bytes()), Some(news), "{line}");
        }
        for unknown in ["", "READY now", "CHANGED", "MERGED x", "BEHIND", "merged", "ERROR x"] {
            assert_eq!(News::parse(unknown.as_bytes()), None, "{unknown}");
        }
        let changed = format!("CHANGED {one} x  {other}");
        assert_eq!(News::parse(changed.as_bytes()), Some(News::Changed(vec![one, other])));
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let behind = Behind::new(&format!("a\nb\u{1b}[31m {}", "ä".repeat(1000)));
        assert!(behind.why().starts_with("a b [31m ä") && behind.why().len() <= 500);
        assert_eq!(
            News::parse(told(Some(&behind)).trim_end().as_bytes()),
            Some(News::Merged(Some(behind)))
        );
    }

    proptest! {
        #[test]
        fn what_is_heard_can_be_told_again(line in any::<Vec<u8>>(), command in "(CHANGED|BEHIND) ") {
            for line in [line.clone(), [command.as_bytes(), &line].concat()] {
                if let Some(news) = News::parse(&line) {
                    let again = news.line();
                    prop_assert_eq!(News::parse(again.strip_suffix('\n').unwrap().as_bytes()), Some(news));
                }
            }
        }
    }
}
