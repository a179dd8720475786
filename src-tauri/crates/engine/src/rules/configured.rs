//! One folder's settings of git and git-annex: copies, disk reserve, and how to add files. Other programs may change
//! them at any time.

use annex::copies::Fewest;
use annex::settings::{self, DISK_RESERVE, EffectiveSetting, GitMonitor, Source};
use annex::{Annex, Facts};
use contract::{Chosen, FolderSettings, Origin};

pub(crate) const COPIES: &str = "annex.numcopies";
pub(crate) const RESERVE: &str = "annex.diskreserve";
pub(crate) const UNLOCKED: &str = "annex.addunlocked";

const OF_ALL: &str = "what 'git annex config' says for all clones";

/// The settings in git's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Configured {
    /// Deprecated, but git-annex uses it for checks and drops if the git-annex branch has no number (not in expressions
    /// such as `lackingcopies=1`).
    copies: Option<EffectiveSetting>,
    pub(crate) reserve: Option<EffectiveSetting>,
    unlocked: Option<EffectiveSetting>,
    pub(crate) git_monitor: GitMonitor,
}

impl Configured {
    pub(crate) fn read(annex: &Annex) -> Result<Self, annex::Error> {
        let [copies, reserve, unlocked] = settings::entries(annex, [COPIES, RESERVE, UNLOCKED])?;
        Ok(Self {
            copies,
            reserve,
            unlocked,
            git_monitor: settings::git_monitor(annex)?,
        })
    }

    /// The number of copies to keep of each file.
    pub(crate) fn copies(&self, facts: &Facts) -> u32 {
        let here = || self.copies.as_ref().and_then(number);
        facts.numcopies.or_else(here).unwrap_or(1)
    }

    /// The fewest copies to keep of a file about which `.gitattributes` says nothing.
    pub(crate) fn fewest_copies(&self, facts: &Facts) -> Fewest {
        Fewest {
            numcopies: self.copies(facts),
            mincopies: facts.mincopies.unwrap_or(1),
        }
    }

    /// The effective settings, for the user.
    pub(crate) fn told(&self, facts: &Facts) -> FolderSettings {
        let chosen = |value: &str, origin| Chosen {
            value: value.to_owned(),
            origin,
        };
        let configured = |entry: &EffectiveSetting| chosen(&entry.value, origin(entry.source));
        let unlocked = |value: &str, origin| match settings::as_flag(value) {
            Some(is_so) => chosen(flag(is_so), origin),
            None => chosen(value, origin),
        };
        let for_this_clone = |entry: &EffectiveSetting| {
            number(entry)?;
            let place = format!("{COPIES} in {}, for this clone only", place(entry.source));
            Some(chosen(&entry.value, Origin::Weaker(place)))
        };
        let copies = match facts.numcopies {
            Some(copies) => chosen(&copies.to_string(), Origin::Here),
            None => {
                let here = self.copies.as_ref().and_then(for_this_clone);
                here.unwrap_or_else(|| chosen("1", Origin::Default))
            }
        };
        let unlocked = match (&self.unlocked, facts.config.get(UNLOCKED)) {
            (Some(entry), _) => unlocked(&entry.value, origin(entry.source)),
            (None, Some(value)) => unlocked(value, Origin::Weaker(OF_ALL.to_owned())),
            (None, None) => chosen("false", Origin::Default),
        };
        let default = || chosen(&format!("{} MB", DISK_RESERVE / 1_000_000), Origin::Default);
        FolderSettings {
            copies,
            reserve: self.reserve.as_ref().map_or_else(default, configured),
            unlocked,
            quick_git: match self.git_monitor {
                GitMonitor::Ours => chosen("true", Origin::Here),
                GitMonitor::Theirs(name) => chosen("false", Origin::Stronger(format!("git's own settings ({name})"))),
                GitMonitor::Nobody | GitMonitor::Declined => chosen("false", Origin::Here),
            },
        }
    }
}

/// Parses a number of copies; git-annex ignores the value 0.
fn number(entry: &EffectiveSetting) -> Option<u32> {
    entry.value.trim().parse().ok().filter(|copies| *copies > 0)
}

pub(crate) fn flag(is_so: bool) -> &'static str {
    if is_so { "true" } else { "false" }
}

pub(crate) fn origin(source: Source) -> Origin {
    match source {
        Source::Repository => Origin::Here,
        Source::System | Source::User => Origin::Weaker(place(source).to_owned()),
        Source::Included | Source::WorkTree => Origin::Stronger(place(source).to_owned()),
    }
}

fn place(source: Source) -> &'static str {
    match source {
        Source::System => "git's settings for this computer (git config --system)",
        Source::User => "your settings of git (git config --global)",
        Source::Repository => ".git/config",
        Source::Included => "a file that .git/config includes",
        Source::WorkTree => "git's settings for this work tree (git config --worktree)",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn entry(value: &str, source: Source) -> Option<EffectiveSetting> {
        Some(EffectiveSetting {
            value: value.to_owned(),
            source,
        })
    }

    /// The value, and where it is written, if it is.
    pub(crate) fn words(chosen: &Chosen) -> (&str, Option<&str>) {
        let place = match &chosen.origin {
            Origin::Default => None,
            Origin::Here => Some("here"),
            Origin::Weaker(place) | Origin::Stronger(place) => Some(place.as_str()),
        };
        (&chosen.value, place)
    }

    #[test]
    fn each_setting_tells_where_it_is_written() {
        let none = Configured::default().told(&Facts::default());
        let told = [&none.copies, &none.reserve, &none.unlocked].map(words);
        assert_eq!(told, [("1", None), ("100 MB", None), ("false", None)]);

        let configured = Configured {
            copies: entry("3", Source::User),
            reserve: entry("lots", Source::Repository),
            unlocked: entry("include=*.txt", Source::Included),
            git_monitor: GitMonitor::Nobody,
        };
        let mut facts = Facts::default();
        facts.config.insert(UNLOCKED.to_owned(), "yes".to_owned());
        let told = configured.told(&facts);
        let place = "annex.numcopies in your settings of git (git config --global), for this clone only";
        assert_eq!(words(&told.copies), ("3", Some(place)));
        assert_eq!(words(&told.reserve), ("lots", Some("here")));
        assert_eq!(
            words(&told.unlocked),
            ("include=*.txt", Some("a file that .git/config includes"))
        );
        assert_eq!(configured.copies(&facts), 3);

        // The number of copies for all clones overrides that of one clone. For other settings, a clone's own value
        // wins.
        facts.numcopies = Some(2);
        assert_eq!(words(&configured.told(&facts).copies), ("2", Some("here")));
        assert_eq!(configured.copies(&facts), 2);
        let unset = Configured::default().told(&facts);
        assert_eq!(words(&unset.unlocked), ("true", Some(OF_ALL)));
    }

    #[test]
    fn an_invalid_number_of_copies_is_ignored() {
        for value in ["0", "-1", "many", ""] {
            let configured = Configured {
                copies: entry(value, Source::Repository),
                ..Configured::default()
            };
            assert_eq!(configured.copies(&Facts::default()), 1, "{value:?}");
            let told = configured.told(&Facts::default());
            assert_eq!(words(&told.copies), ("1", None), "{value:?}");
        }
    }
}
