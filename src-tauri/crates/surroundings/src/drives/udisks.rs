//! What a block device is, by UDisks2.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use futures_util::StreamExt;
use zbus::message::Type;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus::{Connection, MatchRule, MessageStream, Proxy};

use super::{Detail, is_for_people};

pub(super) const SERVICE: &str = "org.freedesktop.UDisks2";
pub(super) const ROOT: &str = "/org/freedesktop/UDisks2";
pub(super) const BLOCK: &str = "org.freedesktop.UDisks2.Block";
pub(super) const DRIVE: &str = "org.freedesktop.UDisks2.Drive";
pub(super) const FILESYSTEM: &str = "org.freedesktop.UDisks2.Filesystem";
const PARTITION: &str = "org.freedesktop.UDisks2.Partition";

type Properties = HashMap<String, OwnedValue>;

/// All that UDisks2 knows, at one moment.
#[derive(Debug, Default)]
pub(super) struct Told {
    objects: HashMap<OwnedObjectPath, HashMap<String, Properties>>,
}

/// Partitions that are not for people, by their type in a GPT or in an old partition table: for booting, reserved by a
/// system, for recovery.
const NOT_FOR_PEOPLE: [&str; 10] = [
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    "21686148-6449-6e6f-744e-656564454649",
    "bc13c2ff-59e6-4262-a352-b275fd6f7172",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae",
    "de94bba4-06d1-4d40-a16a-bfd50179d6ac",
    "5265636f-7665-11aa-aa11-00306543ecac",
    "426f6f74-0000-11aa-aa11-00306543ecac",
    "0xef",
    "0x27",
    "0x12",
];

/// How many devices may lie one upon the other, such as an encrypted one on a partition.
const DEPTH: usize = 4;

impl Told {
    pub(super) async fn by_udisks(bus: &Connection) -> zbus::Result<Self> {
        let manager = Proxy::new(bus, SERVICE, ROOT, "org.freedesktop.DBus.ObjectManager").await?;
        let objects = manager.call("GetManagedObjects", &()).await?;
        Ok(Self { objects })
    }

    /// The object of a block device such as `/dev/sdb1`.
    pub(super) fn block_of(&self, device: &OsStr) -> Option<&OwnedObjectPath> {
        let is_it = |value: &[u8]| value == device.as_bytes();
        let named = |block: &Properties| {
            ["Device", "PreferredDevice"]
                .iter()
                .any(|name| is_it(&bytes(block, name)))
                || byte_strings(block, "Symlinks").iter().any(|link| is_it(link))
        };
        let mut blocks = self
            .objects
            .iter()
            .filter(|(_, interfaces)| interfaces.get(BLOCK).is_some_and(named));
        blocks.next().map(|(path, _)| path)
    }

    pub(super) fn interface(&self, path: &OwnedObjectPath, name: &str) -> Option<&Properties> {
        self.objects.get(path)?.get(name)
    }

    /// The block devices from this one down to the one that is a part of a drive: an encrypted file system lies on another.
    pub(super) fn layers(&self, block: &OwnedObjectPath) -> Vec<OwnedObjectPath> {
        let below = |path: &OwnedObjectPath| object_path(self.interface(path, BLOCK)?, "CryptoBackingDevice");
        std::iter::successors(Some(block.clone()), below).take(DEPTH).collect()
    }

    /// The drive that a block device is on; a loop device is on none.
    pub(super) fn drive_of(&self, block: &OwnedObjectPath) -> Option<OwnedObjectPath> {
        let layers = self.layers(block);
        layers
            .iter()
            .find_map(|layer| object_path(self.interface(layer, BLOCK)?, "Drive"))
    }

