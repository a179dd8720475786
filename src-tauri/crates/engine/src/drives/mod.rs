//! Drives: how Anabranch uses them, how one is taken into use, and how it is ejected.
//!
//! A drive is identified by the uuid of its file system, its repositories by annex uuids; never by a path or a label.

mod adopt;
mod ejecting;
mod standing;
mod survey;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::{Problem, Purpose};
use surroundings::Mount;
use tokio::sync::watch;

use crate::Error;
use standing::Mounted;
use survey::Carried;

pub(crate) use standing::Kept;

/// The drives of this computer.
#[derive(Clone)]
pub(crate) struct Drives {
    around: surroundings::Drives,
    shared: Arc<Mutex<Shared>>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Shared {
    /// The repositories found on each drive when it was mounted, by the ids of its mounts.
    carried: BTreeMap<Vec<u64>, Vec<Carried>>,
    /// The drives being ejected, by their ids; each with a sender to cancel it.
    ejecting: BTreeMap<String, watch::Sender<bool>>,
}

impl Drives {
    /// Watches the drives among `mounts`, and notifies `changed` when they change. Must be called inside a tokio
    /// runtime.
    pub(crate) fn watch(mounts: watch::Receiver<Arc<[Mount]>>, changed: watch::Sender<()>) -> Self {
        let drives = Self {
            around: surroundings::Drives::watch(mounts),
            shared: Arc::default(),
            changed,
        };
        let mut around = drives.around.clone();
        let (shared, changed) = (Arc::downgrade(&drives.shared), drives.changed.clone());
        tokio::spawn(async move {
            while let Some(seen) = around.changed().await {
                let Some(shared) = shared.upgrade() else { return };
                look_into(&shared, &seen, &[]).await;
                changed.send_replace(());
            }
        });
        drives
    }

    /// The drives to show now, and their problems. `is_refused` is true if there are folders that should be synced but
    /// are not; `declined` are ids.
    pub(crate) fn view(
        &self,
        kept: &[Kept],
        is_refused: bool,
        declined: &BTreeSet<String>,
    ) -> (Vec<contract::Drive>, Vec<Problem>) {
        // This measures their free space for the next call.
        self.around.look_again();
        let mounted = self.mounted();
        let ejecting = self.shared().ejecting.keys().cloned().collect();
        let drives = standing::standings(&mounted, kept, is_refused, declined, &ejecting);
        (drives, standing::doubles(&mounted, kept))
    }

    /// Creates a place for a folder on a drive; returns text for the user about what was done. The folder, which
    /// watches its configuration, brings the place up to date.
    ///
    /// # Errors
    ///
    /// Tells why it failed; nothing was changed.
    pub(crate) async fn use_for(
        &self,
        id: &str,
        folder: PathBuf,
        purpose: Purpose,
        kept: &[Kept],
    ) -> Result<String, Error> {
        let (_, one) = self.find(id, kept)?;
        let drive = one.drive;
        let changed = drive.mount_ids.clone();
        let adopted = tokio::task::spawn_blocking(move || adopt::adopt(&folder, &drive, purpose)).await;
        let adopted = adopted.unwrap_or_else(|_| {
            Err(Error::Refused(
                "it failed by an error in Anabranch itself; nothing that was there was changed".to_owned(),
            ))
        });
        // There may be a new repository on it now.
        look_into(&self.shared, &self.around.current(), &changed).await;
        self.changed.send_replace(());
        adopted
    }

    /// The name of a drive; none if it is not mounted.
    pub(crate) fn name(&self, id: &str) -> Option<String> {
        let (_, one) = self.find(id, &[]).ok()?;
        Some(survey::name_of(&one.drive))
    }

    /// All mounted drives, and the one with this `id`.
    fn find(&self, id: &str, kept: &[Kept]) -> Result<(Vec<Mounted>, Mounted), Error> {
        let mounted = self.mounted();
        let one = mounted.iter().find(|one| standing::id_of(one, &mounted, kept) == id);
        match one.cloned() {
            Some(one) => Ok((mounted, one)),
            None => Err(Error::Refused(
                "that drive is not mounted any more; nothing was changed. Plug it in and try again".to_owned(),
            )),
        }
    }

    fn mounted(&self) -> Vec<Mounted> {
        let seen = self.around.current();
        let shared = self.shared();
        // A drive that was not scanned yet may be a known one, so it is not shown as new.
        let mounted = seen.iter().filter_map(|drive| {
            let drive = drive.clone();
            let carried = match is_looked_into(&drive) {
                true => shared.carried.get(&drive.mount_ids)?.clone(),
                false => Vec::new(),
            };
            Some(Mounted { drive, carried })
        });
        mounted.collect()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // The shared values are facts that are valid separately, so a poisoned lock does no harm.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_looked_into(drive: &surroundings::Drive) -> bool {
    drive.is_removable && !drive.is_hidden
}

/// Searches for repositories on the new drives and on the one that changed, and forgets those on drives that are gone.
async fn look_into(shared: &Arc<Mutex<Shared>>, seen: &Arc<[surroundings::Drive]>, changed: &[u64]) {
    let (shared, seen, changed) = (Arc::clone(shared), Arc::clone(seen), changed.to_vec());
    let look = move || {
        let before = lock(&shared).carried.clone();
        let for_people = seen.iter().filter(|drive| is_looked_into(drive));
        let now = for_people.map(|drive| {
            let known = before
                .get(&drive.mount_ids)
                .filter(|_| drive.mount_ids != changed)
                .cloned();
            (drive.mount_ids.clone(), known.unwrap_or_else(|| survey::survey(drive)))
        });
        let now = now.collect();
        lock(&shared).carried = now;
    };
    // If the search failed, no repositories are known on the drives.
    let _ = tokio::task::spawn_blocking(look).await;
}
