use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use zbus::fdo::ObjectManager;
use zbus::interface;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::udisks::{ROOT, SERVICE};
use super::*;

/// A bus of our own, ended with the test.
struct TestBus {
    daemon: Child,
    address: String,
}

impl TestBus {
    fn start() -> Option<Self> {
        let command = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut daemon) = command else {
            crate::skipped::lacks("dbus-daemon", "dbus-daemon is not installed");
            return None;
        };
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        let address = address.trim().to_owned();
        Some(Self { daemon, address })
    }

    fn bus(&self) -> Bus {
        bus_at(&self.address)
    }
}

impl Drop for TestBus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn bus_at(address: &str) -> Bus {
    Bus {
        address: Some(address.to_owned()),
        ..Bus::default()
    }
}

fn object(name: &str) -> OwnedObjectPath {
    OwnedObjectPath::try_from(format!("{ROOT}/{name}")).unwrap()
}

/// A file system as UDisks2 shows it; `drive` and `backing` are `/` for none.
#[derive(Clone)]
struct Block {
    device: &'static str,
    drive: &'static str,
    backing: &'static str,
    system: bool,
    ignore: bool,
}

const STICK: Block = Block {
    device: "/dev/sdb1",
    drive: "drives/Stick",
    backing: "/",
    system: false,
    ignore: false,
};

