//! Commands on keys that older clients use.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use annex::removal::Removal;
use model::Key;

use crate::access::Access;
use crate::command::Command;
use crate::directory::open;
use crate::error::{Error, Result};

/// Exits with 0 if the content of all keys is here, otherwise with 1.
pub(crate) fn inannex(place: &Path, command: &Command) -> Result<u8> {
    let annex = open(place, command)?;
    let store = annex.store();
    for key in keys(command)? {
        if !store.has(&key)? {
            return Ok(1);
        }
    }
    Ok(0)
}

/// Removes the content of keys. The client knows that there are enough other copies, and says so by `--force`.
pub(crate) fn dropkey(access: &Access, place: &Path, command: &Command) -> Result<u8> {
    access.may_remove()?;
    if !command.is_forced {
        return Err(Error::Refused(
            "dropkey needs --force, as content may be lost by it".to_owned(),
        ));
    }
    let annex = open(place, command)?;
    for key in keys(command)? {
        if annex.remove_content(&key, &|| true)? == Removal::Locked {
            return Err(Error::Refused(format!("somebody relies on the content of {key}")));
        }
    }
    annex.branch().fold_if_any()?;
    Ok(0)
}

fn keys(command: &Command) -> Result<Vec<Key>> {
    command.parameters.iter().map(|word| key(word)).collect()
}

fn key(word: &OsStr) -> Result<Key> {
    Key::parse(word.as_bytes()).map_err(|why| Error::Refused(format!("{word:?} is not a key: {why}")))
}
