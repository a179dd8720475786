//! A special remote of type `directory`: each key is a file in a directory, in git-annex's layout.
//!
//! The path is `<top>/<hash directories, lower>/<keyfile>/<keyfile>`; the file has mode 0444, its directory 0555.
//! Incomplete files lie below `<top>/tmp`; a complete one is renamed together with its directory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use annex::copies::Confirmed;
use annex::exchange::content::{ContentPlace, CopyOutcome, Terms, receive, send};
use annex::settings::{RemoteSettings, Settings};
use annex::{Annex, Directory, Error, hash_directory};
use model::{Key, Uuid};

use crate::{Contents, Failed, Travel};

/// Up to this many keys are synced to disk one by one; more are synced together with everything else on their file
/// system.
const FEW: usize = 4;

/// The directory of a special remote.
pub(super) struct DirectoryRemote {
    top: PathBuf,
    uuid: Uuid,
    is_readonly: bool,
    /// True if transferred content is hashed.
    verify: bool,
    /// Its device and inode when it was opened. Content must not be written to the disk below a drive that was pulled
    /// out.
    identity: (u64, u64),
}

impl DirectoryRemote {
    /// Opens the directory. If the remote is read-only, nothing in it is moved.
    pub(super) fn open(top: &Path, uuid: Uuid, settings: &RemoteSettings) -> Result<Self, Failed> {
        match identity(top) {
            Ok(identity) => Ok(Self {
                top: top.to_owned(),
                uuid,
                is_readonly: settings.readonly,
                verify: settings.verify,
                identity,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Failed::Away),
            Err(error) => Err(Failed::Refused(format!("{} cannot be used: {error}", top.display()))),
        }
    }

    /// The top, if it is still the same directory. Otherwise nothing is known about its content.
    fn top(&self) -> annex::Result<Directory> {
        let gone = || Error::io("find", &self.top)(std::io::ErrorKind::NotConnected.into());
        let top = Directory::top(&self.top).map_err(|error| match error.is_not_found() {
            true => gone(),
            false => error,
        })?;
        match self.is_there() {
            true => Ok(top),
            false => Err(gone()),
        }
    }

    /// The object of a key, and the directory that contains the key's own directory. As in git-annex, mixed hash
    /// directories are searched too, since its old versions wrote them.
    fn object_of(&self, top: &Directory, key: &Key) -> annex::Result<Option<(File, Directory)>> {
        let name = file_name(key);
        for hashed in [hash_directory::lower(key), hash_directory::mixed(key)] {
            if let Some(file) = top.open_below(&Path::new(&hashed).join(&name).join(&name))?
                && let Some(hashed) = top.find(&hashed)?
            {
                return Ok(Some((file, hashed)));
            }
        }
        Ok(None)
    }

    /// The terms that our settings require of a transfer in either direction.
    fn terms(&self, settings: &Settings) -> Terms {
        Terms {
            reserve: settings.diskreserve,
            verify: settings.verify && self.verify,
            secure_hashes_only: settings.securehashesonly,
        }
    }

    fn free(&self) -> Option<u64> {
        let space = rustix::fs::statvfs(&self.top).ok()?;
        Some(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// True if, by the git-annex branch, the key was ever stored here in chunks, or if the branch cannot be read.
    fn may_be_chunked(&self, annex: &Annex, key: &Key) -> bool {
        let path = [&annex::logs::location_log(key)[..], b".cnk"].concat();
        let uuid = self.uuid.as_str().as_bytes();
        let names_it = |log: Vec<u8>| log.windows(uuid.len()).any(|part| part == uuid);
        annex.branch().read(&path).map_or(true, |log| log.is_some_and(names_it))
    }

    /// The directory of this repository's incomplete files. Other programs that store the same key write elsewhere.
    fn writing(&self, by: &Uuid) -> PathBuf {
        Path::new("tmp").join(format!("anabranch-{by}"))
    }
}

/// A special remote, together with the repository that writes to it.
struct Writing<'a> {
    remote: &'a DirectoryRemote,
    by: &'a Uuid,
}

impl Writing<'_> {
    fn find_begun(&self, key: &Key) -> annex::Result<Option<Directory>> {
        let directory = self.remote.writing(self.by).join(file_name(key));
        self.remote.top()?.find(directory)
    }

    /// Write-protects the file written for a key; `durably` also syncs it, if it is not synced together with others.
    fn complete(&self, key: &Key, durably: bool) -> annex::Result<()> {
        let name = file_name(key);
        let path = self.path(key);
        let begun = self.find_begun(key)?;
        let begun = begun.ok_or_else(|| Error::io("find", &path)(std::io::ErrorKind::NotFound.into()))?;
        let file = begun.open(&name, true)?;
        let file = file.ok_or_else(|| Error::io("find", &path)(std::io::ErrorKind::NotFound.into()))?;
        // Errors are ignored, since some file systems have no permissions.
        let _ = file.set_permissions(std::fs::Permissions::from_mode(0o444));
        if !durably {
            return Ok(());
        }
        file.sync_all().map_err(Error::io("write", &path))?;
        begun.sync()
    }

    /// Moves a complete file to its place; `durably` as in [`Self::complete`].
    fn place(&self, key: &Key, durably: bool) -> annex::Result<()> {
        let name = file_name(key);
        let top = self.remote.top()?;
        let writing = top
            .find(self.remote.writing(self.by))?
            .ok_or_else(|| Error::io("find", &self.path(key))(std::io::ErrorKind::NotFound.into()))?;
        let hashed = top.make_with(hash_directory::lower(key), &|made| made)?;
        if let Err(error) = hashed.rename_here(&writing, &name, &name) {
            if hashed.kind(&name).is_none() {
                return Err(error);
            }
            // Another program has stored the key meanwhile, or the existing file is damaged.
            if self.is_whole(key)? {
                self.discard(key);
                return Ok(());
            }
            put_aside(&top, &hashed, key)?;
            hashed.rename_here(&writing, &name, &name)?;
        }
        if let Some(placed) = hashed.find(&name)? {
            // As git-annex does, so that nobody deletes it by mistake.
            let _ = placed.set_mode(0o555);
        }
        if !durably {
            return Ok(());
        }
        hashed.sync()?;
        for above in Path::new(&hash_directory::lower(key)).ancestors().skip(1) {
            if let Some(above) = top.find(above)? {
                above.sync()?;
            }
        }
        Ok(())
    }

    fn is_whole(&self, key: &Key) -> annex::Result<bool> {
        let Some(file) = self.open(key)? else {
            return Ok(false);
        };
        let found = file.metadata().map_err(Error::io("examine", &self.path(key)))?;
        Ok(key.size().is_none_or(|size| size == found.len()))
    }
}

impl ContentPlace for Writing<'_> {
    fn path(&self, key: &Key) -> PathBuf {
        self.remote.top.join(object(key))
    }

