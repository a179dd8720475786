//! Which drives are mounted, and how to let go of one.
//!
//! The kernel's table of mounts says what is mounted; UDisks2 on the system bus says what it is. Everything works without
//! UDisks2 too: then udev's links and sysfs are asked, and drives can be seen but not unmounted from here.

mod kernel;
mod udisks;
mod unmounting;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OnceCell, watch};
use zbus::Connection;

use crate::Mount;
use crate::mounts::mounts_now;
use udisks::Told;

pub use unmounting::{Ejected, NotEjected};

/// A file system on a block device that is mounted now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drive {
    /// Its block device, such as `/dev/sdb1`.
    pub device: OsString,
    /// Where it is mounted: at least one place, the one for people first.
    pub points: Vec<PathBuf>,
    /// The kernel's numbers for these mounts: others when it was taken out and put back.
    pub mount_ids: Vec<u64>,
    /// The uuid of the file system (for FAT a short number): the only thing that a drive is known by.
    pub uuid: Option<String>,
    /// The label of the file system.
    pub label: Option<String>,
    /// Maker and model; empty if not known.
    pub model: String,
    /// The type of file system, such as `vfat`; `fuseblk` if a program serves it and nobody says what it is.
    pub fs_type: String,
    /// The bytes that it has room for.
    pub bytes: u64,
    /// The bytes that are free for this user.
    pub free: u64,
    /// True if nothing can be written on it.
    pub is_read_only: bool,
    /// True if the drive or its medium can be taken out.
    pub is_removable: bool,
    /// True if it is the system's own, or not for people: ignored, for booting, for recovery.
    pub is_hidden: bool,
    /// True if UDisks2 knows that it is mounted, and so can unmount it.
    pub can_eject: bool,
}

/// A block device, as UDisks2 or the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Detail {
    uuid: Option<String>,
    label: Option<String>,
    model: String,
    fs_type: Option<String>,
    is_read_only: bool,
    is_removable: bool,
    is_hidden: bool,
    can_eject: bool,
}

/// Several changes in quick succession are looked at once.
const BURST: Duration = Duration::from_millis(50);
/// The daemon may have to be started by the bus, but nobody waits for a description longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// The drives that are mounted, kept up to date. Sleeps until the table of mounts or UDisks2 reports a change.
#[derive(Debug, Clone)]
pub struct Drives {
    bus: Bus,
    seen: watch::Receiver<Arc<[Drive]>>,
    again: Arc<Notify>,
}

/// The connection to the system bus; made when first needed, and tried again when it could not be made.
#[derive(Debug, Clone, Default)]
struct Bus {
    address: Option<String>,
    connection: Arc<OnceCell<Connection>>,
}

impl Drives {
    /// Starts to follow the drives among `mounts`. Must be called inside a tokio runtime; ends with the last clone.
    pub fn watch(mounts: watch::Receiver<Arc<[Mount]>>) -> Self {
        Self::watch_on(Bus::default(), mounts)
    }

    fn watch_on(bus: Bus, mounts: watch::Receiver<Arc<[Mount]>>) -> Self {
        let (sender, seen) = watch::channel(Arc::from([]));
        let again = Arc::new(Notify::new());
        tokio::spawn(follow(bus.clone(), mounts, again.clone(), sender));
        Self { bus, seen, again }
    }

    /// The drives as they were last seen, in the order of mounting. Empty until they were first looked at.
    pub fn current(&self) -> Arc<[Drive]> {
        self.seen.borrow().clone()
    }

    /// Waits until they are others than when this was last called, or have another amount of room.
    pub async fn changed(&mut self) -> Option<Arc<[Drive]>> {
        self.seen.changed().await.ok()?;
        Some(self.seen.borrow_and_update().clone())
    }

    /// Says that they may have another amount of room now.
    pub fn look_again(&self) {
        self.again.notify_one();
    }

    /// Unmounts a drive wherever it is mounted and, where possible, switches it off.
    ///
    /// # Errors
    ///
    /// Says why not; nothing was lost.
    pub async fn eject(&self, drive: &Drive) -> Result<Ejected, NotEjected> {
        let bus = self.bus.get().await.ok_or(NotEjected::NoService)?;
        // Where the table cannot be read nobody knows better than UDisks2.
        let is_mounted = || mounts_now().iter().any(|mount| mount.device == drive.device);
        unmounting::eject(&bus, &drive.device, &is_mounted).await
    }
}

impl Bus {
    async fn get(&self) -> Option<Connection> {
        let connect = async {
            match &self.address {
                Some(address) => zbus::connection::Builder::address(address.as_str())?.build().await,
                None => Connection::system().await,
            }
        };
        let connection = self
            .connection
            .get_or_try_init(|| async { in_time(connect).await.ok_or(()) });
        connection.await.ok().cloned()
    }
}

async fn in_time<T>(work: impl Future<Output = zbus::Result<T>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, work).await.ok()?.ok()
}

