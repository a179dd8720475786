//! A change on its way: what must be seen where, and how long it took.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sha2::{Digest as _, Sha256};

use super::scene::Scene;

/// What must be seen in the other clone, and in the drive, for a change to have arrived.
pub(super) struct Crossing {
    files: Vec<(String, Vec<u8>)>,
    /// Made before the change, so that hashing does not count as its time.
    digests: BTreeSet<String>,
    gone: Option<String>,
    clone: PathBuf,
    is_for_drive: bool,
}

/// How long a change took, from its last byte written to the last byte seen.
pub(super) struct Times {
    pub(super) clone: Duration,
    pub(super) drive: Option<Duration>,
}

impl Crossing {
    /// One file with this content.
    pub(super) fn of(path: &str, content: &[u8]) -> Crossing {
        Crossing::all(vec![(path.to_owned(), content.to_vec())])
    }

    /// All of these files.
    pub(super) fn all(files: Vec<(String, Vec<u8>)>) -> Crossing {
        let digests = files
            .iter()
            .map(|(_, content)| hex::encode(Sha256::digest(content)))
            .collect();
        Crossing {
            files,
            digests,
            gone: None,
            clone: PathBuf::new(),
            is_for_drive: false,
        }
    }

    /// And this path no longer there.
    pub(super) fn without(self, path: &str) -> Crossing {
        Crossing {
            gone: Some(path.to_owned()),
            ..self
        }
    }

    /// The clone to look in.
    pub(super) fn to(self, clone: &Path) -> Crossing {
        Crossing {
            clone: clone.to_owned(),
            ..self
        }
    }

    /// The drive must hold the content too.
    pub(super) fn and_drive(self) -> Crossing {
        Crossing {
            is_for_drive: true,
            ..self
        }
    }

    fn is_in_clone(&self) -> bool {
        let is_gone = self
            .gone
            .as_ref()
            .is_none_or(|path| self.clone.join(path).symlink_metadata().is_err());
        // The size first: it tells a pointer file or a half-written one from the content without reading it.
        is_gone
            && self.files.iter().all(|(path, content)| {
                let path = self.clone.join(path);
                path.metadata()
                    .is_ok_and(|metadata| metadata.len() == content.len() as u64)
                    && fs::read(path).is_ok_and(|bytes| bytes == *content)
            })
    }
}

/// Waits until a change has arrived everywhere it should.
///
/// # Errors
///
/// When it has not within the time; the message says where it is missing.
pub(super) fn watch(scene: &Scene, crossing: &Crossing, at_most: Duration) -> Result<Times> {
    let began_at = Instant::now();
    let (mut clone, mut drive) = (None, None);
    loop {
        if clone.is_none() && crossing.is_in_clone() {
            clone = Some(began_at.elapsed());
        }
        if crossing.is_for_drive && drive.is_none() && crossing.digests.is_subset(&held_digests(&scene.drive())) {
            drive = Some(began_at.elapsed());
        }
        if let Some(clone) = clone
            && (drive.is_some() || !crossing.is_for_drive)
        {
            return Ok(Times { clone, drive });
        }
        if began_at.elapsed() > at_most {
            let missing = if clone.is_none() {
                crossing.clone.clone()
            } else {
                scene.drive()
            };
            bail!("after {} s it is not in {}", at_most.as_secs(), missing.display());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The digests in the names of all objects that a bare repository holds (`SHA256E-s4096--digest.txt`).
pub(super) fn held_digests(bare: &Path) -> BTreeSet<String> {
    objects(&bare.join("annex/objects"))
        .iter()
        .filter_map(|path| digest_in_name(path))
        .collect()
}

/// The digest in an object's name.
pub(super) fn digest_in_name(object: &Path) -> Option<String> {
    let name = object.file_name()?.to_str()?;
    let (_, digest) = name.split_once("--")?;
    Some(digest.split('.').next().unwrap_or(digest).to_owned())
}

/// All object files below a folder.
pub(super) fn objects(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // A file that vanishes meanwhile counts as missing.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                Ok(_) | Err(_) => {}
            }
        }
    }
    found
}
