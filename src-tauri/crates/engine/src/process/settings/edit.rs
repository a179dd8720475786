//! Changes of the file.

use std::path::{Path, PathBuf};

use contract::{Look, Setting};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

use super::read::place;

/// One change of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Adds a folder.
    Keep(PathBuf),
    /// Removes a folder.
    Leave(PathBuf),
    /// Never asks about a drive again.
    Decline {
        id: String,
        name: String,
    },
    /// Allows asking about a declined drive again.
    Reconsider(String),
    Set(Setting),
}

impl Edit {
    /// Makes the change in a file that was read without a mistake.
    pub(super) fn make(&self, document: &mut DocumentMut) {
        match self {
            Self::Keep(folder) => keep(document, folder),
            Self::Leave(folder) => {
                if let Some(folders) = document.get_mut("folders").and_then(Item::as_array_mut) {
                    folders.retain(|one| one.as_str().and_then(place).as_deref() != Some(folder));
                }
            }
            Self::Decline { id, name } => {
                let drives = document.entry("declined-drive");
                match drives.or_insert(Item::ArrayOfTables(ArrayOfTables::new())) {
                    Item::ArrayOfTables(drives) => drives.push(drive::<Table>(id, name)),
                    Item::Value(Value::Array(drives)) => drives.push(drive::<InlineTable>(id, name)),
                    Item::Value(_) | Item::Table(_) | Item::None => {}
                }
            }
            Self::Reconsider(id) => {
                let is_other = |drive: &dyn TableLike| drive.get("id").and_then(Item::as_str) != Some(id);
                match document.get_mut("declined-drive") {
                    Some(Item::ArrayOfTables(drives)) => drives.retain(|drive| is_other(drive)),
                    Some(Item::Value(Value::Array(drives))) => {
                        drives.retain(|drive| drive.as_inline_table().is_none_or(|drive| is_other(drive)));
                    }
                    Some(Item::Value(_) | Item::Table(_) | Item::None) | None => {}
                }
            }
            Self::Set(setting) => set(document, setting),
        }
    }
}

fn drive<T: TableLike + Default>(id: &str, name: &str) -> T {
    let mut drive = T::default();
    drive.insert("id", value(id));
    drive.insert("name", value(name));
    drive
}

fn keep(document: &mut DocumentMut, folder: &Path) {
    let folders = document.entry("folders").or_insert(value(Array::new()));
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
        Setting::Autostart(on) => put(document.as_table_mut(), "autostart", on),
        Setting::Notifications(on) => put(document.as_table_mut(), "notifications", on),
        Setting::LimitUp(limit) => put_in(document, "limits", "upload", limit.map(speed)),
        Setting::LimitDown(limit) => put_in(document, "limits", "download", limit.map(speed)),
        Setting::PauseOnBattery(on) => put_in(document, "pause", "on-battery", Some(on)),
        Setting::PauseOnMetered(on) => put_in(document, "pause", "on-metered", Some(on)),
        Setting::Look(look) => {
            let look = match look {
                Look::System => "system",
                Look::Light => "light",
                Look::Dark => "dark",
            };
            put(document.as_table_mut(), "look", look);
        }
    }
}

/// Writes a key in a table of the file, or removes it.
fn put_in(document: &mut DocumentMut, table: &str, key: &str, new: Option<impl Into<Value>>) {
    let table = document.entry(table).or_insert(Item::Table(Table::new()));
    let Some(table) = table.as_table_like_mut() else {
        return;
    };
    match new {
        Some(new) => put(table, key, new),
        None => drop(table.remove(key)),
    }
}

/// Writes a key; comments about it stay.
fn put(table: &mut dyn TableLike, key: &str, new: impl Into<Value>) {
    let mut new = new.into();
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        Some(_) | None => drop(table.insert(key, Item::Value(new))),
    }
}

/// A number of bytes per second, in the largest unit that expresses it exactly.
fn speed(bytes: u64) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1_000_000) => format!("{} MB", bytes / 1_000_000),
        _ if bytes.is_multiple_of(10_000) => format!("{} kB", bytes / 1000),
        _ => format!("{bytes} B"),
    }
}
