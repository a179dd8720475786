//! The icon in the desktop's tray. It lives on a thread of its own, because the bus may keep it waiting.

use std::sync::mpsc;

use anyhow::{Context, Result};
use tokio::sync::mpsc::UnboundedSender;
use tray_icon::menu::{IsMenuItem, Menu, MenuEvent, MenuItem, PredefinedMenuItem, Submenu};
use tray_icon::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};

use super::Tray;
use super::icon::Icon;
use super::menu::{Item, acts};
use super::scheme::Scheme;
use crate::acts::Act;

/// A value and the colours to show it in.
type Shown = (Tray, Scheme);

/// The tray of this process; gone when it is dropped.
pub(crate) struct TrayItem {
    show: mpsc::Sender<Shown>,
}

impl TrayItem {
    /// Makes the item, which appears with the first value that it shows; clicks become acts.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub(crate) fn start(acts: UnboundedSender<Act>) -> Result<Self> {
        let (show, values) = mpsc::channel();
        std::thread::Builder::new()
            .name("tray".to_owned())
            .spawn(move || run(&values, &acts))
            .context("the tray got no thread")?;
        Ok(Self { show })
    }

    /// Shows this from now on.
    pub(crate) fn show(&self, tray: Tray, scheme: Scheme) {
        // A thread that has ended had no bus, and has said so.
        let _ = self.show.send((tray, scheme));
    }
}

fn run(values: &mpsc::Receiver<Shown>, acts: &UnboundedSender<Act>) {
    let Ok(first) = values.recv() else { return };
    listen(acts);
    let item = match build(&first) {
        Ok(item) => item,
        Err(error) => {
            crate::say(&format!(
                "there is no tray icon, because Anabranch cannot reach the session bus ({error:#}); it still syncs \
                 your folders"
            ));
            return;
        }
    };
    let mut shown = first;
    while let Ok(next) = values.recv() {
        if let Err(error) = change(&item, &shown, &next) {
            crate::say(&format!("the tray icon could not be changed: {error:#}"));
        }
        shown = next;
    }
}

/// Clicks come on a thread of the tray's bus connection.
fn listen(acts: &UnboundedSender<Act>) {
    let sender = acts.clone();
    MenuEvent::set_event_handler(Some(move |event: MenuEvent| {
        // An entry's id is what it does; whoever would do it may have ended.
        if let Ok(act) = serde_json::from_str(event.id().as_ref()) {
            let _ = sender.send(act);
        }
    }));
    let sender = acts.clone();
    TrayIconEvent::set_event_handler(Some(move |event| {
        if let TrayIconEvent::Click {
            button: MouseButton::Left,
            button_state: MouseButtonState::Up,
            ..
        } = event
        {
            let _ = sender.send(Act::OpenWindow);
        }
    }));
}

fn build((tray, scheme): &Shown) -> Result<TrayIcon> {
    let item = TrayIconBuilder::new()
        .with_id("anabranch")
        .with_title(&tray.title)
        .with_tooltip(&tray.tooltip)
        .with_icon(picture(tray.icon, *scheme)?)
        .with_menu(Box::new(menu(&tray.menu)?))
        .build()?;
    Ok(item)
}

/// Sends what differs, and nothing else: a menu that is open stays as it is under the pointer.
fn change(item: &TrayIcon, (old, old_scheme): &Shown, (new, scheme): &Shown) -> Result<()> {
    if (old.icon, old_scheme) != (new.icon, scheme) {
        item.set_icon(Some(picture(new.icon, *scheme)?))?;
    }
    if old.title != new.title {
        item.set_title(Some(&new.title));
    }
    if old.tooltip != new.tooltip {
        item.set_tooltip(Some(&new.tooltip))?;
    }
    if acts(&old.menu) != acts(&new.menu) {
        // The bus knows entries by numbers, and those of a menu of the same shape stay: a click that comes late would do what
        // another entry says. After a menu without entries all numbers are new.
        item.set_menu(None);
    }
    if old.menu != new.menu {
        item.set_menu(Some(Box::new(menu(&new.menu)?)));
    }
    Ok(())
}

fn menu(items: &[Item]) -> Result<Menu> {
    let menu = Menu::new();
    for item in items {
        menu.append(entry(item)?.as_ref())?;
    }
    Ok(menu)
}

fn entry(item: &Item) -> Result<Box<dyn IsMenuItem>> {
    Ok(match item {
        Item::Words(words) => Box::new(MenuItem::new(plain(words), false, None)),
        Item::Entry(label, act) => {
            let id = serde_json::to_string(act)?;
            Box::new(MenuItem::with_id(id, plain(label), true, None))
        }
        Item::Submenu(label, items) => {
            let submenu = Submenu::new(plain(label), true);
            for item in items {
                submenu.append(entry(item)?.as_ref())?;
            }
            Box::new(submenu)
        }
        Item::Separator => Box::new(PredefinedMenuItem::separator()),
    })
}

/// An ampersand in a name is no access key.
fn plain(label: &str) -> String {
    label.replace('&', "&&")
}

/// The picture of an icon, unpacked.
fn picture(icon: Icon, scheme: Scheme) -> Result<tray_icon::Icon> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(icon.picture(scheme))).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("an icon is too large")?];
    let frame = reader.next_frame(&mut pixels)?;
    pixels.truncate(frame.buffer_size());
    Ok(tray_icon::Icon::from_rgba(pixels, frame.width, frame.height)?)
}

#[cfg(test)]
mod tests {
    use super::super::icon::Flow;
    use super::*;

    #[test]
    fn every_icon_has_a_picture_of_its_own() {
        let icons = [
            Icon::NeedsYou,
            Icon::Stopped,
            Icon::Paused,
            Icon::Working(Flow::Up),
            Icon::Working(Flow::Down),
            Icon::Working(Flow::Both),
            Icon::Waiting,
            Icon::Safe,
        ];
        let mut seen = Vec::new();
        for icon in icons {
            for scheme in [Scheme::Light, Scheme::Dark] {
                picture(icon, scheme).unwrap();
                assert!(!seen.contains(&icon.picture(scheme)), "{icon:?} {scheme:?}");
                seen.push(icon.picture(scheme));
            }
        }
    }
}
