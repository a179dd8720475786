//! Converts rules for the window, and writes them into the file.

use std::path::{Path, PathBuf};

use assistant::content::{Exchange, Policy, Rule};
use contract::Allow;
use model::{RemoteName, RepoPath};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{FILE, InForce, exchange, parse};
use crate::Error;
use crate::atomic_file;

/// The effective rules, for the window.
pub(crate) fn told(in_force: &InForce) -> contract::Rules {
    let told = |rule: &Rule| contract::Rule {
        place: rule.remote.as_ref().map(ToString::to_string),
        directory: rule.directory.as_ref().map(ToString::to_string),
        allow: match rule.exchange {
            Exchange::Everything => Allow::Everything,
            Exchange::GitOnly => Allow::GitOnly,
            Exchange::ContentUp => Allow::ContentUp,
            Exchange::ContentDown => Allow::ContentDown,
            Exchange::Nothing => Allow::Nothing,
        },
    };
    contract::Rules {
        rules: in_force.policy.rules().iter().map(told).collect(),
        mistake: in_force.mistake.clone(),
    }
}

/// Converts rules from the window; refuses rules that the file could not hold.
pub(crate) fn understood(rules: &[contract::Rule]) -> Result<Policy, Error> {
    let rule = |rule: &contract::Rule| {
        let remote = rule.place.as_ref().map(|name| {
            RemoteName::parse(name)
                .ok_or_else(|| Error::Refused(format!("{name:?} is not the name of a place; no rule was changed")))
        });
        let directory = rule.directory.as_ref().map(|path| {
            RepoPath::parse(path.trim_end_matches('/').as_bytes()).map_err(|why| {
                Error::Refused(format!(
                    "{path:?} is no directory of the folder: {why}; no rule was changed"
                ))
            })
        });
        Ok(Rule {
            remote: remote.transpose()?,
            directory: directory.transpose()?,
            exchange: exchange(rule.allow),
        })
    };
    rules.iter().map(rule).collect::<Result<_, _>>().map(Policy::new)
}

/// The file with changed rules, not saved yet.
pub(crate) struct Prepared {
    path: PathBuf,
    /// None if nothing has to be changed.
    text: Option<String>,
}

impl Prepared {
    /// Puts rules into the file in `directory`, and leaves everything else in it as it is. Refused if the current rules
    /// are not `before`.
    pub(crate) fn new(directory: &Path, before: &Policy, rules: &Policy) -> Result<Self, Error> {
        let named = directory.join(FILE);
        // It may be a link to another place, and stays one.
        let is_link = named.is_symlink();
        let path = named.canonicalize().unwrap_or(named);
        let shown = path.display();
        let leads_astray = || {
            Error::Refused(format!(
                "{} is a link to {shown}, which is no file with rules alone; no rule was changed. Remove the link",
                directory.join(FILE).display()
            ))
        };
        if is_link && path.exists() && !path.is_file() {
            return Err(leads_astray());
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => {
                let doing = "read";
                return Err(Error::Io { doing, path, source });
            }
        };
        // The git directory may come from another user, whose link must not make us write to an unrelated file.
        let is_of_rules = |text: &str| {
            let file: Result<DocumentMut, _> = text.parse();
            file.is_ok_and(|file| file.iter().all(|(key, _)| key == "rule"))
        };
        if is_link && !is_of_rules(&text) {
            return Err(leads_astray());
        }
        let there = parse(&text).map_err(|why| {
            Error::Refused(format!(
                "{shown} has a mistake; no rule was changed. Correct it first: {}",
                why.trim_end()
            ))
        })?;
        if there != *before {
            return Err(Error::Refused(format!(
                "somebody else changed the rules in {shown} since you saw them; no rule was changed. Look at them and \
                 try again"
            )));
        }
        if before == rules {
            return Ok(Self { path, text: None });
        }
        let text = edit(&text, rules).filter(|text| parse(text).as_ref() == Ok(rules));
        let text = text.ok_or_else(|| {
            Error::Refused(format!(
                "Anabranch cannot change {shown} the way it is written; no rule was changed. Change it by hand"
            ))
        })?;
        Ok(Self { path, text: Some(text) })
    }

    /// Saves the file.
    pub(crate) fn save(self) -> Result<(), Error> {
        self.text.map_or(Ok(()), |text| atomic_file::write(&self.path, &text))
    }
}