async fn follow(
    bus: Bus,
    mut mounts: watch::Receiver<Arc<[Mount]>>,
    again: Arc<Notify>,
    seen: watch::Sender<Arc<[Drive]>>,
) {
    let mut news = None;
    loop {
        let table = mounts.borrow_and_update().clone();
        // Listened for before anything is read: no change falls between.
        if news.is_none()
            && let Some(bus) = bus.get().await
        {
            news = in_time(udisks::News::listen(&bus)).await;
        }
        let mut drives = look(&bus, &table).await;
        loop {
            if **seen.borrow() != *drives {
                seen.send_replace(drives.as_slice().into());
            }
            tokio::select! {
                changed = mounts.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                () = udisks::News::next(&mut news) => break,
                () = again.notified() => drives = measure(drives).await,
                () = seen.closed() => return,
            }
        }
        tokio::time::sleep(BURST).await;
    }
}

/// How full these drives are now.
async fn measure(mut drives: Vec<Drive>) -> Vec<Drive> {
    let before = drives.clone();
    let measured = tokio::task::spawn_blocking(move || {
        for drive in drives.iter_mut().filter(|drive| !drive.is_hidden) {
            let space = drive.points.first().and_then(|point| space(point));
            (drive.bytes, drive.free) = space.unwrap_or((drive.bytes, drive.free));
        }
        drives
    });
    match tokio::time::timeout(PATIENCE, measured).await {
        Ok(Ok(drives)) => drives,
        Ok(Err(_)) | Err(_) => before,
    }
}

/// The bytes that the file system at `point` has room for, and those that are free.
fn space(point: &Path) -> Option<(u64, u64)> {
    let space = rustix::fs::statvfs(point).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
    Some((bytes(space.f_blocks), bytes(space.f_bavail)))
}

/// The drives among the mounts.
async fn look(bus: &Bus, table: &[Mount]) -> Vec<Drive> {
    let mut devices: BTreeMap<&[u8], Vec<&Mount>> = BTreeMap::new();
    for mount in table
        .iter()
        .filter(|mount| mount.device.as_bytes().starts_with(b"/dev/"))
    {
        devices.entry(mount.device.as_bytes()).or_default().push(mount);
    }
    if devices.is_empty() {
        return Vec::new();
    }
    let told = match bus.get().await {
        Some(bus) => in_time(Told::by_udisks(&bus)).await,
        None => None,
    };
    let groups: Vec<Vec<Mount>> = devices
        .into_values()
        .map(|mounts| mounts.into_iter().cloned().collect())
        .collect();
    // A file system whose drive fails may not answer: then it is no drive until the next change.
    let measured = tokio::task::spawn_blocking(move || {
        let drives = groups.into_iter().filter_map(|mounts| drive(told.as_ref(), mounts));
        drives.collect::<Vec<_>>()
    });
    let mut drives = match tokio::time::timeout(PATIENCE, measured).await {
        Ok(Ok(drives)) => drives,
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    drives.sort_by_key(|drive| drive.mount_ids.first().copied());
    drives
}

/// Describes and measures one device that is mounted at these places.
fn drive(told: Option<&Told>, mut mounts: Vec<Mount>) -> Option<Drive> {
    // A bind mount of one directory, or of one file, is another name for a part of what is mounted somewhere as a whole.
    mounts.sort_by_key(|mount| (mount.root != Path::new("/"), mount.id));
    mounts.retain(|mount| mount.point.is_dir());
    let first = mounts.first()?;
    let detail = told
        .and_then(|told| told.detail(&first.device, &first.point))
        .unwrap_or_else(|| kernel::detail(first));
    // Don't ask a hidden drive for its free space.
    let space = if detail.is_hidden { (0, 0) } else { space(&first.point)? };
    Some(Drive {
        device: first.device.clone(),
        is_read_only: detail.is_read_only || mounts.iter().all(|mount| mount.read_only),
        fs_type: detail.fs_type.unwrap_or_else(|| first.fs_type.clone()),
        points: mounts.iter().map(|mount| mount.point.clone()).collect(),
        mount_ids: mounts.iter().map(|mount| mount.id).collect(),
        uuid: detail.uuid,
        label: detail.label,
        model: detail.model,
        bytes: space.0,
        free: space.1,
        is_removable: detail.is_removable,
        is_hidden: detail.is_hidden,
        can_eject: detail.can_eject,
    })
}

/// True for the places where desktops mount drives for people.
///
/// A loop device (an image file) has no drive behind it, and both UDisks2 and the kernel call it a part of the system.
/// Desktop file managers (GLib's `g_unix_mount_guess_should_display`) show what is mounted at these places whatever it is
/// mounted from; so does this.
fn is_for_people(point: &Path) -> bool {
    point.starts_with("/media") || point.starts_with("/run/media")
}

#[cfg(test)]
mod tests;
