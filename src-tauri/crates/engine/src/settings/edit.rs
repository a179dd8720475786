//! Changes of the file.

use std::path::{Path, PathBuf};

use contract::{Look, Setting};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::read::place;

/// One change of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// A folder more.
    Keep(PathBuf),
    /// A folder less.
    Leave(PathBuf),
    /// A drive that is not to be asked about.
    Decline {
        id: String,
        name: String,
    },
    /// A drive that may be asked about again.
    Reconsider(String),
    Set(Setting),
}

impl Edit {
    /// Makes the change in a file that has been read without a mistake.
    pub(super) fn make(&self, document: &mut DocumentMut) {
        match self {
            Self::Keep(folder) => keep(document, folder),
            Self::Leave(folder) => {
                if let Some(folders) = document.get_mut("folders").and_then(Item::as_array_mut) {
                    folders.retain(|one| one.as_str().and_then(place).as_deref() != Some(folder));
                }
            }
            Self::Decline { id, name } => {
                let mut drive = Table::new();
                drive.insert("id", value(id));
                drive.insert("name", value(name));
                let drives = document.entry("declined-drive");
                let drives = drives.or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
                if let Some(drives) = drives.as_array_of_tables_mut() {
                    drives.push(drive);
                }
            }
            Self::Reconsider(id) => {
                if let Some(drives) = document
                    .get_mut("declined-drive")
                    .and_then(Item::as_array_of_tables_mut)
                {
                    drives.retain(|drive| drive.get("id").and_then(Item::as_str) != Some(id));
                }
            }
            Self::Set(setting) => set(document, setting),
        }
    }
}

fn keep(document: &mut DocumentMut, folder: &Path) {
    let folders = document.entry("folders").or_insert(value(toml_edit::Array::new()));
    let Some(folders) = folders.as_array_mut() else {
        return;
    };
    let is_there = folders
        .iter()
        .any(|one| one.as_str().and_then(place).as_deref() == Some(folder));
    if !is_there {
        folders.push(folder.to_string_lossy().into_owned());
    }
}

fn set(document: &mut DocumentMut, setting: &Setting) {
    match *setting {
        Setting::Autostart(on) => document["autostart"] = value(on),
        Setting::Notifications(on) => document["notifications"] = value(on),
        Setting::LimitUp(limit) => put(document, "limits", "upload", limit.map(|limit| value(speed(limit)))),
        Setting::LimitDown(limit) => put(document, "limits", "download", limit.map(|limit| value(speed(limit)))),
        Setting::PauseOnBattery(on) => put(document, "pause", "on-battery", Some(value(on))),
        Setting::PauseOnMetered(on) => put(document, "pause", "on-metered", Some(value(on))),
        Setting::Look(look) => {
            document["look"] = value(match look {
                Look::System => "system",
                Look::Light => "light",
                Look::Dark => "dark",
            });
        }
    }
}

/// Writes a key of a table, or takes it away.
fn put(document: &mut DocumentMut, table: &str, key: &str, new: Option<Item>) {
    let table = document.entry(table).or_insert(Item::Table(Table::new()));
    let Some(table) = table.as_table_like_mut() else {
        return;
    };
    match new {
        Some(new) => drop(table.insert(key, new)),
        None => drop(table.remove(key)),
    }
}

/// Bytes a second, in the largest unit that says them exactly.
fn speed(bytes: u64) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1_000_000) => format!("{} MB", bytes / 1_000_000),
        _ if bytes.is_multiple_of(10_000) => format!("{} kB", bytes / 1000),
        _ => format!("{bytes} B"),
    }
}
