//! Reads and validates the file.

use std::path::PathBuf;

use contract::{Declined, Look, Settings};
use model::expression::parse_size;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Written;
use crate::words::mistake;

/// The content of the file. Other tables and keys in it are ignored.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct File {
    folders: Vec<AbsolutePath>,
    autostart: Option<bool>,
    notifications: Option<bool>,
    look: Look,
    limits: Limits,
    pause: Pause,
    declined_drive: Vec<Declined>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Limits {
    upload: Option<Speed>,
    download: Option<Speed>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct Pause {
    on_battery: Option<bool>,
    on_metered: Option<bool>,
}

/// An absolute path.
struct AbsolutePath(PathBuf);

/// A number of bytes per second.
struct Speed(u64);

pub(super) fn parse(text: &str) -> Result<Written, String> {
    let file: File = toml::from_str(text).map_err(|error| mistake(text, &error))?;
    let unwritten = Settings::default();
    let settings = Settings {
        autostart: file.autostart,
        notifications: file.notifications.unwrap_or(unwritten.notifications),
        limit_up: file.limits.upload.map(|speed| speed.0),
        limit_down: file.limits.download.map(|speed| speed.0),
        pause_on_battery: file.pause.on_battery.unwrap_or(unwritten.pause_on_battery),
        pause_on_metered: file.pause.on_metered.unwrap_or(unwritten.pause_on_metered),
        look: file.look,
        declined: file.declined_drive,
        ..unwritten
    };
    let mut folders = Vec::new();
    for AbsolutePath(folder) in file.folders {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    Ok(Written { folders, settings })
}

/// Parses a path written by a person: absolute, or below their home.
pub(crate) fn place(written: &str) -> Option<PathBuf> {
    let path = match written.strip_prefix("~/") {
        Some(below) => directories::BaseDirs::new()?.home_dir().join(below),
        None => PathBuf::from(written),
    };
    // This removes a trailing slash and the like.
    path.is_absolute().then(|| path.components().collect())
}

impl<'de> Deserialize<'de> for AbsolutePath {
    fn deserialize<D: Deserializer<'de>>(written: D) -> Result<Self, D::Error> {
        let written = String::deserialize(written)?;
        let place = place(&written).map(Self);
        place.ok_or_else(|| D::Error::custom(format!("{written:?} is no path that begins with / or ~/")))
    }
}

impl<'de> Deserialize<'de> for Speed {
    fn deserialize<D: Deserializer<'de>>(written: D) -> Result<Self, D::Error> {
        let written = String::deserialize(written)?;
        let speed = parse_size(&written).filter(|speed| *speed > 0).map(Self);
        speed.ok_or_else(|| D::Error::custom(format!("{written:?} is no speed such as \"2 MB\"")))
    }
}
