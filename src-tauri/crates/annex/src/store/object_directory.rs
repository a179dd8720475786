//! The directories of objects.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, chmodat, mkdirat, openat};
use rustix::io::Errno;

use crate::openat::open_directory;
use crate::{Directory, Result};

/// Makes and opens the directories of objects. The first hash directory of the last one stays open: objects come sorted.
pub(super) struct ObjectDirectories<'a> {
    objects: &'a Directory,
    /// What `mkdir` gives the directories below `objects`.
    made: u32,
    /// The mode of hash directories.
    above: u32,
    first: Option<(PathBuf, Arc<OwnedFd>)>,
}

/// The directory of one object.
pub(super) struct ObjectDirectory {
    /// A directory that is open, reached without following a link.
    pub(super) base: Arc<OwnedFd>,
    /// What was made below it just now.
    pub(super) below: PathBuf,
}

/// Where an object is, and which directories on the way to it got new names.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) directories: String,
    /// Length of the shortest prefix of `directories` in which a directory was made, or may have been.
    pub(super) new_from: Option<usize>,
}

impl<'a> ObjectDirectories<'a> {
    pub(super) fn new(objects: &'a Directory, made: u32, above: u32) -> Self {
        Self {
            objects,
            made,
            above,
            first: None,
        }
    }

    /// Makes the directory of an object, or opens it if it is there; none if it has gone again, as somebody removes empty
    /// directories just now. What was made just now needs no second look; what was there before may be a link, so it is
    /// opened without following one. Most new objects need their second hash directory, and the first is there.
    pub(super) fn make(&mut self, placed: &mut Placed, name: &Path) -> Result<Option<ObjectDirectory>> {
        let made = self.try_make(placed, name);
        if matches!(made, Ok(None)) {
            self.first = None;
        }
        made
    }

    fn try_make(&mut self, placed: &mut Placed, name: &Path) -> Result<Option<ObjectDirectory>> {
        let objects = self.objects;
        let failed = |below: &Path, errno| objects.failed("create the directory", below, errno);
        let all = Path::new(&placed.directories).to_owned();
        let first = first_of(&all);
        let base = match self.open_first(&all) {
            Ok(open) => open,
            Err(Errno::NOENT) => {
                match self.mkdir(objects, first, self.above) {
                    Ok(()) => placed.made_in(0),
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(failed(first, errno)),
                }
                match self.open_first(&all) {
                    Ok(open) => open,
                    Err(Errno::NOENT) => return Ok(None),
                    Err(errno) => return Err(failed(first, errno)),
                }
            }
            Err(errno) => return Err(failed(first, errno)),
        };
        let mut place = ObjectDirectory {
            base,
            below: PathBuf::new(),
        };
        for (below, mode) in [(all.clone(), self.above), (all.join(name), self.made)] {
            let leaf = below.file_name().unwrap_or_default();
            let there = place.below.join(leaf);
            match self.mkdir(&place.base, &there, mode) {
                Ok(()) => {
                    placed.made_in(below.parent().map_or(0, |above| above.as_os_str().len()));
                    place.below = there;
                }
                Err(Errno::EXIST) => match open_path(&place.base, &there) {
                    Ok(base) => {
                        place = ObjectDirectory {
                            base: Arc::new(base),
                            below: PathBuf::new(),
                        };
                    }
                    Err(Errno::NOENT) => return Ok(None),
                    Err(errno) => return Err(failed(&below, errno)),
                },
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(failed(&below, errno)),
            }
        }
        Ok(Some(place))
    }

    /// Opens the directory of an object that was made before, following no link; none if it cannot.
    pub(super) fn open(&mut self, placed: &Placed, name: &Path) -> Option<ObjectDirectory> {
        let all = Path::new(&placed.directories);
        let first = self.open_first(all).ok()?;
        let below = all.strip_prefix(first_of(all)).ok()?.join(name);
        let open = open_directory(&first, below.as_os_str().as_encoded_bytes()).ok()?;
        Some(ObjectDirectory {
            base: Arc::new(open),
            below: PathBuf::new(),
        })
    }

    /// Removes the directory of an object that was made ahead and stays empty, and its second hash directory if nothing else is
    /// in it.
    pub(super) fn remove(&mut self, placed: &Placed, name: &Path) {
        let all = Path::new(&placed.directories);
        let Ok(first) = self.open_first(all) else { return };
        let Ok(second) = all.strip_prefix(first_of(all)) else {
            return;
        };
        let Ok(open) = open_path(&first, second) else { return };
        let removed = rustix::fs::unlinkat(&open, name, AtFlags::REMOVEDIR);
        // Not so while others are below it.
        let _ = removed.and_then(|()| rustix::fs::unlinkat(&first, second, AtFlags::REMOVEDIR));
    }

    /// Opens the first of an object's hash directories.
    fn open_first(&mut self, directories: &Path) -> std::result::Result<Arc<OwnedFd>, Errno> {
        let name = first_of(directories);
        if let Some((last, open)) = &self.first
            && last == name
        {
            return Ok(Arc::clone(open));
        }
        let open = Arc::new(open_path(self.objects, name)?);
        self.first = Some((name.to_owned(), Arc::clone(&open)));
        Ok(open)
    }

