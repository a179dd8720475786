//! What running costs now: battery (UPower) and metered network (NetworkManager), from the system bus. Without bus or
//! service nothing is known to cost anything.

use futures_util::StreamExt;
use tokio::sync::watch;
use zbus::proxy::CacheProperties;
use zbus::{Connection, Proxy};

/// What running costs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Circumstances {
    /// This computer runs on battery.
    pub on_battery: bool,
    /// The network costs money, or is guessed to.
    pub metered: bool,
}

/// A property that is followed.
struct Fact {
    service: &'static str,
    path: &'static str,
    property: &'static str,
    /// Takes it to be so.
    learn: fn(&mut Circumstances, &zbus::zvariant::Value<'_>),
}

const FACTS: [Fact; 2] = [
    Fact {
        service: "org.freedesktop.UPower",
        path: "/org/freedesktop/UPower",
        property: "OnBattery",
        learn: |now, value| now.on_battery = bool::try_from(value).unwrap_or(false),
    },
    Fact {
        service: "org.freedesktop.NetworkManager",
        path: "/org/freedesktop/NetworkManager",
        property: "Metered",
        // NMMetered: 1 is yes, 3 is a guess that it is.
        learn: |now, value| now.metered = u32::try_from(value).is_ok_and(|metered| matches!(metered, 1 | 3)),
    },
];

impl Circumstances {
    /// Follows them until nobody listens any more. Must be called inside a tokio runtime.
    #[must_use]
    pub fn watch() -> watch::Receiver<Self> {
        let (sender, now) = watch::channel(Self::default());
        tokio::spawn(async move {
            if let Ok(bus) = Connection::system().await {
                follow_all(&bus, sender).await;
            }
        });
        now
    }
}

async fn follow_all(bus: &Connection, now: watch::Sender<Circumstances>) {
    let [battery, metered] = &FACTS;
    tokio::select! {
        _ = async { tokio::join!(follow(bus, battery, &now), follow(bus, metered, &now)) } => {}
        () = now.closed() => {}
    }
}

/// Follows one; ends if the bus does, or has no such service.
async fn follow(bus: &Connection, fact: &Fact, now: &watch::Sender<Circumstances>) -> zbus::Result<()> {
    let proxy: Proxy<'_> = zbus::proxy::Builder::new(bus)
        .destination(fact.service)?
        .path(fact.path)?
        // The interface has the name of the service.
        .interface(fact.service)?
        .cache_properties(CacheProperties::Yes)
        .build()
        .await?;
    let mut changes = proxy
        .receive_property_changed::<zbus::zvariant::OwnedValue>(fact.property)
        .await;
    while let Some(change) = changes.next().await {
        if let Ok(value) = change.get().await {
            now.send_if_modified(|now| {
                let before = *now;
                (fact.learn)(now, &value);
                *now != before
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    //! Neither service runs without a battery and a network card, so both are played here.

    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use zbus::interface;

    use super::*;

    struct Power(bool);

    #[interface(name = "org.freedesktop.UPower")]
    impl Power {
        #[zbus(property)]
        fn on_battery(&self) -> bool {
            self.0
        }
    }

    struct Network(u32);

    #[interface(name = "org.freedesktop.NetworkManager")]
    impl Network {
        #[zbus(property)]
        fn metered(&self) -> u32 {
            self.0
        }
    }

    async fn until(now: &mut watch::Receiver<Circumstances>, on_battery: bool, metered: bool) {
        let wanted = Circumstances { on_battery, metered };
        let seen = tokio::time::timeout(std::time::Duration::from_secs(10), now.wait_for(|now| *now == wanted)).await;
        seen.expect("within ten seconds").expect("still followed");
    }

    #[tokio::test]
    async fn battery_and_metered_lines_are_noticed_as_they_come_and_go() {
        let daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut daemon) = daemon else {
            return crate::skipped::lacks("dbus-daemon", "dbus-daemon is not installed");
        };
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        let connect = || zbus::connection::Builder::address(address.trim()).unwrap();
        let (power, network) = ("/org/freedesktop/UPower", "/org/freedesktop/NetworkManager");
        let services = connect()
            .serve_at(power, Power(true))
            .unwrap()
            .serve_at(network, Network(2))
            .unwrap()
            .name("org.freedesktop.UPower")
            .unwrap()
            .name("org.freedesktop.NetworkManager")
            .unwrap()
            .build()
            .await
            .unwrap();
        let (sender, mut now) = watch::channel(Circumstances::default());
        let bus = connect().build().await.unwrap();
        let following = tokio::spawn(async move { follow_all(&bus, sender).await });
        until(&mut now, true, false).await;

        let server = services.object_server();
        let upower = server.interface::<_, Power>(power).await.unwrap();
        let manager = server.interface::<_, Network>(network).await.unwrap();
        for (battery, metered) in [(true, 3), (false, 1), (false, 4)] {
            upower.get_mut().await.0 = battery;
            upower
                .get()
                .await
                .on_battery_changed(upower.signal_emitter())
                .await
                .unwrap();
            manager.get_mut().await.0 = metered;
            manager
                .get()
                .await
                .metered_changed(manager.signal_emitter())
                .await
                .unwrap();
            until(&mut now, battery, matches!(metered, 1 | 3)).await;
        }
        following.abort();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }
}
