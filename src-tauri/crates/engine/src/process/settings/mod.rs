//! The settings of the program, in a file that people may edit: reads and changes it.

mod edit;
mod read;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use contract::Settings;
use toml_edit::DocumentMut;

pub(crate) use edit::Edit;
pub(crate) use read::place;

/// The beginning of a new file: everything that can be written in it.
const HEAD: &str = "\
# The settings of Anabranch. A change takes effect as soon as you save it.
#
# folders = [\"~/Photos\"]       # the folders to sync
# autostart = true             # start with the desktop
# notifications = true         # false: only those about danger
# look = \"system\"              # of the window: system, light, dark
# [limits]                     # a second, all folders together; each folder may have its own in git's configuration
# upload = \"2 MB\"
# download = \"2 MB\"
# [pause]
# on-battery = false           # pause all folders while this computer runs on battery
# on-metered = true            # don't use places on the network while it costs money
# [[declined-drive]]           # a drive that Anabranch doesn't ask about
# id = \"6F6B-D11B\"             # the uuid of its file system
# name = \"STICK\"

";

/// The content of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// The folders to keep in sync, each once.
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) settings: Settings,
}

/// The settings file of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsFile(PathBuf);

impl SettingsFile {
    /// The file of this user: `anabranch/settings.toml` in the XDG configuration directory. None if the user has no
    /// home.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let directories = directories::BaseDirs::new()?;
        Some(Self(directories.config_dir().join("anabranch/settings.toml")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn directory(&self) -> &Path {
        above(&self.0)
    }

    /// Reads the file; a missing file means no settings.
    ///
    /// # Errors
    ///
    /// As text for the user, with the line of a mistake.
    pub(crate) fn read(&self) -> Result<Written, String> {
        let mut written =
            read::parse(&self.text()?).map_err(|why| format!("{}: {}", self.0.display(), why.trim_end()))?;
        written.settings.file = self.0.display().to_string();
        Ok(written)
    }

    /// Changes one thing in the file; everything else stays as written.
    ///
    /// # Errors
    ///
    /// As text for the user; then nothing was changed.
    pub(crate) fn change(&self, edit: &Edit) -> Result<(), String> {
        let text = self.text()?;
        read::parse(&text).map_err(|why| self.mistaken(&why))?;
        let parsed: Result<DocumentMut, _> = text.parse();
        let mut document = parsed.map_err(|why| self.mistaken(&why.to_string()))?;
        edit.make(&mut document);
        let head = if text.is_empty() { HEAD } else { "" };
        let text = format!("{head}{document}");
        read::parse(&text).map_err(|why| self.unfit(&why))?;
        self.write(&text).map_err(|why| self.unwritten(&why))
    }

    /// Checks whether the file could be changed, before doing anything else.
    ///
    /// # Errors
    ///
    /// As text for the user, like those of a change.
    pub(crate) fn takes_changes(&self) -> Result<(), String> {
        read::parse(&self.text()?).map_err(|why| self.mistaken(&why))?;
        let new = self.new_file();
        new.map(drop).map_err(|why| self.unwritten(&why))
    }

    fn mistaken(&self, why: &str) -> String {
        let file = self.0.display();
        let why = why.trim_end();
        format!("{file} has a mistake, so nothing was changed in it; correct it first: {why}")
    }

    fn unfit(&self, why: &str) -> String {
        let file = self.0.display();
        format!(
            "{file} could not be read any more with that, so nothing was changed: {}",
            why.trim_end()
        )
    }

    fn unwritten(&self, why: &std::io::Error) -> String {
        format!(
            "{} could not be written, so nothing was changed: {why}",
            self.0.display()
        )
    }

    fn text(&self) -> Result<String, String> {
        match std::fs::read_to_string(&self.0) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(format!("{} could not be read: {error}", self.0.display())),
        }
    }

    fn write(&self, text: &str) -> std::io::Result<()> {
        let mut new = self.new_file()?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        let place = self.place();
        new.persist(&place)?;
        std::fs::File::open(above(&place))?.sync_all()
    }

    /// The real path: the file may be a link to another place.
    fn place(&self) -> PathBuf {
        self.0.canonicalize().unwrap_or_else(|_| self.0.clone())
    }

    /// Creates an empty file beside it, to take its place.
    fn new_file(&self) -> std::io::Result<tempfile::NamedTempFile> {
        let place = self.place();
        let directory = above(&place);
        std::fs::create_dir_all(directory)?;
        tempfile::NamedTempFile::new_in(directory)
    }
}

fn above(place: &Path) -> &Path {
    place.parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
impl SettingsFile {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }
}

#[cfg(test)]
mod tests {
    use contract::{Look, Setting};

    use super::*;

    fn file() -> (tempfile::TempDir, SettingsFile) {
        let directory = tempfile::tempdir().unwrap();
        let file = SettingsFile::at(directory.path().join("anabranch/settings.toml"));
        (directory, file)
    }

