//! Which drive a block device is, from UDisks2 on the system bus. Everything works without: then drives have no label.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use tokio::sync::OnceCell;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, Proxy};

/// A drive, or a partition of one, as UDisks2 describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drive {
    /// The label of the file system, if it has one.
    pub label: Option<String>,
    /// The uuid of the file system (for FAT a short number), if it has one.
    pub uuid: Option<String>,
    /// True if the drive, or its medium, can be taken out.
    pub removable: bool,
    /// How it is connected, such as `usb` or `sdio`; empty for an internal one.
    pub connection: String,
    /// Maker and model, for a sentence about the drive.
    pub model: String,
}

/// The connection to UDisks2. Made when first needed; if there is no system bus, not tried again.
#[derive(Debug, Default)]
pub struct Drives {
    bus: OnceCell<Option<Connection>>,
}

const SERVICE: &str = "org.freedesktop.UDisks2";

/// The daemon may have to be started by the bus, but nobody waits for a label longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

impl Drives {
    /// Makes no connection yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Describes a block device such as `/dev/sdb1`. None if it is none, or without UDisks2.
    pub async fn describe(&self, device: &OsStr) -> Option<Drive> {
        if !device.as_bytes().starts_with(b"/dev/") {
            return None;
        }
        let bus = self
            .bus
            .get_or_init(|| async { in_time(Connection::system()).await })
            .await;
        in_time(describe(bus.as_ref()?, device.to_str()?)).await
    }
}

async fn in_time<T>(work: impl Future<Output = zbus::Result<T>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, work).await.ok()?.ok()
}

async fn describe(bus: &Connection, device: &str) -> zbus::Result<Drive> {
    let manager = Proxy::new(
        bus,
        SERVICE,
        "/org/freedesktop/UDisks2/Manager",
        "org.freedesktop.UDisks2.Manager",
    )
    .await?;
    let which = HashMap::from([("path", Value::from(device))]);
    let found: Vec<OwnedObjectPath> = manager
        .call("ResolveDevice", &(which, HashMap::<&str, Value<'_>>::new()))
        .await?;
    let block = properties(
        bus,
        found.first().ok_or(zbus::Error::InterfaceNotFound)?,
        "org.freedesktop.UDisks2.Block",
    )
    .await?;
    let drive_path: Option<OwnedObjectPath> = block
        .get("Drive")
        .and_then(|path| path.try_clone().ok()?.try_into().ok());
    // A loop device has no drive; its path is "/".
    let drive = match drive_path.filter(|path| path.as_str() != "/") {
        Some(path) => properties(bus, &path, "org.freedesktop.UDisks2.Drive").await?,
        None => HashMap::new(),
    };
    let is = |name: &str| {
        drive
            .get(name)
            .is_some_and(|value| bool::try_from(value).unwrap_or(false))
    };
    let connection = text(&drive, "ConnectionBus");
    Ok(Drive {
        label: Some(text(&block, "IdLabel")).filter(|label| !label.is_empty()),
        uuid: Some(text(&block, "IdUUID")).filter(|uuid| !uuid.is_empty()),
        removable: is("Removable") || is("MediaRemovable"),
        model: format!("{} {}", text(&drive, "Vendor"), text(&drive, "Model"))
            .trim()
            .to_owned(),
        connection,
    })
}

type Properties = HashMap<String, OwnedValue>;

async fn properties(bus: &Connection, path: &OwnedObjectPath, interface: &str) -> zbus::Result<Properties> {
    let object = Proxy::new(bus, SERVICE, path, "org.freedesktop.DBus.Properties").await?;
    object.call("GetAll", &(interface,)).await
}

fn text(properties: &Properties, name: &str) -> String {
    properties
        .get(name)
        .and_then(|value| <&str>::try_from(value).ok())
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use zbus::interface;

    use super::*;

    impl Drives {
        async fn on(address: &str) -> Self {
            let connection = in_time(zbus::connection::Builder::address(address).unwrap().build()).await;
            Self {
                bus: OnceCell::new_with(Some(connection)),
            }
        }
    }

    #[tokio::test]
    async fn without_a_bus_nothing_is_described() {
        let drives = Drives::on("unix:path=/nonexistent/bus").await;
        assert_eq!(drives.describe(OsStr::new("/dev/sdb1")).await, None);
        assert_eq!(Drives::new().describe(OsStr::new("tmpfs")).await, None);
    }

    struct Manager;

    #[interface(name = "org.freedesktop.UDisks2.Manager")]
    impl Manager {
        fn resolve_device(
            &self,
            which: HashMap<String, OwnedValue>,
            _options: HashMap<String, OwnedValue>,
        ) -> Vec<OwnedObjectPath> {
            let known = <&str>::try_from(&which["path"]) == Ok("/dev/sdb1");
            known
                .then(|| OwnedObjectPath::try_from("/org/freedesktop/UDisks2/block_devices/sdb1").unwrap())
                .into_iter()
                .collect()
        }
    }

    struct Block;

    #[interface(name = "org.freedesktop.UDisks2.Block")]
    impl Block {
        #[zbus(property)]
        fn id_label(&self) -> String {
            "STICK".into()
        }
        #[zbus(property, name = "IdUUID")]
        fn id_uuid(&self) -> String {
            "6F6B-D11B".into()
        }
        #[zbus(property)]
        fn drive(&self) -> OwnedObjectPath {
            OwnedObjectPath::try_from("/org/freedesktop/UDisks2/drives/Stick").unwrap()
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
        fn connection_bus(&self) -> String {
            "usb".into()
        }
        #[zbus(property)]
        fn vendor(&self) -> String {
            "Maker".into()
        }
    }

    /// A bus of our own, ended with the test.
    struct Bus(Child);

    impl Drop for Bus {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[tokio::test]
    async fn a_stick_is_described_as_udisks_has_it() {
        let command = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut daemon) = command else {
            println!("skipped: dbus-daemon is not installed");
            return;
        };
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        let _bus = Bus(daemon);
        let _udisks = zbus::connection::Builder::address(address.trim())
            .unwrap()
            .serve_at("/org/freedesktop/UDisks2/Manager", Manager)
            .unwrap()
            .serve_at("/org/freedesktop/UDisks2/block_devices/sdb1", Block)
            .unwrap()
            .serve_at("/org/freedesktop/UDisks2/drives/Stick", Stick)
            .unwrap()
            .name(SERVICE)
            .unwrap()
            .build()
            .await
            .unwrap();
        let drives = Drives::on(address.trim()).await;
        let expected = Drive {
            label: Some("STICK".into()),
            uuid: Some("6F6B-D11B".into()),
            removable: true,
            connection: "usb".into(),
            model: "Maker".into(),
        };
        assert_eq!(drives.describe(OsStr::new("/dev/sdb1")).await, Some(expected));
        assert_eq!(drives.describe(OsStr::new("/dev/sdz9")).await, None);
    }
}
