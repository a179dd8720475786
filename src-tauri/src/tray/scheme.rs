//! Whether the desktop is light or dark, as its settings portal says.

use futures_util::StreamExt;
use tokio::sync::watch;
use zbus::zvariant::{OwnedValue, Value};

const NAMESPACE: &str = "org.freedesktop.appearance";
const KEY: &str = "color-scheme";

/// The desktop's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

impl Scheme {
    /// 1 says dark; 2 says light, and 0 that there is no preference, which is light in practice.
    fn of(value: &Value<'_>) -> Self {
        if let Value::Value(inner) = value {
            Self::of(inner)
        } else if *value == Value::U32(1) {
            Self::Dark
        } else {
            Self::Light
        }
    }
}

/// Follows the desktop's choice; where there is no portal it stays light. Must be called inside a runtime.
pub(crate) fn follow() -> watch::Receiver<Scheme> {
    let (sender, scheme) = watch::channel(Scheme::Light);
    tokio::spawn(async move {
        // Without a portal there is nothing to follow, and every desktop without one is the same to us.
        let _ = listen(&sender).await;
        sender.closed().await;
    });
    scheme
}

async fn listen(sender: &watch::Sender<Scheme>) -> zbus::Result<()> {
    let bus = zbus::Connection::session().await?;
    let portal = zbus::Proxy::new(
        &bus,
        "org.freedesktop.portal.Desktop",
        "/org/freedesktop/portal/desktop",
        "org.freedesktop.portal.Settings",
    )
    .await?;
    // Listened to first, so that no change is missed.
    let mut changes = portal.receive_signal("SettingChanged").await?;
    let value: OwnedValue = portal.call("Read", &(NAMESPACE, KEY)).await?;
    sender.send_replace(Scheme::of(&value));
    while let Some(change) = changes.next().await {
        let body = change.body();
        let (namespace, key, value): (String, String, OwnedValue) = body.deserialize()?;
        if namespace == NAMESPACE && key == KEY {
            sender.send_replace(Scheme::of(&value));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wish_for_dark_is_dark() {
        let table = [
            (0, Scheme::Light),
            (1, Scheme::Dark),
            (2, Scheme::Light),
            (9, Scheme::Light),
        ];
        for (number, scheme) in table {
            assert_eq!(Scheme::of(&Value::U32(number)), scheme);
            // Portals wrap the value once more.
            assert_eq!(Scheme::of(&Value::Value(Box::new(Value::U32(number)))), scheme);
        }
        assert_eq!(Scheme::of(&Value::from("dark")), Scheme::Light);
    }
}