    /// Describes a device that is mounted at `point`; none if UDisks2 does not know it.
    pub(super) fn detail(&self, device: &OsStr, point: &Path) -> Option<Detail> {
        let path = self.block_of(device)?;
        let block = self.interface(path, BLOCK)?;
        let empty = Properties::new();
        let drive = self.drive_of(path);
        let has_drive = drive.is_some();
        let drive = drive.and_then(|drive| self.interface(&drive, DRIVE)).unwrap_or(&empty);
        let is_removable = match has_drive {
            true => ["Removable", "MediaRemovable", "Ejectable"]
                .iter()
                .any(|name| flag(drive, name)),
            false => is_for_people(point) || !flag(block, "HintSystem"),
        };
        let layers = self.layers(path);
        let any_layer = |name: &str| {
            let blocks = layers.iter().filter_map(|layer| self.interface(layer, BLOCK));
            blocks.filter(|block| flag(block, name)).count() > 0
        };
        let is_reserved = layers
            .iter()
            .filter_map(|layer| self.interface(layer, PARTITION))
            .any(|partition| NOT_FOR_PEOPLE.contains(&text(partition, "Type").to_ascii_lowercase().as_str()));
        let is_system = any_layer("HintSystem") && !is_for_people(point);
        let some = |name: &str| Some(text(block, name)).filter(|text| !text.is_empty());
        Some(Detail {
            uuid: some("IdUUID"),
            label: some("IdLabel"),
            model: format!("{} {}", text(drive, "Vendor"), text(drive, "Model"))
                .trim()
                .to_owned(),
            fs_type: some("IdType"),
            is_read_only: flag(block, "ReadOnly"),
            is_removable,
            is_hidden: any_layer("HintIgnore") || is_reserved || is_system,
            can_eject: self
                .interface(path, FILESYSTEM)
                .is_some_and(|files| !byte_strings(files, "MountPoints").is_empty()),
        })
    }
}

/// Word from UDisks2 that a device or a drive came, changed or went.
pub(super) struct News(MessageStream);

impl News {
    pub(super) async fn listen(bus: &Connection) -> zbus::Result<Self> {
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(SERVICE)?
            .path_namespace(ROOT)?
            .build();
        // If they come faster than they are read, one is as good as all.
        Ok(Self(MessageStream::for_match_rule(rule, bus, Some(64)).await?))
    }

    /// Waits for some; none ever come if nobody is listened to. A bus that ended is forgotten.
    pub(super) async fn next(news: &mut Option<Self>) {
        while let Some(Self(stream)) = news {
            match stream.next().await {
                Some(Ok(message)) => {
                    let header = message.header();
                    // Work that UDisks2 does is no change of a drive.
                    let is_job = header.path().is_some_and(|path| path.contains("/jobs/"));
                    if !is_job {
                        return;
                    }
                }
                Some(Err(_)) => {}
                None => *news = None,
            }
        }
        std::future::pending::<()>().await;
    }
}

pub(super) fn text(properties: &Properties, name: &str) -> String {
    let value = properties.get(name).and_then(|value| <&str>::try_from(value).ok());
    value.unwrap_or_default().to_owned()
}

pub(super) fn flag(properties: &Properties, name: &str) -> bool {
    properties
        .get(name)
        .is_some_and(|value| bool::try_from(value).unwrap_or(false))
}

/// A path of another object; `/` says that there is none.
fn object_path(properties: &Properties, name: &str) -> Option<OwnedObjectPath> {
    let path: OwnedObjectPath = properties.get(name)?.try_clone().ok()?.try_into().ok()?;
    (path.as_str() != "/").then_some(path)
}

/// Bytes that UDisks2 ends with a zero, as C does.
fn without_zero(mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes
}

fn bytes(properties: &Properties, name: &str) -> Vec<u8> {
    let value = properties.get(name).and_then(|value| value.try_clone().ok());
    without_zero(
        value
            .and_then(|value| Vec::<u8>::try_from(value).ok())
            .unwrap_or_default(),
    )
}

fn byte_strings(properties: &Properties, name: &str) -> Vec<Vec<u8>> {
    let value = properties.get(name).and_then(|value| value.try_clone().ok());
    let strings = value
        .and_then(|value| Vec::<Vec<u8>>::try_from(value).ok())
        .unwrap_or_default();
    strings.into_iter().map(without_zero).collect()
}
