//! The rules of a folder, read from `.git/anabranch/policy.toml`, which people edit by hand or in the window.

mod writing;

use std::path::Path;
use std::sync::Arc;

use assistant::content::{Exchange, Policy, Rule};
use contract::Allow;
use model::{RemoteName, RepoPath};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::words::mistake;

pub(crate) use writing::{Prepared, told, understood};

/// The name of the file in `.git/anabranch`.
pub(crate) const FILE: &str = "policy.toml";

/// The content of the file. Other tables and keys in it are ignored.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    rule: Vec<WrittenRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    #[serde(default, deserialize_with = "place")]
    place: Option<RemoteName>,
    #[serde(default, deserialize_with = "directory")]
    directory: Option<RepoPath>,
    allow: Allow,
}

/// The exchange that a word allows.
fn exchange(allow: Allow) -> Exchange {
    match allow {
        Allow::Everything => Exchange::Everything,
        Allow::GitOnly => Exchange::GitOnly,
        Allow::ContentUp => Exchange::ContentUp,
        Allow::ContentDown => Exchange::ContentDown,
        Allow::Nothing => Exchange::Nothing,
    }
}

/// The effective rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) policy: Arc<Policy>,
    /// Why these are not the rules of the file, as text for the user.
    pub(crate) mistake: Option<String>,
}

impl InForce {
    /// Reads the rules in `directory`. While the file has a mistake, the rules `before` stay in effect. If there are
    /// none, no content is transferred: the rules may have been written to hold it back.
    pub(crate) fn read(directory: &Path, before: &Self) -> Self {
        match read(directory) {
            Ok(policy) => Self {
                policy: Arc::new(policy),
                mistake: None,
            },
            Err(why) => Self {
                policy: match *before == Self::default() {
                    true => Arc::new(no_content()),
                    false => Arc::clone(&before.policy),
                },
                mistake: Some(why),
            },
        }
    }
}

/// Reads the rules in `directory`; a missing file means no rules. The error tells the user where the mistake is.
fn read(directory: &Path) -> Result<Policy, String> {
    let path = directory.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text).map_err(|why| format!("{}: {}", path.display(), why.trim_end())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Policy::default()),
        Err(error) => Err(format!("{} could not be read: {error}", path.display())),
    }
}

fn no_content() -> Policy {
    Policy::new(vec![Rule {
        remote: None,
        directory: None,
        exchange: Exchange::GitOnly,
    }])
}

fn parse(text: &str) -> Result<Policy, String> {
    let written: Written = toml::from_str(text).map_err(|error| mistake(text, &error))?;
    let rules = written.rule.into_iter().map(|rule| Rule {
        remote: rule.place,
        directory: rule.directory,
        exchange: exchange(rule.allow),
    });
    Ok(Policy::new(rules.collect()))
}

fn place<'de, D: Deserializer<'de>>(written: D) -> Result<Option<RemoteName>, D::Error> {
    let name = String::deserialize(written)?;
    let parsed = RemoteName::parse(&name);
    parsed
        .map(Some)
        .ok_or_else(|| D::Error::custom(format!("{name:?} is not the name of a place")))
}

fn directory<'de, D: Deserializer<'de>>(written: D) -> Result<Option<RepoPath>, D::Error> {
    let path = String::deserialize(written)?;
    let inside = RepoPath::parse(path.trim_end_matches('/').as_bytes());
    inside
        .map(Some)
        .map_err(|why| D::Error::custom(format!("{path:?} is no directory of the folder: {why}")))
}

#[cfg(test)]
mod tests {
    use assistant::Direction::{Get, Send};
    use assistant::content::{Exchange, Policy, Rule};
    use model::{RemoteName, RepoPath};

    use super::{FILE, InForce, parse, read};

    #[test]
    fn rules_are_read_as_written() {
        let text = "# mine\n[[rule]]\nplace = \"usb\"\ndirectory = \"Photos/raw/\"\nallow = \"content-up\"\n\n\
                    [[rule]]\nallow = \"git-only\"\n\n[look]\ncolour = \"blue\"\n";
        let rules = vec![
            Rule {
                remote: RemoteName::parse("usb"),
                directory: RepoPath::parse(b"Photos/raw").ok(),
                exchange: Exchange::ContentUp,
            },
            Rule {
                remote: None,
                directory: None,
                exchange: Exchange::GitOnly,
            },
        ];
        assert_eq!(parse(text), Ok(Policy::new(rules)));
        assert_eq!(parse(""), Ok(Policy::default()));
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()), Ok(Policy::default()), "no file");
    }

    #[test]
    fn a_mistake_is_reported_with_its_line() {
        for (text, part) in [
            ("[[rule]]\nallow = \"all\"\n", "line 2"),
            ("[[rule]]\nplace = \"usb\"\n", "allow"),
            ("[[rule]]\nallow = \"nothing\"\nplcae = \"usb\"\n", "plcae"),
            ("[[rule]]\nallow = \"nothing\"\nplace = \"a b\"\n", "line 3"),
            ("[[rule]]\nallow = \"nothing\"\ndirectory = \"../x\"\n", "line 3"),
            ("[[rule]\n", "line 1"),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.contains(part) && !told.contains('\n'), "{text:?}: {told}");
        }
    }

    #[test]
    fn a_mistake_keeps_the_rules_before_it_or_else_bars_all_content() {
        let directory = tempfile::tempdir().unwrap();
        let usb = RemoteName::parse("usb").unwrap();
        let open = |rules: &InForce| {
            assert!(rules.policy.allows_git(&usb));
            (rules.policy.is_open(&usb, Send), rules.policy.is_open(&usb, Get))
        };
        let write = |text: &str| std::fs::write(directory.path().join(FILE), text).unwrap();
        write("[[rule]]\nallow = \"every\"\n");
        let unknown = InForce::read(directory.path(), &InForce::default());
        assert_eq!(open(&unknown), (false, false));
        assert!(unknown.mistake.as_ref().is_some_and(|why| why.contains("line 2")));
        write("[[rule]]\nallow = \"content-up\"\n");
        let known = InForce::read(directory.path(), &unknown);
        assert_eq!((open(&known), &known.mistake), ((true, false), &None));
        write("[[rule]]\nallow = \"every\"\n");
        let kept = InForce::read(directory.path(), &known);
        assert_eq!(open(&kept), (true, false));
        assert!(kept.mistake.is_some());
    }
}
