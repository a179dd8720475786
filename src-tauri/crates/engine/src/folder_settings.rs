//! What git and git-annex are told of one folder: copies, space, and how files are added. Anybody may change it at any time.

use annex::settings::{self, DISK_RESERVE, Entry, Source};
use annex::{Annex, Facts, VectorClock};
use assistant::Event;
use contract::{Chosen, FolderSetting, FolderSettings, Origin};
use model::expression::parse_size;

use crate::Error;
use crate::work::Workshop;

const COPIES: &str = "annex.numcopies";
const RESERVE: &str = "annex.diskreserve";
const UNLOCKED: &str = "annex.addunlocked";

const OF_ALL: &str = "what 'git annex config' says for all clones";

/// What git's configuration says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Configured {
    /// Old-fashioned, but where the git-annex branch says nothing git-annex goes by it when it checks and drops (not in
    /// expressions such as `lackingcopies=1`).
    copies: Option<Entry>,
    pub(crate) reserve: Option<Entry>,
    unlocked: Option<Entry>,
}

impl Configured {
    pub(crate) fn read(annex: &Annex) -> Result<Self, annex::Error> {
        let [copies, reserve, unlocked] = settings::entries(annex, [COPIES, RESERVE, UNLOCKED])?;
        Ok(Self {
            copies,
            reserve,
            unlocked,
        })
    }

    /// The copies that are to be kept of each file.
    pub(crate) fn copies(&self, facts: &Facts) -> u32 {
        let here = || self.copies.as_ref().and_then(number);
        facts.numcopies.or_else(here).unwrap_or(1)
    }

    /// All of it, for people.
    pub(crate) fn told(&self, facts: &Facts) -> FolderSettings {
        let chosen = |value: &str, origin| Chosen {
            value: value.to_owned(),
            origin,
        };
        let configured = |entry: &Entry| chosen(&entry.value, origin(entry.source));
        let unlocked = |value: &str, origin| match settings::as_flag(value) {
            Some(is_so) => chosen(flag(is_so), origin),
            None => chosen(value, origin),
        };
        let for_this_clone = |entry: &Entry| {
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
        }
    }
}

/// git-annex takes no copies at all for no setting.
fn number(entry: &Entry) -> Option<u32> {
    entry.value.trim().parse().ok().filter(|copies| *copies > 0)
}

fn flag(is_so: bool) -> &'static str {
    if is_so { "true" } else { "false" }
}