    fn open(&self, key: &Key) -> annex::Result<Option<File>> {
        let found = self.remote.object_of(&self.remote.top()?, key)?;
        Ok(found.map(|(file, _)| file))
    }

    fn free(&self) -> Option<u64> {
        self.remote.free()
    }

    fn begin(&self, key: &Key) -> annex::Result<File> {
        let name = file_name(key);
        let directory = self.remote.writing(self.by).join(&name);
        let begun = self.remote.top()?.make_with(directory, &|made| made)?;
        begun.remove(&name)?;
        begun
            .create_new(&name, 0o666)
            .map_err(Error::io("create", &self.path(key)))
    }

    fn keep(&self, keys: &[Key]) -> Vec<annex::Result<()>> {
        let durably = keys.len() <= FEW;
        // Content is on disk before it gets its name, and its name before any log records it.
        let together = || match durably {
            true => Ok(()),
            false => self.remote.top()?.sync_file_system(),
        };
        let complete: Vec<_> = keys.iter().map(|key| self.complete(key, durably)).collect();
        if let Err(error) = together() {
            return keys.iter().map(|_| Err(again(&error))).collect();
        }
        let placed = keys.iter().zip(complete).map(|(key, complete)| {
            complete?;
            self.place(key, durably)
        });
        let placed: Vec<annex::Result<()>> = placed.collect();
        match together() {
            Ok(()) => placed,
            Err(error) => keys.iter().map(|_| Err(again(&error))).collect(),
        }
    }

    fn discard(&self, key: &Key) {
        let name = file_name(key);
        // Leftovers only take space until the same key is sent again.
        if let Ok(Some(begun)) = self.find_begun(key) {
            let _ = begun.remove(&name);
        }
        if let Ok(top) = self.remote.top()
            && let Ok(Some(writing)) = top.find(self.remote.writing(self.by))
        {
            let _ = writing.remove_directory(&name);
        }
    }
}

impl Contents for DirectoryRemote {
    fn store(&self, from: &Annex, travel: &Travel<'_>) -> Vec<(Key, CopyOutcome)> {
        let to = Writing {
            remote: self,
            by: from.uuid(),
        };
        let settings = match Settings::read(from, travel.config) {
            Ok(settings) => settings,
            Err(error) => return all_failed(travel, &error),
        };
        let sent = send(
            from,
            (&to, &self.uuid),
            travel.wanted,
            self.terms(&settings),
            travel.progress,
            travel.cancelled,
        );
        // The program that stored it may have been stopped before it was synced to disk.
        let was_there = |(_, outcome): &(Key, CopyOutcome)| matches!(outcome, CopyOutcome::AlreadyPresent);
        if !sent.iter().any(was_there) {
            return sent;
        }
        match self.top().and_then(|top| top.sync_file_system()) {
            Ok(()) => sent,
            Err(error) => {
                let failed = |(key, outcome): (Key, CopyOutcome)| match matches!(outcome, CopyOutcome::AlreadyPresent) {
                    true => (key, CopyOutcome::Failed(again(&error))),
                    false => (key, outcome),
                };
                sent.into_iter().map(failed).collect()
            }
        }
    }

