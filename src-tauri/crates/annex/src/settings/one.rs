//! One setting of git's configuration by itself: what it is, where that is written, and writing it again.

use std::fs::{self, File};
use std::path::Path;

use git2::{Config, ConfigLevel, ErrorCode};

use super::snapshot;
use crate::{Annex, Error, Result};

/// A setting that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// As it is written; `true` where a name stands alone.
    pub value: String,
    /// Where it is written.
    pub source: Source,
}

/// Where git's configuration says something, the stronger after the weaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// For all users of this computer (`git config --system`).
    System,
    /// For all repositories of the user (`git config --global`).
    User,
    /// `.git/config` itself.
    Repository,
    /// A file that `.git/config` includes, and that says it after all else in there.
    Included,
    /// For one work tree alone (`git config --worktree`).
    WorkTree,
}

/// Reads a setting; none if nobody has set it. As elsewhere, an empty value sets nothing.
pub fn entry(annex: &Annex, name: &str) -> Result<Option<EffectiveSetting>> {
    read(&snapshot(annex)?, name)
}

/// Reads a setting of the user or of this computer, apart from any repository.
pub fn entry_of_user(name: &str) -> Result<Option<EffectiveSetting>> {
    let config = Config::open_default().and_then(|mut config| config.snapshot());
    read(&config.map_err(Error::git("read the configuration of the user"))?, name)
}

/// Reads several settings at once, each like [`entry`].
pub fn entries<const N: usize>(annex: &Annex, names: [&str; N]) -> Result<[Option<EffectiveSetting>; N]> {
    let config = snapshot(annex)?;
    let mut found = [const { None }; N];
    for (found, name) in found.iter_mut().zip(names) {
        *found = read(&config, name)?;
    }
    Ok(found)
}

fn read(config: &Config, name: &str) -> Result<Option<EffectiveSetting>> {
    let entry = match config.get_entry(name) {
        Ok(entry) => entry,
        Err(problem) if problem.code() == ErrorCode::NotFound => return Ok(None),
        Err(problem) => return Err(Error::git(format!("read {name}"))(problem)),
    };
    let value = match entry.has_value() {
        true => String::from_utf8_lossy(entry.value_bytes()).into_owned(),
        false => "true".to_owned(),
    };
    let source = match entry.level() {
        ConfigLevel::ProgramData | ConfigLevel::System => Source::System,
        ConfigLevel::XDG | ConfigLevel::Global => Source::User,
        ConfigLevel::Local if entry.include_depth() > 0 => Source::Included,
        ConfigLevel::Local => Source::Repository,
        ConfigLevel::Worktree | ConfigLevel::App | ConfigLevel::Highest => Source::WorkTree,
    };
    Ok((!value.is_empty()).then_some(EffectiveSetting { value, source }))
}

/// What git makes of a value that says yes or no; none if it is no such value.
#[must_use]
pub fn as_flag(value: &str) -> Option<bool> {
    Config::parse_bool(value).ok()
}

/// Writes a setting in `.git/config`, or takes it away there. All else in the file stays, and it stays a link if it is one.
pub fn set(annex: &Annex, name: &str, value: Option<&str>) -> Result<()> {
    let doing = || Error::git(format!("write {name} to the configuration"));
    if stands_without_value(&local(annex)?, name).map_err(doing())? {
        // git reads it as yes. libgit2 ends the whole process when it compares what such a line does not have.
        return Err(Error::Refused(format!(
            "{name} stands in .git/config without a value; nothing was changed. Write '= true' behind it and try again"
        )));
    }
    edit(annex, doing, |config| match value {
        // One that stands there several times becomes the same everywhere.
        Some(value) => config.set_multivar(name, ".*", value),
        None => match config.remove_multivar(name, ".*") {
            Err(problem) if problem.code() == ErrorCode::NotFound => Ok(()),
            removed => removed,
        },
    })
}

fn local(annex: &Annex) -> Result<Config> {
    // It shares what it has read with its handle, which nobody may use meanwhile.
    let config = annex.git_alone()?.config();
    let local = config.and_then(|config| config.open_level(ConfigLevel::Local));
    local.map_err(Error::git("open the configuration"))
}

