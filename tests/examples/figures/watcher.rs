//! Where icons of the tray announce themselves, with the moment at which they do.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use whole_system::Desktop;
use zbus::{Connection, connection, interface};

struct Announcements(Sender<Instant>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Announcements {
    fn register_status_notifier_item(&self, _service: &str) {
        // Nobody asks any more only when all is over.
        let _ = self.0.send(Instant::now());
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }
}

/// A tray that only listens.
pub(crate) struct Watcher {
    announced: Receiver<Instant>,
    _serving: (Connection, Runtime),
}

impl Watcher {
    pub(crate) fn start(desktop: &Desktop) -> Watcher {
        let runtime = Runtime::new().unwrap();
        let (tell, announced) = channel();
        let connection = runtime.block_on(async {
            let address = connection::Builder::address(desktop.bus()).unwrap();
            let serving = address.serve_at("/StatusNotifierWatcher", Announcements(tell)).unwrap();
            serving
                .name("org.kde.StatusNotifierWatcher")
                .unwrap()
                .build()
                .await
                .unwrap()
        });
        Watcher {
            announced,
            _serving: (connection, runtime),
        }
    }

    /// When the next icon announces itself, or has done so since it was last asked.
    pub(crate) fn next(&self, patience: Duration) -> Instant {
        self.announced.recv_timeout(patience).expect("an icon announces itself")
    }
}
