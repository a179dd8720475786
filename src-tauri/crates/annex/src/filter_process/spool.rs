use std::io::{self, Cursor, Read, Seek, Write};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// Content up to this size stays in memory: no file is made for what goes to git anyway.
const IN_MEMORY: usize = 1 << 20;

/// Content that was sent by git, kept until it is known where it goes.
pub(super) enum Spool {
    Memory(Vec<u8>),
    File(NamedTempFile, u64),
}

impl Spool {
    pub(super) fn new() -> Self {
        Self::Memory(Vec::new())
    }

    /// Appends a part; `scratch` is where a file is made if it gets too much.
    pub(super) fn push(&mut self, part: &[u8], scratch: &Path) -> io::Result<()> {
        if let Self::Memory(content) = self {
            if content.len() + part.len() <= IN_MEMORY {
                content.extend_from_slice(part);
                return Ok(());
            }
            let file = scratch_file(content, scratch)?;
            *self = Self::File(file, content.len() as u64);
        }
        if let Self::File(file, size) = self {
            file.write_all(part)?;
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

    /// The content from its start.
    pub(super) fn reader(self) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Memory(content) => Box::new(Cursor::new(content)),
            Self::File(mut file, _) => {
                file.rewind()?;
                Box::new(file.into_file())
            }
        })
    }

    /// The content as a file in `scratch`.
    pub(super) fn file(self, scratch: &Path) -> io::Result<NamedTempFile> {
        match self {
            Self::Memory(content) => scratch_file(&content, scratch),
            Self::File(file, _) => Ok(file),
        }
    }
}

fn scratch_file(content: &[u8], scratch: &Path) -> io::Result<NamedTempFile> {
    std::fs::create_dir_all(scratch)?;
    let mut file = Builder::new().prefix("clean-").tempfile_in(scratch)?;
    file.write_all(content)?;
    Ok(file)
}