/// Changes the rules in the text. A rule that stays, or only changes what it allows, keeps its comments.
fn edit(text: &str, rules: &Policy) -> Option<String> {
    let mut file: DocumentMut = text.parse().ok()?;
    let item = file.entry("rule").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let old = std::mem::replace(item, Item::ArrayOfTables(ArrayOfTables::new()));
    let before = parse(text).ok()?;
    // An empty array is not an array of tables.
    let old = old.into_array_of_tables().unwrap_or_default();
    let mut old: Vec<Option<Table>> = old.into_iter().map(Some).collect();
    let mut kept: Vec<Option<Table>> = vec![None; rules.rules().len()];
    // Match identical rules first, so that none is taken for another that only allows something else.
    let fits: [fn(&Rule, &Rule) -> bool; 2] = [
        |old, new| old == new,
        |old, new| (&old.remote, &old.directory) == (&new.remote, &new.directory),
    ];
    for fits in fits {
        for (rule, kept) in rules.rules().iter().zip(&mut kept).filter(|(_, kept)| kept.is_none()) {
            let mut written = before.rules().iter().zip(&mut old);
            *kept = written
                .find(|(other, table)| table.is_some() && fits(other, rule))
                .and_then(|(_, table)| table.take());
        }
    }
    let mut remarks: String = old.iter().flatten().map(apart).collect();
    if file.len() == 1
        && file.trailing().as_str().is_some_and(|text| !text.trim().is_empty())
        && before.rules().is_empty()
    {
        // A file with only comments: they stay at its top.
        remarks = format!("{}\n", file.trailing().as_str().unwrap_or("").trim_end());
        file.set_trailing("");
    }
    let mut tables = ArrayOfTables::new();
    for (rule, kept) in rules.rules().iter().zip(kept) {
        let mut table = kept.unwrap_or_default();
        say(&mut table, rule);
        // In the order of the rules, at the position of the first.
        table.set_position(None);
        if !remarks.is_empty() {
            let prefix = table.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or("");
            let prefix = format!("{}{prefix}", std::mem::take(&mut remarks));
            table.decor_mut().set_prefix(prefix);
        }
        tables.push(table);
    }
    match tables.is_empty() {
        true => drop(file.remove("rule")),
        false => file["rule"] = Item::ArrayOfTables(tables),
    }
    Some(format!("{file}{remarks}"))
}

/// The comments before a rule that do not belong to it: everything up to the last empty line.
fn apart(table: &Table) -> String {
    let prefix = table.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or("");
    let end = prefix.rfind("\n\n").map_or(0, |at| at + 2);
    let apart = &prefix[..end];
    if apart.trim().is_empty() {
        String::new()
    } else {
        apart.to_owned()
    }
}