fn stands_without_value(config: &Config, name: &str) -> std::result::Result<bool, git2::Error> {
    let mut entries = config.multivar(name, None)?;
    while let Some(entry) = entries.next() {
        if !entry?.has_value() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Changes `.git/config`; on disk when this returns.
pub(super) fn edit<Doing: FnOnce(git2::Error) -> Error>(
    annex: &Annex,
    doing: impl Fn() -> Doing,
    change: impl FnOnce(&mut Config) -> std::result::Result<(), git2::Error>,
) -> Result<()> {
    let mut config = local(annex)?;
    let path = annex.git_dir().join("config");
    let before = fs::metadata(&path).map_err(Error::io("examine", &path))?;
    change(&mut config).map_err(doing())?;
    let permissions = before.permissions();
    let examined = fs::metadata(&path).map_err(Error::io("examine", &path))?;
    if examined.permissions() != permissions {
        // libgit2 makes a new file, which more people might read than the old one.
        fs::set_permissions(&path, permissions).map_err(Error::io("set the permissions of", &path))?;
    }
    let real = path.canonicalize().map_err(Error::io("find", &path))?;
    File::open(&real)
        .and_then(|file| file.sync_all())
        .and_then(|()| File::open(real.parent().unwrap_or(Path::new("/")))?.sync_all())
        .map_err(Error::io("write to disk", &real))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{EffectiveSetting, Source, entry, set};
    use crate::scratch_repository::Scratch;

    const NAME: &str = "annex.diskreserve";

    #[test]
    fn a_setting_is_written_into_the_file_and_nothing_else_there_changes() {
        let scratch = Scratch::new();
        let config = scratch.path(".git/config");
        // Kept elsewhere, for its owner alone, as some people do.
        let kept = scratch.folder.path().join("kept");
        let text = fs::read_to_string(&config).unwrap();
        let text = format!("# mine\n{text}[alias]\n\tst = status ; short\n");
        fs::write(&kept, &text).unwrap();
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(&config).unwrap();
        std::os::unix::fs::symlink(&kept, &config).unwrap();

        set(&scratch.annex, NAME, Some("5 GB")).unwrap();
        let found = entry(&scratch.annex, NAME).unwrap();
        let wanted = |value: &str, source| {
            Some(EffectiveSetting {
                value: value.to_owned(),
                source,
            })
        };
        assert_eq!(found, wanted("5 GB", Source::Repository));
        assert_eq!(scratch.git(&["config", "--get-all", NAME]), "5 GB\n");
        assert!(config.is_symlink());
        assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let written = fs::read_to_string(&kept).unwrap();
        assert_eq!(written.replace("diskreserve = 5 GB", "diskreserve = 0"), text);

        scratch.git(&["config", "--add", NAME, "7"]);
        set(&scratch.annex, NAME, Some("8")).unwrap();
        assert_eq!(entry(&scratch.annex, NAME).unwrap(), wanted("8", Source::Repository));
        for _ in 0..2 {
            set(&scratch.annex, NAME, None).unwrap();
            assert_eq!(entry(&scratch.annex, NAME).unwrap(), None);
        }
        // In a file that is included, and without a value.
        let more = scratch.folder.path().join("more");
        fs::write(&more, "[annex]\n\tdiskreserve = 9\n\taddunlocked\n").unwrap();
        scratch.git(&["config", "include.path", more.to_str().unwrap()]);
        assert_eq!(entry(&scratch.annex, NAME).unwrap(), wanted("9", Source::Included));
        let alone = entry(&scratch.annex, "annex.addunlocked").unwrap();
        assert_eq!(alone, wanted("true", Source::Included));
    }

    #[test]
    fn what_stands_without_a_value_is_not_written_over() {
        let scratch = Scratch::new();
        let config = scratch.path(".git/config");
        let text = fs::read_to_string(&config).unwrap() + "[annex]\n\tdiskreserve\n";
        fs::write(&config, &text).unwrap();
        for value in [Some("5 GB"), None] {
            let refused = set(&scratch.annex, NAME, value).unwrap_err().to_string();
            assert!(refused.contains("without a value"), "{refused}");
        }
        assert_eq!(fs::read_to_string(&config).unwrap(), text);
    }
}
