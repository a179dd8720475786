//! The engine in this process: its status published, its tray shown, until it is told to stop.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use contract::Status;
use engine::{Client, Engine, SettingsFile};
use jiff::tz::TimeZone;
use tauri::AppHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;

use crate::acts::{Act, Doer};
use crate::autostart;
use crate::commands::Shell;
use crate::notices::Notices;
use crate::tray::Tray;
use crate::tray::item::TrayItem;
use crate::tray::pace::{Next, Pace};
use crate::tray::scheme;

/// The status is published at most so often.
const PACE: Duration = Duration::from_millis(250);

/// How long a desktop may take after the start of its programs until its panel shows icons.
const DESKTOP_BEGINS: Duration = Duration::from_secs(10);
/// Where icons announce themselves.
const TRAY_HOST: &str = "org.kde.StatusNotifierWatcher";

/// Runs the folders with no desktop, until a signal asks this process to end.
///
/// # Errors
///
/// If nothing can be run.
pub(crate) async fn without_desktop(folders: &[PathBuf]) -> Result<()> {
    let mut signals = Signals::catch()?;
    let engine = Engine::start(folders, SettingsFile::of_user())?;
    tokio::select! {
        () = signals.asked_to_end() => {}
        () = say_problems(engine.client()) => {}
    }
    engine.stop().await;
    Ok(())
}

/// Says every problem once, where nothing else shows them; never ends.
async fn say_problems(mut client: Client) {
    let mut said = BTreeSet::new();
    loop {
        let status = client.status().await;
        let of_folders = status.folders.iter().flat_map(|folder| &folder.problems);
        let problems: BTreeSet<String> = status
            .problems
            .iter()
            .chain(of_folders)
            .map(|problem| format!("{} {}", problem.what, problem.remedy))
            .collect();
        for problem in problems.difference(&said) {
            crate::say(problem.trim_end());
        }
        said = problems;
        client.changed().await;
    }
}

/// Runs the folders with the tray and whatever windows somebody opens, until a signal or the menu asks to end. `started`
/// is sent what the window's commands stand on. `window_failed` says why the window of the program before it could not be
/// shown.
///
/// # Errors
///
/// If nothing can be run.
pub(crate) async fn with_desktop(
    app: &AppHandle,
    folders: &[PathBuf],
    window_failed: Option<&str>,
    started: &mpsc::Sender<Shell>,
) -> Result<()> {
    let mut signals = Signals::catch()?;
    let (clicked, mut acts) = unbounded_channel();
    let item = TrayItem::start(clicked.clone())?;
    let engine = Engine::start(folders, SettingsFile::of_user())?;
    let status = publish(&engine).await;
    let notices = Notices::start(status.clone(), clicked);
    let shell = Shell::new(engine.client(), status.clone(), notices.said());
    if let Some(why) = window_failed {
        shell.window_failed(why);
    }
    // Nobody waits for it only if the application has ended already.
    let _ = started.send(shell);
    let autostart = tokio::spawn(follow_autostart(status.clone()));
    let tray = tokio::spawn(show(status.clone(), item));
    tokio::spawn(say_without_host());
    let doer = Doer {
        app,
        client: engine.client(),
        said: notices.said(),
    };
    loop {
        let act = tokio::select! {
            Some(act) = acts.recv() => act,
            () = signals.asked_to_end() => Act::Quit,
        };
        let seen = status.borrow().clone();
        if !doer.begin(act, &seen) {
            break;
        }
    }
    // An engine that stops has nothing to show any more.
    tray.abort();
    autostart.abort();
    notices.end().await;
    engine.stop().await;
    Ok(())
}

/// Has the program start with the desktop, or not, as the settings say; until the user was asked, nothing is done.
async fn follow_autostart(mut status: watch::Receiver<Status>) {
    let mut followed = None;
    loop {
        let wanted = status.borrow_and_update().settings.autostart;
        if wanted != followed {
            followed = wanted;
            if let Some(Err(why)) = wanted.map(autostart::follow) {
                crate::say(&why);
            }
        }
        if status.changed().await.is_err() {
            return;
        }
    }
}

/// The signals that ask this process to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on they no longer end the process by themselves.
    fn catch() -> Result<Self> {
        let catch = |kind| signal(kind).context("signals cannot be received");
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
        })
    }

    /// Waits until the process is asked to end.
    async fn asked_to_end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Publishes the status of the engine's folders from now on, whenever it has changed.
async fn publish(engine: &Engine) -> watch::Receiver<Status> {
    let mut client = engine.client();
    let (publish, published) = watch::channel(client.status().await);
    tokio::spawn(async move {
        while !publish.is_closed() {
            // Bytes that arrive change what is seen, but make no event.
            let is_moving = publish
                .borrow()
                .folders
                .iter()
                .any(|folder| !folder.transfers.is_empty());
            let patience = if is_moving { PACE } else { Duration::MAX };
            // Either way it is time to look.
            let _ = tokio::time::timeout(patience, client.changed()).await;
            let status = client.status().await;
            publish.send_if_modified(|seen| {
                let differs = *seen != status;
                *seen = status;
                differs
            });
            tokio::time::sleep(PACE).await;
        }
    });
    published
}

/// Shows the status in the tray until it is no longer published.
async fn show(mut status: watch::Receiver<Status>, item: TrayItem) {
    let mut scheme = scheme::follow();
    let mut pace = Pace::default();
    let mut shown = None;
    loop {
        let wanted = Tray::of(&status.borrow_and_update(), &TimeZone::system());
        let next = pace.next(Instant::now(), wanted);
        let due = match next {
            Next::Show(tray) => {
                item.show(tray.clone(), *scheme.borrow_and_update());
                shown = Some(tray);
                None
            }
            Next::Wait(until) => Some(until),
            Next::Rest => None,
        };
        tokio::select! {
            changed = status.changed() => if changed.is_err() { break },
            Ok(()) = scheme.changed() => if let Some(tray) = &shown {
                item.show(tray.clone(), *scheme.borrow_and_update());
            },
            () = reached(due) => {}
        }
    }
}

/// Says, after a while for the desktop to begin, that nothing shows tray icons.
async fn say_without_host() {
    tokio::time::sleep(DESKTOP_BEGINS).await;
    // Without a bus there is no icon to show either, and that is said.
    if has_tray_host().await.is_ok_and(|has_host| !has_host) {
        crate::say(
            "this desktop shows no tray icons now; Anabranch still syncs your folders. Start the program once more to \
             see its window",
        );
    }
}

async fn has_tray_host() -> zbus::Result<bool> {
    const BUS: &str = "org.freedesktop.DBus";
    let session = zbus::Connection::session().await?;
    let bus = zbus::Proxy::new(&session, BUS, "/org/freedesktop/DBus", BUS).await?;
    bus.call("NameHasOwner", &TRAY_HOST).await
}

async fn reached(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