fn say(table: &mut Table, rule: &Rule) {
    let mut put = |name: &str, text: Option<String>| match text {
        None => drop(table.remove(name)),
        // A directory may be written with a trailing slash.
        Some(text)
            if table
                .get(name)
                .and_then(Item::as_str)
                .map(|old| old.trim_end_matches('/'))
                == Some(&text) => {}
        Some(text) => match table.get_mut(name).and_then(Item::as_value_mut) {
            Some(old) => {
                let decor = old.decor().clone();
                *old = text.into();
                *old.decor_mut() = decor;
            }
            None => drop(table.insert(name, value(text))),
        },
    };
    let allow = match rule.exchange {
        Exchange::Everything => "everything",
        Exchange::GitOnly => "git-only",
        Exchange::ContentUp => "content-up",
        Exchange::ContentDown => "content-down",
        Exchange::Nothing => "nothing",
    };
    put("place", rule.remote.as_ref().map(ToString::to_string));
    put("directory", rule.directory.as_ref().map(ToString::to_string));
    put("allow", Some(allow.to_owned()));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use assistant::content::Policy;

    use super::*;

    const WRITTEN: &str = "\
# The rules of the laptop.

# Films are too large.
[[rule]]
place = \"stick\" # the small one
directory = \"Films/\"
allow = \"git-only\" # for now

[look]
# not ours
colour = \"blue\"

# All else
[[rule]]
allow = \"content-up\"
";

    fn rules(text: &str) -> Policy {
        parse(text).unwrap()
    }

    fn write(directory: &Path, before: &Policy, rules: &Policy) -> Result<(), Error> {
        Prepared::new(directory, before, rules)?.save()
    }

    fn edited(text: &str, new: &str) -> String {
        let edited = edit(text, &rules(new)).unwrap();
        assert_eq!(rules(&edited), rules(new), "{edited}");
        edited
    }

    #[test]
    fn comments_and_other_tables_stay() {
        assert_eq!(edit(WRITTEN, &rules(WRITTEN)).unwrap().matches('#').count(), 6);
        // One rule only changes what it allows, one is new, one is unchanged.
        let new = "[[rule]]\nplace = \"stick\"\ndirectory = \"Films\"\nallow = \"nothing\"\n\
                   [[rule]]\nplace = \"nas\"\nallow = \"everything\"\n[[rule]]\nallow = \"content-up\"\n";
        let text = edited(WRITTEN, new);
        for part in [
            "# The rules of the laptop.\n\n# Films are too large.\n[[rule]]\nplace = \"stick\" # the small one\n",
            "directory = \"Films/\"\n",
            "allow = \"nothing\" # for now\n",
            "[look]\n# not ours\ncolour = \"blue\"\n",
            "# All else\n[[rule]]\nallow = \"content-up\"\n",
            "\n[[rule]]\nplace = \"nas\"\nallow = \"everything\"\n",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        // If the first rule is removed, its comment goes too, but the comment about the file stays.
        let text = edited(WRITTEN, "[[rule]]\nallow = \"content-up\"\n");
        assert!(
            text.contains("# The rules of the laptop.") && text.contains("# All else"),
            "{text}"
        );
        assert!(!text.contains("too large"), "{text}");
        let text = edited(WRITTEN, "");
        assert!(
            text.contains("# The rules of the laptop.") && text.contains("# not ours"),
            "{text}"
        );
        assert!(!text.contains("[[rule]]"), "{text}");
    }

    #[test]
    fn rules_are_written_in_their_order() {
        let (one, two) = (
            "[[rule]]\nallow = \"content-up\"\n",
            "[[rule]]\nplace = \"nas\"\nallow = \"nothing\"\n",
        );
        for text in [
            "",
            one,
            two,
            "a = 1\n",
            "rule = []\n",
            "rule = [{ allow = \"nothing\" }]\n[x]\n",
            WRITTEN,
        ] {
            edited(text, &format!("{one}{two}{one}"));
            edited(text, &format!("{two}{one}"));
            edited(text, "");
        }
        assert_eq!(edited("", one), one);
    }

    #[test]
    fn the_file_is_changed_only_if_it_says_what_was_seen() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("anabranch");
        let path = directory.join(FILE);
        let (none, one) = (Policy::default(), rules("[[rule]]\nallow = \"nothing\"\n"));
        write(&directory, &none, &none).unwrap();
        assert!(!path.exists(), "nothing was said");
        write(&directory, &none, &one).unwrap();
        assert_eq!(super::super::read(&directory), Ok(one.clone()));
        let refused = |before: &Policy, part: &str| {
            let text = fs::read_to_string(&path).unwrap();
            let told = write(&directory, before, &Policy::default()).unwrap_err().to_string();
            assert!(told.contains(part), "{told}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        };
        refused(&none, "somebody else changed the rules");
        fs::write(&path, "[[rule]]\nallow = \"nothin\"\n").unwrap();
        refused(&one, "line 2");

        // A link stays a link, and its target keeps its permissions.
        let elsewhere = place.path().join("mine.toml");
        fs::write(&elsewhere, "# mine\n").unwrap();
        fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        write(&directory, &none, &one).unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert!(fs::read_to_string(&elsewhere).unwrap().starts_with("# mine\n"));
        assert_eq!(fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left behind");

        // A link to an unrelated file is not followed.
        for other in ["ssh-ed25519 AAAA ann@desk\n", "[build]\njobs = 2\n"] {
            fs::write(&elsewhere, other).unwrap();
            let told = write(&directory, &none, &one).unwrap_err().to_string();
            assert!(told.contains("is a link to"), "{told}");
            assert_eq!(fs::read_to_string(&elsewhere).unwrap(), other);
        }
    }

    #[test]
    fn rules_from_the_window_are_checked() {
        let rule = |place: Option<&str>, directory: Option<&str>| contract::Rule {
            place: place.map(str::to_owned),
            directory: directory.map(str::to_owned),
            allow: Allow::Nothing,
        };
        let good = [rule(Some("stick"), Some("Films/raw/")), rule(None, None)];
        let policy = understood(&good).unwrap();
        let in_force = InForce {
            policy: std::sync::Arc::new(policy.clone()),
            mistake: None,
        };
        assert_eq!(understood(&told(&in_force).rules).unwrap(), policy);
        for (bad, part) in [
            (rule(Some("a b"), None), "a b"),
            (rule(None, Some("../x")), "leads out"),
            (rule(None, Some("")), "not relative"),
            (rule(None, Some(".git/x")), "git directory"),
        ] {
            let told = understood(&[bad]).unwrap_err().to_string();
            assert!(told.contains(part), "{told}");
        }
    }
}