    #[test]
    fn changes_are_read_back_and_can_be_undone() {
        let (_directory, file) = file();
        let changes = [
            Edit::Keep("/home/ann/Photos".into()),
            Edit::Keep("/home/ann/Notes".into()),
            Edit::Keep("/home/ann/Photos".into()),
            Edit::Leave("/home/ann/Notes".into()),
            Edit::Set(Setting::Autostart(true)),
            Edit::Set(Setting::Notifications(false)),
            Edit::Set(Setting::LimitUp(Some(2_000_000))),
            Edit::Set(Setting::LimitDown(Some(1_500))),
            Edit::Set(Setting::PauseOnBattery(true)),
            Edit::Set(Setting::PauseOnMetered(false)),
            Edit::Set(Setting::Look(Look::Dark)),
            Edit::Decline {
                id: "6F6B-D11B".into(),
                name: "STICK".into(),
            },
        ];
        for change in &changes {
            file.change(change).unwrap();
            let text = std::fs::read_to_string(&file.0).unwrap();
            assert!(text.starts_with(HEAD), "{change:?}: {text}");
        }
        let read = file.read().unwrap();
        assert_eq!(read.folders, [PathBuf::from("/home/ann/Photos")]);
        let expected = Settings {
            file: file.0.display().to_string(),
            autostart: Some(true),
            notifications: false,
            limit_up: Some(2_000_000),
            limit_down: Some(1_500),
            pause_on_battery: true,
            pause_on_metered: false,
            look: Look::Dark,
            declined: vec![contract::Declined {
                id: "6F6B-D11B".into(),
                name: "STICK".into(),
            }],
        };
        assert_eq!(read.settings, expected);
        file.change(&Edit::Reconsider("6F6B-D11B".into())).unwrap();
        file.change(&Edit::Set(Setting::LimitUp(None))).unwrap();
        let read = file.read().unwrap().settings;
        assert_eq!((read.declined, read.limit_up), (Vec::new(), None));
        let text = std::fs::read_to_string(&file.0).unwrap();
        assert!(
            text.starts_with("# The settings of Anabranch") && text.contains("\"1500 B\""),
            "{text}"
        );
    }

    #[test]
    fn comments_and_unknown_keys_stay() {
        let (_directory, file) = file();
        std::fs::create_dir_all(file.directory()).unwrap();
        let text =
            "# mine\nfolders = [\n  \"~/Photos\", # the good ones\n]\ncolour = \"blue\"\n\n[limits]\nnight = 3\n";
        std::fs::write(&file.0, text).unwrap();
        file.change(&Edit::Keep("/home/ann/Notes".into())).unwrap();
        file.change(&Edit::Set(Setting::LimitUp(Some(1000)))).unwrap();
        let text = std::fs::read_to_string(&file.0).unwrap();
        for kept in [
            "# mine",
            "\"~/Photos\"",
            "# the good ones",
            "colour = \"blue\"",
            "night = 3",
        ] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        assert_eq!(file.read().unwrap().folders.len(), 2);
    }

    #[test]
    fn the_comment_of_a_line_stays_when_it_is_changed() {
        let (_directory, file) = file();
        std::fs::create_dir_all(file.directory()).unwrap();
        let text = "# how it looks\nlook = \"dark\" # for the night\n[limits]\n# slow\nupload = \"2 MB\" # the line\n";
        std::fs::write(&file.0, text).unwrap();
        file.change(&Edit::Set(Setting::Look(Look::Light))).unwrap();
        file.change(&Edit::Set(Setting::LimitUp(Some(3_000_000)))).unwrap();
        let expected = text.replace("dark", "light").replace("2 MB", "3 MB");
        assert_eq!(std::fs::read_to_string(&file.0).unwrap(), expected);
    }

    #[test]
    fn settings_that_could_not_be_read_back_are_not_written() {
        let (_directory, file) = file();
        file.change(&Edit::Set(Setting::LimitUp(Some(1000)))).unwrap();
        let refused = file.change(&Edit::Set(Setting::LimitUp(Some(0)))).unwrap_err();
        assert!(refused.contains("nothing was changed"), "{refused}");
        assert_eq!(file.read().unwrap().settings.limit_up, Some(1000));
    }

    #[test]
    fn drives_are_declined_and_reconsidered_in_either_notation() {
        let (_directory, file) = file();
        std::fs::create_dir_all(file.directory()).unwrap();
        let decline = Edit::Decline {
            id: "b".into(),
            name: "B".into(),
        };
        let ids = || {
            let declined = file.read().unwrap().settings.declined;
            declined.into_iter().map(|drive| drive.id).collect::<Vec<_>>()
        };
        for text in [
            "declined-drive = [{ id = \"a\", name = \"A\" }]\n",
            "[[declined-drive]]\nid = \"a\"\nname = \"A\"\n",
        ] {
            std::fs::write(&file.0, text).unwrap();
            file.change(&decline).unwrap();
            assert_eq!(ids(), ["a", "b"], "{text}");
            file.change(&Edit::Reconsider("a".into())).unwrap();
            assert_eq!(ids(), ["b"], "{text}");
        }
    }

    #[test]
    fn a_mistake_is_reported_with_its_line_and_not_overwritten() {
        let (_directory, file) = file();
        std::fs::create_dir_all(file.directory()).unwrap();
        for (text, part) in [
            ("folders = [\"~/a\"]\nlook = \"pink\"\n", "line 2"),
            ("\n[limits]\nupload = \"fast\"\n", "line 3"),
            ("folders = [\"Photos\"]\n", "line 1"),
            ("notifications = 3\n", "line 1"),
            ("folders = [\n", "line 1"),
        ] {
            std::fs::write(&file.0, text).unwrap();
            let told = file.read().unwrap_err();
            assert!(
                told.contains(part) && told.contains("settings.toml"),
                "{text:?}: {told}"
            );
        }
        let refused = file.change(&Edit::Keep("/b".into())).unwrap_err();
        assert!(refused.contains("correct it first"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file.0).unwrap(), "folders = [\n");
    }
}
