//! Where a desktop says whether it is light or dark.

use tokio::runtime::Runtime;
use whole_system::Desktop;
use zbus::zvariant::OwnedValue;
use zbus::{Connection, connection, interface};

/// 1 for dark and 2 for light.
struct Portal(u32);

#[interface(name = "org.freedesktop.portal.Settings")]
impl Portal {
    fn read(&self, _namespace: &str, _key: &str) -> OwnedValue {
        self.0.into()
    }
}

/// Says it on a desktop's bus for as long as what is returned is kept.
pub(crate) fn say(desktop: &Desktop, is_dark: bool) -> (Connection, Runtime) {
    let runtime = Runtime::new().unwrap();
    let portal = Portal(if is_dark { 1 } else { 2 });
    let connection = runtime.block_on(async {
        let address = connection::Builder::address(desktop.bus()).unwrap();
        let serving = address.serve_at("/org/freedesktop/portal/desktop", portal).unwrap();
        serving
            .name("org.freedesktop.portal.Desktop")
            .unwrap()
            .build()
            .await
            .unwrap()
    });
    (connection, runtime)
}
