//! Syncing to disk. Unit tests cannot cut the power, so under test every sync is recorded.

use std::os::fd::AsFd;

use rustix::io::Result;

/// Writes the content of a file to disk.
pub(crate) fn sync_file(file: impl AsFd) -> Result<()> {
    #[cfg(test)]
    told::note(told::Synced::file(&file));
    rustix::fs::fdatasync(file)
}

/// Writes to disk what happened to the names in a directory.
pub(crate) fn sync_directory(directory: impl AsFd) -> Result<()> {
    #[cfg(test)]
    told::note(told::Synced::directory(&directory));
    rustix::fs::fsync(directory)
}

/// Writes to disk all that was written to the file system that a directory is on.
pub(crate) fn sync_file_system(directory: impl AsFd) -> Result<()> {
    #[cfg(test)]
    told::note(told::Synced::FileSystem);
    rustix::fs::syncfs(directory)
}

#[cfg(test)]
pub(crate) mod told {
    use std::cell::RefCell;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use rustix::fs::fstat;

    /// What was made durable, by the numbers of the inodes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Synced {
        /// A file, and how long it was.
        File(u64, u64),
        Directory(u64),
        FileSystem,
    }

    type Act = Box<dyn FnOnce()>;

    thread_local! {
        static ALL: RefCell<Vec<Synced>> = const { RefCell::new(Vec::new()) };
        static ACT: RefCell<Option<Act>> = const { RefCell::new(None) };
    }

    impl Synced {
        pub(super) fn file(file: &impl AsFd) -> Self {
            let found = fstat(file).unwrap();
            Synced::File(found.st_ino, found.st_size.cast_unsigned())
        }

        pub(super) fn directory(directory: &impl AsFd) -> Self {
            Synced::Directory(fstat(directory).unwrap().st_ino)
        }

        /// What is at a path now, as if it was made durable as it is.
        pub(crate) fn at(path: impl AsRef<Path>) -> Self {
            let found = path.as_ref().symlink_metadata().unwrap();
            match found.is_dir() {
                true => Synced::Directory(found.ino()),
                false => Synced::File(found.ino(), found.len()),
            }
        }
    }

    pub(super) fn note(synced: Synced) {
        ALL.with_borrow_mut(|all| all.push(synced));
        if matches!(synced, Synced::Directory(_))
            && let Some(act) = ACT.take()
        {
            act();
        }
    }

    /// Does something when this thread next makes the names in a directory durable, before it does.
    pub(crate) fn before_next_directory(act: impl FnOnce() + 'static) {
        ACT.set(Some(Box::new(act)));
    }

    /// What this thread made durable since it was asked last, in order.
    pub(crate) fn all() -> Vec<Synced> {
        ALL.take()
    }
}
