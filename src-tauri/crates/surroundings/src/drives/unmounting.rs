//! Letting go of a drive, by UDisks2.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::time::Duration;

use zbus::zvariant::{OwnedObjectPath, Value};
use zbus::{Connection, Proxy};

use super::in_time;
use super::udisks::{DRIVE, FILESYSTEM, SERVICE, Told, flag};

/// How a drive was let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ejected {
    /// It is unmounted and switched off, or its medium is out.
    SwitchedOff,
    /// It is unmounted; it cannot be switched off, or other parts of it are in use.
    Unmounted,
}

/// Why a drive was not let go of. It is still mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotEjected {
    /// There is no UDisks2 here, or it does not know the drive.
    NoService,
    /// A program has files on it open.
    Busy,
    /// All that is written is not on the drive yet.
    Slow,
    /// UDisks2 refused; its words.
    Refused(String),
}

/// All that waits in memory is written before an unmount ends, and a slow drive takes its time.
const TIME_TO_WRITE: Duration = Duration::from_secs(300);
/// A drive that does not switch off by then does not.
const TIME_TO_STOP: Duration = Duration::from_secs(30);
/// A drive may be mounted at several places, and somebody may mount it again meanwhile.
const PLACES: usize = 16;

type Options<'a> = HashMap<&'a str, Value<'a>>;

/// Whether the drive is mounted anywhere.
pub(super) type IsMounted<'a> = dyn Fn() -> bool + Sync + 'a;

pub(super) async fn eject(bus: &Connection, device: &OsStr, is_mounted: &IsMounted<'_>) -> Result<Ejected, NotEjected> {
    let told = in_time(Told::by_udisks(bus)).await.ok_or(NotEjected::NoService)?;
    let block = told.block_of(device).ok_or(NotEjected::NoService)?;
    unmount(bus, block, is_mounted).await?;

    // An encrypted device is closed before the drive below it can be switched off.
    for layer in told.layers(block).iter().skip(1) {
        let lock = call(bus, layer, "org.freedesktop.UDisks2.Encrypted", "Lock");
        // If it does not close, the drive does not switch off: that is told.
        let _ = tokio::time::timeout(TIME_TO_STOP, lock).await;
    }
    let Some(drive) = told.drive_of(block) else {
        return Ok(Ejected::Unmounted);
    };
    let is = |name: &str| {
        told.interface(&drive, DRIVE)
            .is_some_and(|properties| flag(properties, name))
    };
    let stop = match (is("CanPowerOff"), is("Ejectable")) {
        (true, _) => "PowerOff",
        (false, true) => "Eject",
        (false, false) => return Ok(Ejected::Unmounted),
    };
    match tokio::time::timeout(TIME_TO_STOP, call(bus, &drive, DRIVE, stop)).await {
        Ok(Ok(())) => Ok(Ejected::SwitchedOff),
        // Another partition of it may be in use. It is unmounted all the same.
        Ok(Err(_)) | Err(_) => Ok(Ejected::Unmounted),
    }
}

async fn unmount(bus: &Connection, block: &OwnedObjectPath, is_mounted: &IsMounted<'_>) -> Result<(), NotEjected> {
    for _ in 0..PLACES {
        let unmount = call(bus, block, FILESYSTEM, "Unmount");
        let error = match tokio::time::timeout(TIME_TO_WRITE, unmount).await {
            Ok(unmounted) => unmounted.err(),
            Err(_) => return Err(NotEjected::Slow),
        };
        // The kernel knows at once, UDisks2 a moment later.
        if !is_mounted() {
            return Ok(());
        }
        match error {
            // There is another place.
            None => {}
            Some(zbus::Error::MethodError(name, _, _)) if name.ends_with(".DeviceBusy") => {
                return Err(NotEjected::Busy);
            }
            Some(zbus::Error::MethodError(name, words, _)) => {
                return Err(NotEjected::Refused(words.unwrap_or_else(|| name.to_string())));
            }
            Some(error) => return Err(NotEjected::Refused(error.to_string())),
        }
    }
    Err(NotEjected::Busy)
}

async fn call(bus: &Connection, object: &OwnedObjectPath, interface: &str, method: &str) -> zbus::Result<()> {
    let proxy = Proxy::new(bus, SERVICE, object, interface).await?;
    proxy.call::<_, _, ()>(method, &(Options::new(),)).await
}
