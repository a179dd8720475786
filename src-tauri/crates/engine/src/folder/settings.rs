//! Changes one folder's settings of git and git-annex.

use annex::VectorClock;
use annex::settings;
use assistant::Event;
use contract::{FolderSetting, Origin};
use model::expression::parse_size;

use crate::Error;
use crate::repository::command_line_program;
use crate::rules::configured::{RESERVE, UNLOCKED, flag, origin};
use crate::work::FolderState;

/// Sets one of the settings, effective at once.
pub(crate) fn set(state: &FolderState, setting: &FolderSetting) -> Result<Vec<Event>, Error> {
    if !state.is_there() {
        return Err(Error::Refused(
            "this folder is missing, or another is in its place; nothing was changed".to_owned(),
        ));
    }
    match setting {
        FolderSetting::Copies(copies) => return set_copies(state, *copies),
        FolderSetting::Reserve(reserve) => {
            let reserve = reserve.as_deref().map(str::trim);
            if let Some(text) = reserve.filter(|text| !is_size(text)) {
                return Err(Error::Refused(format!(
                    "{text:?} is not a size such as 500 MB or 2.5 GB; nothing was changed"
                )));
            }
            write(state, RESERVE, reserve)?;
        }
        FolderSetting::Unlocked(unlocked) => write(state, UNLOCKED, unlocked.map(flag))?,
        FolderSetting::QuickGit(true) => settings::set_git_monitor(state.annex(), &command_line_program()?)?,
        FolderSetting::QuickGit(false) => settings::remove_git_monitor(state.annex(), true)?,
    }
    Ok(state.configuration_changed().into())
}

/// Sets the number of copies on the git-annex branch, as 'git annex numcopies' does.
fn set_copies(state: &FolderState, copies: u32) -> Result<Vec<Event>, Error> {
    if copies == 0 {
        return Err(Error::Refused(
            "each file needs at least one copy; nothing was changed".to_owned(),
        ));
    }
    let branch = state.annex().branch();
    branch.record_number("numcopies.log", copies, VectorClock::now())?;
    // Read the facts again, so that the status shows the new number at once.
    state.facts()?;
    Ok(vec![Event::RefsMoved(state.refs())])
}

/// Writes a setting in `.git/config`. Refused if a setting elsewhere overrides it.
fn write(state: &FolderState, name: &str, value: Option<&str>) -> Result<(), Error> {
    if let Some(entry) = settings::entry(state.annex(), name)?
        && let Origin::Stronger(place) = origin(entry.source)
    {
        return Err(Error::Refused(format!(
            "{name} is set in {place}, which holds before .git/config; nothing was changed. Change it there"
        )));
    }
    Ok(settings::set(state.annex(), name, value)?)
}

/// True if the whole text is a size. git-annex ignores the rest after a size, so that it would read 1,5 GB as one byte.
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
    use annex::Annex;
    use contract::FolderSettings;

    use super::*;
    use crate::rules::configured::tests::words;
    use crate::views::lists::tests::{Scene, scene, some};

    #[test]
    fn only_text_that_is_a_size_as_a_whole_is_accepted() {
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
        let facts = scene.state.facts().unwrap();
        scene.state.configured().told(&facts)
    }

    fn refusal(scene: &Scene, setting: &FolderSetting) -> String {
        set(&scene.state, setting).unwrap_err().to_string()
    }

    #[test]
    fn settings_take_effect_at_once_and_invalid_ones_are_refused() {
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

        let moved = set(&scene.state, &FolderSetting::Copies(2)).unwrap();
        assert!(matches!(moved[..], [Event::RefsMoved(_)]));
        let known = scene.state.known_facts().unwrap();
        assert_eq!(known.numcopies, Some(2), "a status that is made right now says so");
        set(&scene.state, &FolderSetting::Reserve(text(" 5 GB "))).unwrap();
        set(&scene.state, &FolderSetting::Unlocked(Some(false))).unwrap();
        let after = told(&scene);
        assert_eq!(words(&after.copies), ("2", Some("here")));
        assert_eq!(words(&after.reserve), ("5 GB", Some("here")));
        assert_eq!(words(&after.unlocked), ("false", Some("here")));
        let read = scene.state.settings().unwrap();
        assert_eq!(read.diskreserve, 5_000_000_000);
        assert!(scene.state.take_retry_all(), "what did not fit is tried again");

        set(&scene.state, &FolderSetting::Reserve(None)).unwrap();
        set(&scene.state, &FolderSetting::Unlocked(None)).unwrap();
        assert_eq!(told(&scene).reserve, before.reserve);
        assert_eq!(words(&told(&scene).unlocked), ("false", None));

        let git_dir = scene.state.annex().git_dir();
        std::fs::write(git_dir.join("more"), "[annex]\n\tdiskreserve = 9\n").unwrap();
        let config = std::fs::read_to_string(git_dir.join("config")).unwrap();
        std::fs::write(git_dir.join("config"), config + "[include]\n\tpath = more\n").unwrap();
        let refusal = refusal(&scene, &FolderSetting::Reserve(text("1 GB")));
        assert!(refusal.contains("a file that .git/config includes"), "{refusal}");
    }

    #[test]
    fn another_repository_at_the_same_path_is_not_changed() {
        let scene = scene();
        let top = scene.state.annex().work_tree().unwrap().to_owned();
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
