//! Where a desktop says whether it is light or dark.

use tokio::runtime::Runtime;
use zbus::zvariant::{OwnedValue, Value};
use zbus::{Connection, connection, interface};

use crate::Desktop;

const PATH: &str = "/org/freedesktop/portal/desktop";
const NAMESPACE: &str = "org.freedesktop.appearance";
const KEY: &str = "color-scheme";

struct Settings {
    scheme: u32,
}

#[interface(name = "org.freedesktop.portal.Settings")]
impl Settings {
    fn read(&self, namespace: &str, key: &str) -> zbus::fdo::Result<OwnedValue> {
        match (namespace, key) {
            (NAMESPACE, KEY) => Ok(self.scheme.into()),
            _ => Err(zbus::fdo::Error::Failed(format!("no {key} in {namespace}"))),
        }
    }
}

/// A desktop's portal; it is there until it is let go of.
pub struct Portal {
    connection: Connection,
    runtime: Runtime,
}

impl Portal {
    /// Makes the desktop one that says which colours it has: 1 for dark and 2 for light.
    ///
    /// # Panics
    ///
    /// When it is one already.
    #[must_use]
    pub fn start(desktop: &Desktop, scheme: u32) -> Portal {
        let runtime = Runtime::new().unwrap();
        let connection = runtime.block_on(async {
            let address = connection::Builder::address(desktop.bus()).unwrap();
            let serving = address.serve_at(PATH, Settings { scheme }).unwrap();
            let named = serving.name("org.freedesktop.portal.Desktop").unwrap();
            named.build().await.unwrap()
        });
        Portal { connection, runtime }
    }

    /// Tells that the colours are others now.
    #[track_caller]
    pub fn changes(&self, scheme: u32) {
        let changed = (NAMESPACE, KEY, Value::U32(scheme));
        let (bus, interface) = (&self.connection, "org.freedesktop.portal.Settings");
        let told = bus.emit_signal(None::<&str>, PATH, interface, "SettingChanged", &changed);
        self.runtime.block_on(told).unwrap();
    }
}
