use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write};
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};

use crate::{Error, NewFile, Result};

/// Content up to this size stays in memory: no file is made for what goes to git anyway.
const IN_MEMORY: usize = 1 << 20;

/// Content that was sent by git, kept until it is known where it goes.
pub(super) enum Spool {
    Memory(Vec<u8>),
    File(NewFile, u64),
}

impl Spool {
    pub(super) fn new() -> Self {
        Self::Memory(Vec::new())
    }

    /// Appends a part; `scratch` makes a file if it gets too much.
    pub(super) fn push(&mut self, part: &[u8], scratch: &dyn Fn() -> Result<NewFile>) -> Result<()> {
        if let Self::Memory(content) = self {
            if content.len() + part.len() <= IN_MEMORY {
                content.extend_from_slice(part);
                return Ok(());
            }
            let mut file = scratch()?;
            write(&mut file, content)?;
            *self = Self::File(file, content.len() as u64);
        }
        if let Self::File(file, size) = self {
            write(file, part)?;
            *size += part.len() as u64;
        }
        Ok(())
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Memory(content) => content.len() as u64,
            Self::File(_, size) => *size,
        }
    }

    /// The content, if it is small.
    pub(super) fn small(&self) -> Option<&[u8]> {
        match self {
            Self::Memory(content) => Some(content),
            Self::File(..) => None,
        }
    }

    /// Gives all parts to `look`.
    pub(super) fn each_part(&mut self, look: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let file = match self {
            Self::Memory(content) => {
                look(content);
                return Ok(());
            }
            Self::File(file, _) => file,
        };
        file.file().rewind()?;
        each_part(file.file(), look)
    }

    /// The content from its start.
    pub(super) fn reader(self) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Memory(content) => Box::new(Cursor::new(content)),
            Self::File(mut file, _) => {
                file.file().rewind()?;
                Box::new(file.into_file()?)
            }
        })
    }

    /// The content as an open file, write-protected if it has a name.
    pub(super) fn file(&mut self) -> io::Result<File> {
        match self {
            Self::Memory(content) => {
                let mut file = File::from(memfd_create("clean", MemfdFlags::CLOEXEC)?);
                fchmod(&file, Mode::from_raw_mode(0o644))?;
                file.write_all(content)?;
                file.rewind()?;
                Ok(file)
            }
            Self::File(file, _) => {
                fchmod(file.file(), Mode::from_raw_mode(0o444))?;
                file.file().rewind()?;
                file.reopen()
            }
        }
    }

    /// Where the content lies if it is large.
    pub(super) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Memory(_) => None,
            Self::File(file, _) => Some(file.path()),
        }
    }
}

fn write(file: &mut NewFile, part: &[u8]) -> Result<()> {
    let written = file.file().write_all(part);
    written.map_err(|error| Error::io("keep content in", &file.path())(error))
}

/// Gives all that is left to read to `look`, in parts.
pub(super) fn each_part(mut content: impl Read, look: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => look(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
