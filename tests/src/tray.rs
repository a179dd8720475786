//! A tray of the test's own: what a panel would see of the icon, and what it would do when somebody clicks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::runtime::Runtime;
use zbus::message::Header;
use zbus::proxy::CacheProperties;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, Proxy, connection, interface};

use crate::Desktop;
use crate::wait::{PATIENCE, eventually};

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const PATH: &str = "/StatusNotifierWatcher";
const ITEM: &str = "org.kde.StatusNotifierItem";

/// Where icons announce themselves.
struct Watcher {
    items: Arc<Mutex<Vec<String>>>,
}

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    async fn register_status_notifier_item(
        &self,
        service: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> zbus::fdo::Result<()> {
        // An icon names its bus name, or its object's path.
        let sender = header.sender().expect("the bus names senders").to_string();
        let name = if service.starts_with('/') {
            sender
        } else {
            service.to_owned()
        };
        self.items.lock().unwrap().push(name.clone());
        bus.emit_signal(None::<&str>, PATH, WATCHER, "StatusNotifierItemRegistered", &name)
            .await?;
        Ok(())
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items.lock().unwrap().clone()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

/// A tray on a desktop's bus. It is there until it is let go of, as a panel until it crashes.
pub struct TrayHost {
    runtime: Runtime,
    connection: Connection,
    items: Arc<Mutex<Vec<String>>>,
}

/// An entry of the menu.
#[derive(Debug)]
struct Entry {
    id: i32,
    /// Its label after those of the menus that it is in.
    label: String,
    is_enabled: bool,
}

/// Width, height, points.
type Picture = (i32, i32, Vec<u8>);
/// An entry's id, its properties, and the entries in it.
type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

impl TrayHost {
    /// Makes the bus one with a tray.
    ///
    /// # Panics
    ///
    /// When it has one already.
    #[must_use]
    pub fn start(desktop: &Desktop) -> TrayHost {
        let runtime = Runtime::new().unwrap();
        let items = Arc::new(Mutex::new(Vec::new()));
        let watcher = Watcher {
            items: Arc::clone(&items),
        };
        let connection = runtime.block_on(async {
            let address = connection::Builder::address(desktop.bus()).unwrap();
            let serving = address.serve_at(PATH, watcher).unwrap();
            serving.name(WATCHER).unwrap().build().await.unwrap()
        });
        TrayHost {
            runtime,
            connection,
            items,
        }
    }

    /// The bus name of the icon, once it has announced itself.
    #[track_caller]
    pub fn item(&self) -> String {
        eventually(PATIENCE, || match self.items.lock().unwrap().len() {
            0 => Err("no icon announced itself"),
            _ => Ok(()),
        });
        self.items.lock().unwrap().last().unwrap().clone()
    }

    async fn proxy(&self, item: String, path: String, interface: &'static str) -> zbus::Result<Proxy<'static>> {
        zbus::proxy::Builder::new(&self.connection)
            .destination(item)?
            .path(path)?
            .interface(interface)?
            .cache_properties(CacheProperties::No)
            .build()
            .await
    }

    /// A property of the icon.
    #[track_caller]
    pub fn property<T>(&self, name: &str) -> T
    where
        T: TryFrom<OwnedValue>,
        T::Error: Into<zbus::Error>,
    {
        let item = self.item();
        self.runtime.block_on(async {
            let icon = self.proxy(item, "/StatusNotifierItem".to_owned(), ITEM).await.unwrap();
            icon.get_property(name).await.unwrap()
        })
    }

    /// The words under the pointer.
    #[track_caller]
    pub fn tooltip(&self) -> String {
        let (_, _, _, words): (String, Vec<Picture>, String, String) = self.property("ToolTip");
        words
    }

    /// The picture: its width and its bytes, each point as alpha, red, green, blue.
    #[track_caller]
    pub fn picture(&self) -> (i32, Vec<u8>) {
        let mut pictures: Vec<Picture> = self.property("IconPixmap");
        assert_eq!(pictures.len(), 1);
        let (width, height, points) = pictures.remove(0);
        assert_eq!(width, height);
        (width, points)
    }

    /// What a left click does.
    #[track_caller]
    pub fn activate(&self) {
        let item = self.item();
        self.runtime.block_on(async {
            let icon = self.proxy(item, "/StatusNotifierItem".to_owned(), ITEM).await.unwrap();
            icon.call_method("Activate", &(10, 10)).await.unwrap();
        });
    }

    async fn menu(&self, item: String) -> zbus::Result<(Proxy<'static>, Vec<Entry>)> {
        let icon = self.proxy(item.clone(), "/StatusNotifierItem".to_owned(), ITEM).await?;
        let path: OwnedObjectPath = icon.get_property("Menu").await?;
        let menu = self.proxy(item, path.to_string(), "com.canonical.dbusmenu").await?;
        let (_, layout): (u32, Layout) = menu.call("GetLayout", &(0, -1, Vec::<String>::new())).await?;
        let mut entries = Vec::new();
        for child in &layout.2 {
            gather(child, "", &mut entries);
        }
        Ok((menu, entries))
    }

    /// The labels of all entries, each after those of the menus that it is in; greyed ones in brackets.
    #[track_caller]
    pub fn labels(&self) -> Vec<String> {
        let item = self.item();
        let (_, entries) = self.runtime.block_on(self.menu(item)).unwrap();
        let label = |entry: Entry| match entry.is_enabled {
            true => entry.label,
            false => format!("[{}]", entry.label),
        };
        entries.into_iter().map(label).collect()
    }

    /// The number by which the bus knows an entry now.
    #[track_caller]
    pub fn number(&self, label: &str) -> i32 {
        let item = self.item();
        let (_, entries) = self.runtime.block_on(self.menu(item)).unwrap();
        let entry = entries.iter().find(|entry| entry.label == label);
        entry.unwrap_or_else(|| panic!("no entry {label:?}: {entries:?}")).id
    }

    /// Clicks what has this number, if anything has.
    #[track_caller]
    pub fn click_number(&self, number: i32) {
        let item = self.item();
        self.runtime.block_on(async {
            let (menu, _) = self.menu(item).await.unwrap();
            let click = (number, "clicked", Value::I32(0), 0_u32);
            // That nothing has it is an answer too.
            let _ = menu.call_method("Event", &click).await;
        });
    }

    /// Clicks an entry. Its number changes with the menu, so a click that came too late is made again.
    #[track_caller]
    pub fn click(&self, label: &str) {
        let item = self.item();
        eventually(PATIENCE, || {
            self.runtime.block_on(async {
                let (menu, entries) = self.menu(item.clone()).await.map_err(|error| error.to_string())?;
                let entry = entries.iter().find(|entry| entry.label == label && entry.is_enabled);
                let entry = entry.ok_or_else(|| format!("no entry {label:?} to click: {entries:?}"))?;
                let click = (entry.id, "clicked", Value::I32(0), 0_u32);
                match menu.call_method("Event", &click).await {
                    Ok(_) => Ok(()),
                    // A program that was told to quit may be gone before it answers.
                    Err(zbus::Error::MethodError(name, ..)) if name == "org.freedesktop.DBus.Error.NoReply" => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            })
        });
    }
}

impl Drop for TrayHost {
    fn drop(&mut self) {
        // A bus that is gone has let go of the name too.
        let _ = self.runtime.block_on(self.connection.clone().close());
    }
}

/// Takes an entry and what is in it apart.
fn gather(value: &Value<'_>, above: &str, entries: &mut Vec<Entry>) {
    if let Value::Value(inner) = value {
        return gather(inner, above, entries);
    }
    let Value::Structure(fields) = value else {
        panic!("that is no entry: {value:?}")
    };
    let fields = fields.fields();
    let id: i32 = fields[0].try_clone().unwrap().try_into().unwrap();
    let properties: HashMap<String, OwnedValue> = fields[1].try_clone().unwrap().try_into().unwrap();
    let text = |name: &str| {
        properties
            .get(name)
            .and_then(|value| String::try_from(value.clone()).ok())
    };
    let own = match text("type").as_deref() {
        Some("separator") => "---".to_owned(),
        _ => text("label").unwrap_or_default(),
    };
    let label = if above.is_empty() {
        own
    } else {
        format!("{above} ▸ {own}")
    };
    let is_enabled = properties
        .get("enabled")
        .is_none_or(|value| bool::try_from(value).unwrap());
    entries.push(Entry {
        id,
        label: label.clone(),
        is_enabled,
    });
    let Value::Array(children) = &fields[2] else {
        panic!("an entry has a list of entries")
    };
    for child in children.iter() {
        gather(child, &label, entries);
    }
}
