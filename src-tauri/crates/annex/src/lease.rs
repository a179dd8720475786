//! Whether a program has a file open for writing: a read lease is given only where none does.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::libc;

/// What the system says of the programs that have a file open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writers {
    /// No program has it open for writing.
    None,
    /// At least one has.
    Some,
    /// The system cannot tell: some network file systems, and files of other users.
    Unknown,
}

/// A read lease: until it is dropped, the system makes every program wait that opens the file for writing.
#[derive(Debug)]
pub(crate) struct Lease<'f>(&'f File);

/// Chooses the signal of a descriptor; Linux has the same number for it on every architecture that Rust builds for.
const F_SETSIG: libc::c_int = 10;

impl<'f> Lease<'f> {
    /// Takes the lease of a file that was opened for reading only.
    pub(crate) fn take(file: &'f File) -> Result<Self, Writers> {
        // Whoever opens the file for writing while the lease is held makes the kernel signal this process. The signal of
        // leases, SIGIO, would end it; this one is ignored unless somebody asks for it.
        let taken = set(file, F_SETSIG, libc::SIGURG).and_then(|()| set(file, libc::F_SETLEASE, libc::F_RDLCK));
        match taken {
            Ok(()) => Ok(Lease(file)),
            Err(nix::errno::Errno::EAGAIN) => Err(Writers::Some),
            Err(_) => Err(Writers::Unknown),
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // Closing the file gives it back too.
        let _ = set(self.0, libc::F_SETLEASE, libc::F_UNLCK);
    }
}

/// Asks who has a file open for writing at this moment.
pub(crate) fn writers(file: &File) -> Writers {
    match Lease::take(file) {
        Ok(_) => Writers::None,
        Err(writers) => writers,
    }
}

/// True if any process has the file open for writing; false where the system cannot tell, so the file's stat data before and
/// after reading has to.
pub(crate) fn is_being_written(file: &File) -> bool {
    writers(file) == Writers::Some
}

#[allow(unsafe_code, reason = "neither rustix nor nix offers leases")]
fn set(file: &File, command: libc::c_int, value: libc::c_int) -> nix::Result<()> {
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and both commands take one int.
    nix::errno::Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), command, value) }).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};

    use super::{Lease, Writers, writers};

    #[test]
    fn a_program_that_has_the_file_open_for_writing_is_seen() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "x").unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(writers(&file), Writers::None);
        let writer = OpenOptions::new().append(true).open(&path).unwrap();
        assert_eq!(writers(&file), Writers::Some);
        drop(writer);
        assert_eq!(writers(&file), Writers::None);
    }

    #[test]
    fn a_lease_ends_when_it_is_dropped() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "x").unwrap();
        let file = File::open(&path).unwrap();
        drop(Lease::take(&file).unwrap());
        // Would wait for the lease otherwise; a non-blocking open says so instead.
        let mut options = OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::custom_flags(
            &mut options,
            rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
        );
        assert!(options.write(true).open(&path).is_ok());
    }
}