fn origin(source: Source) -> Origin {
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

/// Sets one of them, in force at once.
pub(crate) fn set(workshop: &Workshop, setting: &FolderSetting) -> Result<Vec<Event>, Error> {
    if !workshop.is_there() {
        return Err(Error::Refused(
            "this folder is not there now, or another is in its place; nothing was changed".to_owned(),
        ));
    }
    match setting {
        FolderSetting::Copies(copies) => return set_copies(workshop, *copies),
        FolderSetting::Reserve(reserve) => {
            let reserve = reserve.as_deref().map(str::trim);
            if let Some(text) = reserve.filter(|text| !is_size(text)) {
                return Err(Error::Refused(format!(
                    "{text:?} is not a size such as 500 MB or 2.5 GB; nothing was changed"
                )));
            }
            write(workshop, RESERVE, reserve)?;
        }
        FolderSetting::Unlocked(unlocked) => write(workshop, UNLOCKED, unlocked.map(flag))?,
    }
    Ok(workshop.configuration_changed().into())
}

/// On the git-annex branch, as 'git annex numcopies' does.
fn set_copies(workshop: &Workshop, copies: u32) -> Result<Vec<Event>, Error> {
    if copies == 0 {
        return Err(Error::Refused(
            "at least one copy of each file is to be kept; nothing was changed".to_owned(),
        ));
    }
    let branch = workshop.annex().branch();
    branch.record_number("numcopies.log", copies, VectorClock::now())?;
    // What is told of the folder from now on says so.
    workshop.facts()?;
    Ok(vec![Event::RefsMoved(workshop.refs())])
}

/// Writes a setting in `.git/config`, unless that would change nothing because of what is written elsewhere.
fn write(workshop: &Workshop, name: &str, value: Option<&str>) -> Result<(), Error> {
    if let Some(entry) = settings::entry(workshop.annex(), name)?
        && let Origin::Stronger(place) = origin(entry.source)
    {
        return Err(Error::Refused(format!(
            "{name} is set in {place}, which holds before .git/config; nothing was changed. Change it there"
        )));
    }
    Ok(settings::set(workshop.annex(), name, value)?)
}

/// git-annex leaves out what it does not understand after a size, so that 1,5 GB is one byte: that is not what was meant.
fn is_size(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let (whole, fraction) = match text[..text.len() - unit.len()].split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (&text[..text.len() - unit.len()], None),
    };
    let is_number = digits(whole) && fraction.is_none_or(digits);
    let is_unit = unit.trim_start().bytes().all(|byte| byte.is_ascii_alphabetic());
    is_number && is_unit && parse_size(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::tests::{Scene, scene, some};

    fn entry(value: &str, source: Source) -> Option<Entry> {
        Some(Entry {
            value: value.to_owned(),
            source,
        })
    }

    fn words(chosen: &Chosen) -> (&str, Option<&str>) {
        let place = match &chosen.origin {
            Origin::Default => None,
            Origin::Here => Some("here"),
            Origin::Weaker(place) | Origin::Stronger(place) => Some(place.as_str()),
        };
        (&chosen.value, place)
    }

    #[test]
    fn each_setting_is_told_with_where_it_is_written() {
        let none = Configured::default().told(&Facts::default());
        let told = [&none.copies, &none.reserve, &none.unlocked].map(words);
        assert_eq!(told, [("1", None), ("100 MB", None), ("false", None)]);

        let configured = Configured {
            copies: entry("3", Source::User),
            reserve: entry("lots", Source::Repository),
            unlocked: entry("include=*.txt", Source::Included),
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

        // What all clones agree on goes before what one of them says of copies, and after it elsewhere.
        facts.numcopies = Some(2);
        assert_eq!(words(&configured.told(&facts).copies), ("2", Some("here")));
        assert_eq!(configured.copies(&facts), 2);
        let unset = Configured::default().told(&facts);
        assert_eq!(words(&unset.unlocked), ("true", Some(OF_ALL)));
    }

    #[test]
    fn a_number_of_copies_that_is_none_is_not_heeded() {
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

    #[test]
    fn only_what_is_a_size_as_a_whole_is_one() {
        for good in ["0", "1000", "5 GB", "2.5gib", "1 m", "10 gigabytes"] {
            assert!(is_size(good), "{good:?}");
        }
        for bad in [
            "",
            "GB",
            "1,5 GB",
            "1,000",
            "8mb/s",
            "5 GB!",
            "1.5.5 kb",
            "1.",
            ".5 GB",
            "-1 GB",
            "5 parsecs",
            "3e2 kb",
            "٣ GB",
        ] {
            assert!(!is_size(bad), "{bad:?}");
        }
    }

    fn told(scene: &Scene) -> FolderSettings {
        let facts = scene.workshop.facts().unwrap();
        scene.workshop.configured().told(&facts)
    }

    fn refusal(scene: &Scene, setting: &FolderSetting) -> String {
        set(&scene.workshop, setting).unwrap_err().to_string()
    }

    #[test]
    fn what_is_set_is_in_force_and_what_cannot_be_is_refused() {
        let scene = scene();
        scene.observe(some());
        let text = |text: &str| Some(text.to_owned());
        let before = told(&scene);
        assert_eq!(
            words(&before.unlocked),
            ("true", Some("here")),
            "a new repository says so"
        );

        for (bad, said) in [
            (FolderSetting::Copies(0), "at least one copy"),
            (FolderSetting::Reserve(text("1,5 GB")), "not a size"),
        ] {
            let refusal = refusal(&scene, &bad);
            assert!(refusal.contains(said), "{refusal}");
        }
        assert_eq!(told(&scene), before);

        let moved = set(&scene.workshop, &FolderSetting::Copies(2)).unwrap();
        assert!(matches!(moved[..], [Event::RefsMoved(_)]));
        let known = scene.workshop.known_facts().unwrap();
        assert_eq!(known.numcopies, Some(2), "a status that is made right now says so");
        set(&scene.workshop, &FolderSetting::Reserve(text(" 5 GB "))).unwrap();
        set(&scene.workshop, &FolderSetting::Unlocked(Some(false))).unwrap();
        let after = told(&scene);
        assert_eq!(words(&after.copies), ("2", Some("here")));
        assert_eq!(words(&after.reserve), ("5 GB", Some("here")));
        assert_eq!(words(&after.unlocked), ("false", Some("here")));
        let read = scene.workshop.settings().unwrap();
        assert_eq!(read.diskreserve, 5_000_000_000);
        assert!(scene.workshop.take_retry_all(), "what did not fit is tried again");

        set(&scene.workshop, &FolderSetting::Reserve(None)).unwrap();
        set(&scene.workshop, &FolderSetting::Unlocked(None)).unwrap();
        assert_eq!(told(&scene).reserve, before.reserve);
        assert_eq!(words(&told(&scene).unlocked), ("false", None));

        let git_dir = scene.workshop.annex().git_dir();
        std::fs::write(git_dir.join("more"), "[annex]\n\tdiskreserve = 9\n").unwrap();
        let config = std::fs::read_to_string(git_dir.join("config")).unwrap();
        std::fs::write(git_dir.join("config"), config + "[include]\n\tpath = more\n").unwrap();
        let refusal = refusal(&scene, &FolderSetting::Reserve(text("1 GB")));
        assert!(refusal.contains("a file that .git/config includes"), "{refusal}");
    }

    #[test]
    fn what_stands_where_the_folder_was_is_told_nothing() {
        let scene = scene();
        let top = scene.workshop.annex().work_tree().unwrap().to_owned();
        std::fs::rename(&top, top.with_extension("moved")).unwrap();
        annex::init::init(&top, Some("other"), 1_700_000_000).unwrap();
        for setting in [
            FolderSetting::Copies(2),
            FolderSetting::Reserve(Some("5 GB".to_owned())),
        ] {
            let refusal = refusal(&scene, &setting);
            assert!(refusal.contains("another is in its place"), "{refusal}");
        }
        let other = Annex::open(&top).unwrap();
        assert_eq!(other.branch().facts().unwrap().numcopies, None);
        assert_eq!(settings::entry(&other, RESERVE).unwrap(), None);
    }
}
