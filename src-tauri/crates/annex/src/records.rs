//! Notes single facts on the git-annex branch: through its journal, which git-annex commits like its own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use bstr::ByteSlice;
use model::{Key, Uuid};

use crate::locks::LockFile;
use crate::{Annex, Error, Result, hash_directory};

/// Notes the description of a repository, unless that is what is noted already.
pub(crate) fn describe(annex: &Annex, uuid: &Uuid, description: &str, now: u64) -> Result<()> {
    change(annex, b"uuid.log", |log| {
        let prefix = format!("{uuid} ");
        let (ours, others): (Vec<_>, Vec<_>) = log.lines().partition(|line| line.starts_with(prefix.as_bytes()));
        let split = |line: &'_ &[u8]| -> Option<(Vec<u8>, u64)> {
            let (value, time) = line.get(prefix.len()..)?.rsplit_once_str(" timestamp=")?;
            Some((value.to_vec(), seconds(time)?))
        };
        let newest = ours.iter().filter_map(split).max_by_key(|(_, time)| *time);
        if newest
            .as_ref()
            .is_some_and(|(value, _)| value == description.as_bytes())
        {
            return None;
        }
        let time = now.max(newest.map_or(0, |(_, time)| time.saturating_add(1)));
        Some(log_of(
            others,
            &format!("{prefix}{description} timestamp={time}s"),
            |line| line,
        ))
    })
}

/// True if `uuid.log` says anything about the repository.
pub(crate) fn is_described(annex: &Annex, uuid: &Uuid) -> Result<bool> {
    let log = current(annex, b"uuid.log")?;
    let prefix = format!("{uuid} ");
    Ok(log.lines().any(|line| line.starts_with(prefix.as_bytes())))
}

/// Notes that this repository holds a key's content. To be called only when it does, durably.
pub(crate) fn note_present(annex: &Annex, key: &Key, now: u64) -> Result<()> {
    let mut path = hash_directory::lower(key).into_bytes();
    path.push(b'/');
    path.extend_from_slice(&key.to_file_name());
    path.extend_from_slice(b".log");
    change(annex, &path, |log| {
        let uuid = annex.uuid().as_str().as_bytes();
        let (ours, others): (Vec<_>, Vec<_>) = log.lines().partition(|line| holder(line) == uuid);
        let newest = ours
            .iter()
            .filter_map(|line| {
                let mut fields = line.splitn(3, |&b| b == b' ');
                Some((seconds(fields.next()?)?, fields.next()? == b"1"))
            })
            .max();
        if newest.is_some_and(|(_, present)| present) {
            return None;
        }
        let time = now.max(newest.map_or(0, |(time, _)| time.saturating_add(1)));
        Some(log_of(others, &format!("{time}s 1 {}", annex.uuid()), holder))
    })
}

/// Whole seconds of a timestamp, rounded up so that what replaces it is later.
fn seconds(time: &[u8]) -> Option<u64> {
    let time = time.strip_suffix(b"s").unwrap_or(time).to_str().ok()?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let rounded = u64::from(fraction.bytes().any(|b| b != b'0'));
    whole.parse::<u64>().ok()?.checked_add(rounded)
}

/// The subject of a line of a presence log: all after its time and status.
fn holder(line: &[u8]) -> &[u8] {
    line.splitn(3, |&b| b == b' ').nth(2).unwrap_or_default()
}

fn log_of<'a>(mut lines: Vec<&'a [u8]>, new: &'a str, subject: fn(&[u8]) -> &[u8]) -> Vec<u8> {
    lines.push(new.as_bytes());
    lines.sort_by(|a, b| subject(a).cmp(subject(b)));
    let mut log = lines.join(&b'\n');
    log.push(b'\n');
    log
}

fn change(annex: &Annex, path: &[u8], edit: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Result<()> {
    let _journal = LockFile::exclusive(&annex.annex_file("journal.lck"))?;
    let Some(log) = edit(&current(annex, path)?) else {
        return Ok(());
    };
    let _othertmp = LockFile::shared(&annex.annex_file("othertmp.lck"))?;
    let scratch = annex.annex_file("othertmp");
    let journal = annex.annex_file("journal");
    for directory in [&scratch, &journal] {
        fs::create_dir_all(directory).map_err(Error::io("create the directory", directory))?;
    }
    let name = journal_name(path);
    let (draft, target) = (scratch.join(&name), journal.join(&name));
    write_durably(&draft, &log).map_err(Error::io("write", &draft))?;
    fs::rename(&draft, &target).map_err(Error::io("put into the journal", &target))
}

/// The newest content of a file of the branch: the journal overrides the branch.
fn current(annex: &Annex, path: &[u8]) -> Result<Vec<u8>> {
    let journal = annex.annex_file("journal").join(journal_name(path));
    match fs::read(&journal) {
        Ok(log) => return Ok(log),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("read", &journal)(error)),
    }
    let git = annex.git()?;
    let doing = || Error::git(format!("read {} on the git-annex branch", path.as_bstr()));
    let tree = match git.find_reference("refs/heads/git-annex") {
        Ok(branch) => branch.peel_to_tree().map_err(doing())?,
        Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(doing()(error)),
    };
    match tree.get_path(Path::new(OsStr::from_bytes(path))) {
        Ok(entry) => {
            let blob = git.find_blob(entry.id()).map_err(doing())?;
            Ok(blob.content().to_vec())
        }
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(Vec::new()),
        Err(error) => Err(doing()(error)),
    }
}

fn journal_name(path: &[u8]) -> OsString {
    OsString::from_vec(path.replace(b"_", b"__").replace(b"/", b"_"))
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(content)?;
    file.sync_data()
}