    fn retrieve(&self, into: &Annex, travel: &Travel<'_>) -> Vec<(Key, CopyOutcome)> {
        let from = Writing {
            remote: self,
            by: into.uuid(),
        };
        let settings = match Settings::read(into, travel.config) {
            Ok(settings) => settings,
            Err(error) => return all_failed(travel, &error),
        };
        let got = receive(
            (&from, &self.uuid),
            into,
            travel.wanted,
            self.terms(&settings),
            travel.progress,
            travel.cancelled,
        );
        let chunked = |(key, outcome): (Key, CopyOutcome)| {
            if !matches!(outcome, CopyOutcome::SourceMissing) || !self.may_be_chunked(into, &key) {
                return (key, outcome);
            }
            let why = "it was stored in chunks, which is not supported yet".to_owned();
            (key, CopyOutcome::Failed(Error::Refused(why)))
        };
        got.into_iter().map(chunked).collect()
    }

    fn has_room(&self, bytes: u64, _config: &BTreeMap<String, String>) -> bool {
        // The next attempt checks the reserve.
        self.free().is_some_and(|free| free >= bytes)
    }

    fn confirm(&self, here: &Annex, key: &Key, _: &AtomicBool) -> Result<Option<Confirmed>, Failed> {
        let by = here.uuid();
        let is_whole = self.top().and_then(|_| Writing { remote: self, by }.is_whole(key));
        match is_whole {
            Ok(is_whole) => Ok(is_whole.then_some(Confirmed::Seen)),
            Err(_) if !self.is_there() => Err(Failed::Away),
            Err(error) => Err(error.into()),
        }
    }

    fn set_aside(&self, key: &Key) -> Result<(), Failed> {
        if self.is_readonly {
            return Err(Failed::Refused("annex-readonly is set for it".to_owned()));
        }
        let top = self.top()?;
        let Some((file, hashed)) = self.object_of(&top, key)? else {
            return Ok(());
        };
        // Read it again: a cable or the network may have been at fault.
        if is_content(&file, key)? {
            return Err(Failed::Broken("read a second time, it was right".to_owned()));
        }
        Ok(put_aside(&top, &hashed, key)?)
    }

    fn is_there(&self) -> bool {
        identity(&self.top).is_ok_and(|now| now == self.identity)
    }
}

/// Reads a file from disk, not from the page cache, and tells whether it is the content of a key.
fn is_content(file: &File, key: &Key) -> annex::Result<bool> {
    let failed = || Error::io("read", Path::new("a content of a special remote"));
    // If that is not possible, the cached file is read.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    let mut verifier = annex::Verifier::for_key(key);
    let mut part = vec![0; 1 << 20];
    let mut reader = file;
    loop {
        match reader.read(&mut part).map_err(failed())? {
            0 => break,
            length => verifier.update(&part[..length]),
        }
    }
    Ok(verifier.finish() != annex::HashVerdict::Wrong)
}

/// Reports the same error for every key.
fn all_failed(travel: &Travel<'_>, error: &Error) -> Vec<(Key, CopyOutcome)> {
    let failed = |key: &Key| (key.clone(), CopyOutcome::Failed(again(error)));
    travel.wanted.iter().map(|wanted| failed(&wanted.key)).collect()
}

/// Copies an error, for another key.
fn again(error: &Error) -> Error {
    Error::Refused(error.to_string())
}

/// Moves a damaged object to `tmp/bad`, where nothing searches for it.
fn put_aside(top: &Directory, hashed: &Directory, key: &Key) -> annex::Result<()> {
    let name = file_name(key);
    let bad = top.make_with("tmp/bad", &|made| made)?;
    // A write-protected directory cannot be moved.
    if let Some(there) = hashed.find(&name)? {
        let _ = there.set_mode(0o755);
    }
    for number in 0_u64.. {
        let mut numbered = OsString::from(format!("{number}-"));
        numbered.push(&name);
        // The key's name may already be as long as the file system allows.
        let numbered = match numbered.len() > 255 {
            true => OsString::from(number.to_string()),
            false => numbered,
        };
        if bad.kind(&numbered).is_none() {
            bad.rename_here(hashed, &name, &numbered)?;
            break;
        }
    }
    bad.sync()?;
    hashed.sync()
}

fn object(key: &Key) -> PathBuf {
    let name = file_name(key);
    Path::new(&hash_directory::lower(key)).join(&name).join(&name)
}

fn file_name(key: &Key) -> OsString {
    OsString::from_vec(key.to_file_name().into())
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let found = path.metadata()?;
    match found.is_dir() {
        true => Ok((found.dev(), found.ino())),
        false => Err(std::io::Error::other("it is not a directory")),
    }
}

#[cfg(test)]
mod tests;