    fn mkdir(&self, base: impl AsFd, directory: &Path, mode: u32) -> std::result::Result<(), Errno> {
        let base = base.as_fd();
        mkdirat(base, directory, Mode::from_raw_mode(0o777))?;
        if mode != self.made {
            chmod(base, directory, mode)?;
        }
        Ok(())
    }
}

impl ObjectDirectory {
    pub(super) fn chmod(&self, mode: u32) -> std::result::Result<(), Errno> {
        let below = self.below.as_path();
        chmod(
            &self.base,
            if below.as_os_str().is_empty() {
                Path::new(".")
            } else {
                below
            },
            mode,
        )
    }
}

impl Placed {
    /// Of an object that is to be placed in these directories.
    pub(super) fn new(directories: String) -> Self {
        Self {
            directories,
            new_from: None,
        }
    }

    /// Of an object that was there already. Whoever stored it may have been killed before its names were on disk.
    pub(super) fn found(directories: String) -> Self {
        Self {
            directories,
            new_from: Some(0),
        }
    }

    fn made_in(&mut self, length: usize) {
        self.new_from = Some(self.new_from.map_or(length, |shortest| shortest.min(length)));
    }
}

fn first_of(directories: &Path) -> &Path {
    directories.iter().next().map_or(directories, Path::new)
}

fn chmod(base: impl AsFd, directory: &Path, mode: u32) -> std::result::Result<(), Errno> {
    match chmodat(base, directory, Mode::from_raw_mode(mode), AtFlags::empty()) {
        // File systems without permissions say so; removed meanwhile is for the caller's next step to find.
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// How directories are opened: to be used and not read, and never through a link.
const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

fn open_path(base: impl AsFd, directory: &Path) -> std::result::Result<OwnedFd, Errno> {
    openat(base, directory, DIRECTORY, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const NAME: &str = "SHA256E-s1--a";

    fn made(objects: &Directory, directories: &str) -> Placed {
        let mut placed = Placed::new(directories.to_owned());
        let mut all = ObjectDirectories::new(objects, 0o755, 0o755);
        all.make(&mut placed, Path::new(NAME)).unwrap().unwrap();
        placed
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_that_was_made_ahead_is_not_followed() {
        let top = tempfile::tempdir().unwrap();
        let objects = Directory::top(top.path()).unwrap();
        let placed = made(&objects, "aa/bb");
        let open = || ObjectDirectories::new(&objects, 0o755, 0o755).open(&placed, Path::new(NAME));
        assert!(open().is_some());
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir_all(outside.path().join(NAME)).unwrap();
        for (gone, target) in [
            (format!("aa/bb/{NAME}"), outside.path().join(NAME)),
            ("aa/bb".into(), outside.path().into()),
        ] {
            fs::remove_dir_all(top.path().join(&gone)).unwrap();
            symlink(target, top.path().join(&gone)).unwrap();
            assert!(open().is_none(), "{gone}");
            fs::remove_file(top.path().join(&gone)).unwrap();
            made(&objects, "aa/bb");
            assert!(open().is_some());
        }
    }

    #[test]
    fn only_empty_directories_are_removed_again() {
        let top = tempfile::tempdir().unwrap();
        let objects = Directory::top(top.path()).unwrap();
        let remove = |placed: &Placed| ObjectDirectories::new(&objects, 0o755, 0o755).remove(placed, Path::new(NAME));
        let (alone, beside, used) = (
            made(&objects, "aa/bb"),
            made(&objects, "aa/cc"),
            made(&objects, "aa/dd"),
        );
        fs::create_dir(top.path().join("aa/cc/other")).unwrap();
        fs::write(top.path().join("aa/dd").join(NAME).join(NAME), "1").unwrap();
        for placed in [&alone, &beside, &used] {
            remove(placed);
        }
        assert!(!top.path().join("aa/bb").exists());
        assert_eq!(fs::read_dir(top.path().join("aa/cc")).unwrap().count(), 1);
        assert!(top.path().join("aa/dd").join(NAME).join(NAME).exists());
    }

    #[test]
    fn a_hash_directory_that_goes_while_it_is_open_is_made_again() {
        let top = tempfile::tempdir().unwrap();
        let objects = Directory::top(top.path()).unwrap();
        let mut all = ObjectDirectories::new(&objects, 0o755, 0o755);
        let mut make = |directories: &str| {
            let mut placed = Placed::new(directories.to_owned());
            all.make(&mut placed, Path::new(NAME)).unwrap().is_some()
        };
        assert!(make("aa/bb"));
        fs::remove_dir_all(top.path().join("aa")).unwrap();
        assert!(
            !make("aa/cc"),
            "the open hash directory is gone, so the caller must try again"
        );
        assert!(make("aa/cc"));
        assert!(top.path().join("aa/cc").join(NAME).exists());
    }
}
