//! Copies of objects for unlocked files of the work tree.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::SystemTime;

use model::{Key, RepoPath};
use rustix::fs::{AtFlags, CWD, linkat};
use rustix::io::Errno;

use super::Store;
use super::copy::{Copied, LARGE, Onlooker, Source, Unfinished, copy, has_holes, read_small};
use super::receive::{SMALL, keep_time};
use super::room::Incoming;
use crate::naming::is_of_another_name;
use crate::sharing::umask;
use crate::stat::AT_REST;
use crate::{Error, Result};

impl Store<'_> {
    /// Makes a file with the content of `key` for `path` in the work tree, which the caller renames to its place (and then
    /// says so: [`Incoming::moved_away`]). It is not synced to disk.
    ///
    /// Its modification time is that of the object. But git has the filter read each file that is as young as the index,
    /// in whole seconds, and git-annex's filter finds another key where the extension is another: the file would count as
    /// modified for ever. So such a file is made older than that.
    ///
    /// An object that is not the content of `key` is none: it is set aside.
    ///
    /// With `thin` it is a hard link to the object, made writable, as `annex.thin` asks for: if no other file is
    /// linked to that object and `executable` is false.
    pub fn content_for_work_tree(&self, key: &Key, path: &RepoPath, thin: bool, executable: bool) -> Result<Incoming> {
        let object = self.open_sound(key)?;
        let place = self.object_path(key);
        let found = object.metadata().map_err(Error::io("examine", &place))?;
        let room = self.scratch()?;
        let mode = work_tree_mode(found.mode(), executable);
        if thin && !executable && found.nlink() == 1 {
            let name = room.new_name();
            // The very file that was opened, whatever has its name by now.
            let from = format!("/proc/self/fd/{}", object.as_raw_fd());
            if linkat(CWD, from, &room.directory, &name, AtFlags::SYMLINK_FOLLOW).is_ok() {
                let incoming = Incoming {
                    room,
                    name,
                    size: found.len(),
                    durable: false,
                    keep: false,
                };
                super::room::set_mode(&object, mode, incoming.room.directory.path())?;
                return Ok(incoming);
            }
        }
        let (dest, name) = room.create(mode)?;
        let incoming = Incoming {
            room,
            name,
            size: found.len(),
            durable: false,
            keep: false,
        };
        let copied = if found.len() <= SMALL {
            read_small(&object, found.len())
                .and_then(|content| dest.write_all_at(&content, 0).map_err(Unfinished::Writing))
        } else if self.share_blocks(&object, &dest, found.len()) {
            Ok(())
        } else {
            copy_inside(&object, &dest, found.len())
        };
        match copied {
            Ok(()) => {}
            Err(Unfinished::Reading(error)) => return Err(Error::io("read", &self.object_path(key))(error)),
            Err(Unfinished::Writing(error)) => return Err(Error::io("write", &incoming.path())(error)),
            Err(Unfinished::Failed(error)) => return Err(error),
            Err(Unfinished::Cancelled | Unfinished::Wrong) => return Err(Error::Busy(incoming.path())),
        }
        keep_time(&dest, &found);
        let at_rest = SystemTime::now() - AT_REST;
        if is_of_another_name(key, path) && found.modified().is_ok_and(|at| at > at_rest) {
            // As with the time of the object: a file system that cannot is no failure.
            let _ = dest.set_modified(at_rest);
        }
        Ok(incoming)
    }

    /// Makes an empty file for the work tree, with the permissions that git would give it.
    pub(crate) fn work_tree_file(&self, executable: bool) -> Result<(fs::File, Incoming)> {
        let mode = if executable { 0o777 } else { 0o666 };
        self.scratch_file(mode & !umask())
    }
}

/// Copies small content without it passing through this program, and large content past the page cache.
fn copy_inside(object: &File, dest: &File, size: u64) -> Copied<()> {
    if size < LARGE && !has_holes(object) && copy_by_system(object, dest)? {
        return Ok(());
    }
    let onlooker = Onlooker {
        progress: &|_| {},
        cancelled: None,
    };
    copy(Source::Object(object), dest, 0, size, None, &onlooker).map(|_| ())
}

/// False where the system cannot copy from one file to the other.
fn copy_by_system(object: &File, dest: &File) -> Copied<bool> {
    let (mut from, mut to) = (0, 0);
    loop {
        match rustix::fs::copy_file_range(object, Some(&mut from), dest, Some(&mut to), 64 << 20) {
            Ok(0) => return Ok(true),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::XDEV) => return Ok(false),
            Err(errno) => return Err(Unfinished::Writing(errno.into())),
        }
    }
}

/// As git would create it, but not readable for those from whom the object is kept.
fn work_tree_mode(object: u32, executable: bool) -> u32 {
    let readable = object & 0o444;
    let execute = if executable { readable >> 2 } else { 0 };
    (readable | readable >> 1 | execute) & !(umask() & 0o777) | 0o600
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::store::tests::{Top, file_with, finish, key_of, repository};

    #[test]
    fn what_was_private_stays_private() {
        let allowed = !umask();
        assert_eq!(work_tree_mode(0o100_444, false), 0o666 & allowed | 0o600);
        assert_eq!(work_tree_mode(0o100_444, true), 0o777 & allowed | 0o600);
        assert_eq!(work_tree_mode(0o100_400, false), 0o600);
        assert_eq!(work_tree_mode(0o100_440, true) & 0o007, 0);
    }

    /// Else git would have git-annex's filter read it, which finds a key with another extension.
    #[test]
    fn a_file_whose_name_would_give_it_another_key_is_older_than_any_index() {
        let top = Top::new();
        let annex = repository(top.path(), &[]);
        let store = annex.store();
        let source = file_with(top.path(), b"hello\n");
        let digest = key_of(b"hello\n").name().to_string().replace(".dat", "");
        let keys = [format!("SHA256E-s6--{digest}.tar.gz"), format!("SHA256-s6--{digest}")];
        let [with_extension, without] = keys.map(|text| Key::parse(text.as_bytes()).unwrap());
        for key in [&with_extension, &without] {
            let received = store.copy_in(&source, key, true, &|_| {}).unwrap();
            finish(&store, vec![(key.clone(), received)]);
        }
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs();
        for (key, name, is_young) in [
            (&with_extension, "d.d/a.tar.gz", true),
            (&with_extension, "a.tar.variant-12ab.gz", false),
            (&with_extension, "a", false),
            (&without, "a.txt", true),
        ] {
            let path = RepoPath::parse(name.as_bytes()).unwrap();
            let now = seconds(SystemTime::now());
            let copy = store.content_for_work_tree(key, &path, false, false).unwrap();
            let made = seconds(fs::metadata(copy.path()).unwrap().modified().unwrap());
            let object = fs::metadata(store.find(key).unwrap()).unwrap();
            assert_eq!(made == seconds(object.modified().unwrap()), is_young, "{name}");
            assert!(is_young || made < now, "{name}");
        }
    }
}