fn zero_ended(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

#[interface(name = "org.freedesktop.UDisks2.Block")]
impl Block {
    #[zbus(property)]
    fn device(&self) -> Vec<u8> {
        zero_ended(self.device)
    }
    #[zbus(property)]
    fn symlinks(&self) -> Vec<Vec<u8>> {
        vec![
            zero_ended("/dev/disk/by-id/something"),
            zero_ended(&format!("{}-link", self.device)),
        ]
    }
    #[zbus(property)]
    fn id_label(&self) -> String {
        "STICK".into()
    }
    #[zbus(property, name = "IdUUID")]
    fn id_uuid(&self) -> String {
        "6F6B-D11B".into()
    }
    #[zbus(property)]
    fn id_type(&self) -> String {
        "exfat".into()
    }
    #[zbus(property)]
    fn hint_system(&self) -> bool {
        self.system
    }
    #[zbus(property)]
    fn hint_ignore(&self) -> bool {
        self.ignore
    }
    #[zbus(property)]
    fn drive(&self) -> OwnedObjectPath {
        or_none(self.drive)
    }
    #[zbus(property)]
    fn crypto_backing_device(&self) -> OwnedObjectPath {
        or_none(self.backing)
    }
}

fn or_none(name: &str) -> OwnedObjectPath {
    match name {
        "/" => OwnedObjectPath::try_from("/").unwrap(),
        name => object(name),
    }
}

struct Partition(&'static str);

#[interface(name = "org.freedesktop.UDisks2.Partition")]
impl Partition {
    #[zbus(property, name = "Type")]
    fn kind(&self) -> String {
        self.0.into()
    }
}

struct Stick;

#[interface(name = "org.freedesktop.UDisks2.Drive")]
impl Stick {
    #[zbus(property)]
    fn removable(&self) -> bool {
        true
    }
    #[zbus(property)]
    fn vendor(&self) -> String {
        "Maker".into()
    }
    #[zbus(property)]
    fn can_power_off(&self) -> bool {
        true
    }
    fn power_off(&self, _options: HashMap<String, OwnedValue>) {}
}

/// Mounted at so many places, or busy.
struct Filesystem {
    places: usize,
    busy: bool,
}

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.UDisks2.Error")]
enum Refusal {
    #[zbus(error)]
    ZBus(zbus::Error),
    DeviceBusy(String),
    NotMounted(String),
}

#[interface(name = "org.freedesktop.UDisks2.Filesystem")]
impl Filesystem {
    #[zbus(property)]
    fn mount_points(&self) -> Vec<Vec<u8>> {
        vec![zero_ended("/media/me/STICK"); self.places]
    }
    fn unmount(&mut self, _options: HashMap<String, OwnedValue>) -> Result<(), Refusal> {
        if self.busy {
            return Err(Refusal::DeviceBusy("target is busy".into()));
        }
        self.places = self
            .places
            .checked_sub(1)
            .ok_or(Refusal::NotMounted("it is not mounted".into()))?;
        Ok(())
    }
}

async fn udisks(address: &str) -> Connection {
    let serve = zbus::connection::Builder::address(address).unwrap();
    let serve = serve.serve_at(ROOT, ObjectManager).unwrap();
    let serve = serve.serve_at(object("drives/Stick"), Stick).unwrap();
    serve.name(SERVICE).unwrap().build().await.unwrap()
}

async fn add(udisks: &Connection, name: &str, block: Block) {
    udisks.object_server().at(object(name), block).await.unwrap();
}

fn mount(device: &str, point: &Path) -> Mount {
    let line = format!("7 1 8:17 / {} rw - fuseblk {device} rw", point.display());
    crate::mounts::parse_mountinfo(line.as_bytes()).remove(0)
}

#[tokio::test]
async fn a_stick_is_described_as_udisks_has_it() {
    let Some(bus) = TestBus::start() else { return };
    let udisks = udisks(&bus.address).await;
    add(&udisks, "block_devices/sdb1", STICK).await;
    let files = Filesystem { places: 1, busy: false };
    udisks
        .object_server()
        .at(object("block_devices/sdb1"), files)
        .await
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    for device in ["/dev/sdb1", "/dev/sdb1-link"] {
        let drives = look(&bus.bus(), &[mount(device, place.path())]).await;
        let [drive] = &drives[..] else { panic!("{drives:?}") };
        assert_eq!(
            (drive.uuid.as_deref(), drive.label.as_deref()),
            (Some("6F6B-D11B"), Some("STICK"))
        );
        assert_eq!((drive.model.as_str(), drive.fs_type.as_str()), ("Maker", "exfat"));
        assert!(drive.is_removable && !drive.is_hidden && !drive.is_read_only && drive.can_eject);
        assert!(drive.bytes > 0 && drive.free <= drive.bytes);
    }
    let unknown = look(&bus.bus(), &[mount("/dev/no-such-device", place.path())]).await;
    assert!(!unknown[0].is_removable && !unknown[0].can_eject);
}

#[tokio::test]
async fn system_partitions_are_hidden_and_encrypted_ones_belong_to_the_drive_below() {
    let Some(bus) = TestBus::start() else { return };
    let udisks = udisks(&bus.address).await;
    add(&udisks, "block_devices/sdb1", STICK).await;
    add(
        &udisks,
        "block_devices/sdb2",
        Block {
            device: "/dev/sdb2",
            ignore: true,
            ..STICK
        },
    )
    .await;
    add(
        &udisks,
        "block_devices/sdb3",
        Block {
            device: "/dev/sdb3",
            ..STICK
        },
    )
    .await;
    let efi = Partition("C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
    udisks
        .object_server()
        .at(object("block_devices/sdb3"), efi)
        .await
        .unwrap();
    let open = Block {
        device: "/dev/mapper/luks",
        drive: "/",
        backing: "block_devices/sdb1",
        ..STICK
    };
    add(&udisks, "block_devices/dm_2d0", open).await;
    let image = Block {
        device: "/dev/loop7",
        drive: "/",
        ..STICK
    };
    add(&udisks, "block_devices/loop7", image.clone()).await;
    add(
        &udisks,
        "block_devices/loop8",
        Block {
            device: "/dev/loop8",
            system: true,
            ..image
        },
    )
    .await;

    let told = Told::by_udisks(&bus.bus().get().await.unwrap()).await.unwrap();
    for (device, point, removable, hidden) in [
        ("/dev/sdb1", "/mnt", true, false),
        ("/dev/sdb2", "/mnt", true, true),
        ("/dev/sdb3", "/mnt", true, true),
        ("/dev/mapper/luks", "/mnt", true, false),
        ("/dev/loop7", "/mnt", true, false),
        ("/dev/loop8", "/mnt", false, true),
        ("/dev/loop8", "/media/me/IMAGE", true, false),
        ("/dev/loop8", "/run/media/me/IMAGE", true, false),
        ("/dev/loop8", "/mediation", false, true),
    ] {
        let detail = told.detail(OsStr::new(device), Path::new(point)).unwrap();
        assert_eq!(
            (detail.is_removable, detail.is_hidden),
            (removable, hidden),
            "{device} at {point}"
        );
    }
}

#[tokio::test]
async fn without_a_bus_drives_are_seen_all_the_same() {
    let place = tempfile::tempdir().unwrap();
    let bus = bus_at("unix:path=/nonexistent/bus");
    let table: Arc<[Mount]> = [mount("/dev/no-such-device", place.path()), mount("tmpfs", place.path())].into();
    let (_sender, mounts) = watch::channel(table);
    let mut drives = Drives::watch_on(bus, mounts);
    let seen = drives.changed().await.unwrap();
    assert_eq!(seen.len(), 1, "a tmpfs is no drive: {seen:?}");
    assert_eq!((seen[0].uuid.as_deref(), seen[0].can_eject), (None, false));
    assert_eq!(drives.eject(&seen[0]).await, Err(NotEjected::NoService));
}

#[tokio::test]
async fn details_that_udisks_learns_after_the_mount_are_used() {
    let Some(bus) = TestBus::start() else { return };
    let udisks = udisks(&bus.address).await;
    let place = tempfile::tempdir().unwrap();
    let (_sender, mounts) = watch::channel(Arc::from([mount("/dev/sdb1", place.path())]));
    let mut drives = Drives::watch_on(bus.bus(), mounts);
    assert_eq!(drives.changed().await.unwrap()[0].uuid, None);
    add(&udisks, "block_devices/sdb1", STICK).await;
    let seen = tokio::time::timeout(Duration::from_secs(20), drives.changed()).await;
    assert_eq!(seen.unwrap().unwrap()[0].uuid.as_deref(), Some("6F6B-D11B"));
}

#[tokio::test]
async fn an_ejected_drive_is_unmounted_everywhere_and_switched_off() {
    let Some(bus) = TestBus::start() else { return };
    let udisks = udisks(&bus.address).await;
    let connection = bus.bus().get().await.unwrap();
    let devices = ["/dev/sdb1", "/dev/sdb2", "/dev/sdb3", "/dev/sdb4", "/dev/loop7"];
    for (device, places, busy, expected) in [
        (devices[0], 1, false, Ok(Ejected::SwitchedOff)),
        (devices[1], 3, false, Ok(Ejected::SwitchedOff)),
        (devices[2], 1, true, Err(NotEjected::Busy)),
        (
            devices[3],
            0,
            false,
            Err(NotEjected::Refused("it is not mounted".into())),
        ),
        (devices[4], 1, false, Ok(Ejected::Unmounted)),
    ] {
        let drive = if device == devices[4] { "/" } else { STICK.drive };
        let name = format!("block_devices{}", device.strip_prefix("/dev").unwrap());
        add(&udisks, &name, Block { device, drive, ..STICK }).await;
        let files = Filesystem { places, busy };
        udisks.object_server().at(object(&name), files).await.unwrap();
        let asked = AtomicUsize::new(0);
        let is_mounted = || asked.fetch_add(1, Ordering::Relaxed) + 1 != places || busy;
        let ejected = unmounting::eject(&connection, OsStr::new(device), &is_mounted).await;
        assert_eq!(ejected, expected, "{device}");
    }
    let unknown = unmounting::eject(&connection, OsStr::new("/dev/sdz9"), &|| true).await;
    assert_eq!(unknown, Err(NotEjected::NoService));
}
