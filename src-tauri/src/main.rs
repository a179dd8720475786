//! Anabranch on the desktop: the engine in this process, an icon in the tray, and a window when somebody opens it.
//!
//! It shows [`contract::Status`] and sends [`contract::Command`]; it decides nothing. [`hosting`] runs the engine, [`tray`],
//! [`notices`] and [`windows`] show it, [`acts`] is what a click does, [`commands`] what the window may ask,
//! [`restart`] what is done when the window would end all that.

mod acts;
mod autostart;
mod commands;
mod hosting;
mod notices;
mod restart;
mod tray;
mod windows;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;

use anyhow::{Context, Result};
use clap::Parser;
use gtk::gio;
use tauri::{AppHandle, Manager, RunEvent};
use tokio::sync::oneshot;

/// The name of the program's desktop entry.
const NAME: &str = "org.anabranch.Desktop";
/// Where GTK is told whether to look for graphics processors.
const GTK_GRAPHICS: &str = "GDK_GL";

/// Keeps folders in sync across computers and drives, with an icon in the tray.
#[derive(Debug, Parser)]
#[command(name = "anabranch-desktop", version)]
struct Arguments {
    /// Folders to keep in sync besides those of the settings, until this ends: git-annex repositories.
    folders: Vec<PathBuf>,
    /// Open the window at once, for desktops without a tray.
    #[arg(long)]
    window: bool,
    /// Why the window of the program that this goes on for could not be shown.
    #[arg(long, hide = true)]
    window_failed: Option<String>,
}

fn main() -> ExitCode {
    needs_no_graphics_processor();
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Keeps GTK from loading the drivers of graphics processors before there is any window, as it does on X11: ours are drawn
/// without, and they would take 30 MiB and a third of the time until the icon is there.
fn needs_no_graphics_processor() {
    if std::env::var_os(GTK_GRAPHICS).is_none() {
        #[expect(unsafe_code, reason = "GTK can be told so only in its environment")]
        // SAFETY: nothing else reads the environment, since there is no other thread yet.
        unsafe {
            std::env::set_var(GTK_GRAPHICS, "disable");
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let runtime = engine::runtime()?;
    // By this the desktop finds the entry and the icon of the program's windows.
    gtk::glib::set_prgname(Some(NAME));
    if gtk::init().is_err() {
        say("there is no display, so there is neither tray icon nor window; this goes on until it is stopped (ctrl-C)");
        let outcome = runtime.block_on(hosting::without_desktop(&arguments.folders));
        runtime.shutdown_background();
        return outcome.map(|()| ExitCode::SUCCESS);
    }
    gtk::gdk::set_program_class(NAME);
    let _bus = outlives_the_session_bus();
    with_desktop(runtime, arguments)
}

/// GTK's connection to the session bus would end the program together with the bus. The folders are kept in sync without it.
/// The connection is the one that GTK gets too, for as long as somebody holds it; none without a bus.
fn outlives_the_session_bus() -> Option<gio::DBusConnection> {
    // A search for a bus where none was announced would start one.
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let is_announced = std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some()
        || runtime.is_some_and(|directory| directory.join("bus").exists());
    let bus = is_announced.then(|| gio::bus_get_sync(gio::BusType::Session, gio::Cancellable::NONE));
    let bus = bus?.ok()?;
    bus.set_exit_on_close(false);
    Some(bus)
}

fn with_desktop(runtime: tokio::runtime::Runtime, arguments: Arguments) -> Result<ExitCode> {
    let Arguments {
        folders,
        window,
        window_failed,
    } = arguments;
    let named = folders.clone();
    // What has failed is not tried again before somebody asks for it.
    let may_open = window_failed.is_none();
    let (begin, begun) = oneshot::channel();
    let (started, shells) = mpsc::channel();
    tauri::async_runtime::set(runtime.handle().clone());
    let hosting = std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                // Not begun if another instance has taken over, or the application could not be made.
                if let Ok(app) = begun.await {
                    host(&app, &folders, window_failed.as_deref(), started).await;
                }
            });
            runtime.shutdown_background();
        })
        .context("the engine got no thread")?;
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(second_start))
        .invoke_handler(tauri::generate_handler![
            commands::status,
            commands::ask,
            commands::request,
            commands::show,
            commands::watch
        ])
        .setup(move |app| {
            // Only now is it certain that this is the first instance.
            let _ = begin.send(app.handle().clone());
            // An engine that could not start has said why, and ends the application.
            if let Ok(shell) = shells.recv() {
                let window = may_open && (window || shell.is_first_run());
                restart::instead_of_the_end(named);
                app.manage(shell);
                if window {
                    windows::open(app.handle());
                }
            }
            Ok(())
        })
        .build(tauri::generate_context!())
        .context("the desktop application could not be started")?;
    let code = app.run_return(|_, event| {
        // It lives in the tray: the last window's end is not its own.
        if let RunEvent::ExitRequested { api, code: None, .. } = event {
            api.prevent_exit();
        }
    });
    // An engine that panicked has said so.
    let _ = hosting.join();
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Somebody started the program once more. Folders that were named then are not taken in on the way: that would be for good, or
/// for as long as nobody knows.
fn second_start(app: &AppHandle, arguments: Vec<String>, directory: String) {
    windows::open(app);
    let named = Arguments::try_parse_from(arguments).map(|arguments| arguments.folders);
    if let Some(shell) = app.try_state::<commands::Shell>() {
        for folder in named.unwrap_or_default() {
            let folder = PathBuf::from(&directory).join(folder);
            shell.named_too_late(&folder.canonicalize().unwrap_or(folder));
        }
    }
}

/// Hosts the engine; when it has ended, in whatever way, so does the application.
async fn host(
    app: &AppHandle,
    folders: &[PathBuf],
    window_failed: Option<&str>,
    started: mpsc::Sender<commands::Shell>,
) {
    struct Ends<'a>(&'a AppHandle, i32);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.exit(self.1);
        }
    }
    let mut ends = Ends(app, 1);
    match hosting::with_desktop(app, folders, window_failed, &started).await {
        Ok(()) => ends.1 = 0,
        Err(error) => say(&format!("{error:#}")),
    }
}

/// Tells whoever started this, if anybody listens.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "anabranch-desktop: {words}");
}
