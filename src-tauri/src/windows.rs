//! The window: made when it is wanted, gone when it is closed.

use std::cell::Cell;
use std::path::PathBuf;

use gtk::glib;
use gtk::glib::object::ObjectExt as _;
use gtk::prelude::WidgetExt as _;
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder, WindowEvent};
use webkit2gtk::{HardwareAccelerationPolicy, SettingsExt as _, WebView, WebViewExt};

use crate::commands::Shell;

/// The only window's label, which its capability names too.
pub(crate) const MAIN: &str = "main";

/// The address of the first page.
const START: &str = "tauri://localhost/index.html";

/// A page of the window that something outside of it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Page {
    Folders,
    Places,
    Drives,
    Problems,
    Conflicts,
    Settings,
    Help,
}

impl Page {
    /// What the window's address ends in while it shows the page.
    fn fragment(self) -> &'static str {
        match self {
            Self::Folders => "#/folders",
            Self::Places => "#/places",
            Self::Drives => "#/drives",
            Self::Problems => "#/problems",
            Self::Conflicts => "#/conflicts",
            Self::Settings => "#/settings",
            Self::Help => "#/help",
        }
    }
}

/// Opens the window, or brings it to the front.
pub(crate) fn open(app: &AppHandle) {
    open_on(app, None);
}

/// Opens the window at a page, or turns to it in the window that is open.
pub(crate) fn open_at(app: &AppHandle, page: Page) {
    open_on(app, Some(page));
}

fn open_on(app: &AppHandle, page: Option<Page>) {
    let handle = app.clone();
    let asked = app.run_on_main_thread(move || {
        if let Err(error) = show(&handle, page.map(Page::fragment)) {
            handle.state::<Shell>().window_failed(&error.to_string());
        }
    });
    if let Err(error) = asked {
        crate::say(&format!("the window could not be opened: {error}"));
    }
}

fn show(app: &AppHandle, fragment: Option<&'static str>) -> tauri::Result<()> {
    if let Some(window) = app.get_webview_window(MAIN) {
        if let Some(fragment) = fragment {
            window.eval(format!("location.hash = '{fragment}'"))?;
        }
        window.unminimize()?;
        window.show()?;
        return window.set_focus();
    }
    let address = format!("index.html{}", fragment.unwrap_or_default());
    let window = WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App(address.into()))
        .title("Anabranch")
        .inner_size(960.0, 680.0)
        .min_inner_size(480.0, 360.0)
        // Only the program's own pages: a link in one leads nowhere else.
        .on_navigation(|url| url.scheme() == "tauri")
        .data_directory(data_directory(app)?)
        .build()?;
    let handle = app.clone();
    window.with_webview(move |view| {
        lives_lightly(&view.inner());
        comes_back_once(handle, &view.inner());
    })?;
    let handle = app.clone();
    window.on_window_event(move |event| {
        if matches!(event, WindowEvent::Destroyed) {
            handle.state::<Shell>().nobody_watches();
        }
    });
    Ok(())
}

/// Where the web view may keep what it wants to; nothing of it is ours. It does not start without such a place, so where nothing
/// can be written at home it gets one that ends with the session.
fn data_directory(app: &AppHandle) -> tauri::Result<PathBuf> {
    let paths = app.path();
    let usual = paths.app_local_data_dir()?;
    if std::fs::create_dir_all(&usual).is_ok() {
        return Ok(usual);
    }
    Ok(paths.runtime_dir().or_else(|_| paths.temp_dir())?.join(crate::NAME))
}

/// Makes the web view small while it is there, and go as a whole when it is closed.
fn lives_lightly(view: &WebView) {
    if let Some(settings) = WebViewExt::settings(view) {
        // Lists and forms need no graphics processor, also where the environment has GTK look for one. With one, the process
        // that shows the page takes half as much memory again.
        settings.set_hardware_acceleration_policy(HardwareAccelerationPolicy::Never);
    }
    view.connect_destroy(|view| {
        let Some(messages) = view.user_content_manager() else {
            return;
        };
        // wry's handler of the page's messages holds the view, which holds them: neither would ever go, 80 KiB each time.
        #[expect(
            unsafe_code,
            reason = "the binding has no safe way to let go of another's signal handler"
        )]
        // SAFETY: it takes only the handlers away, which are for messages of a page that has ended.
        unsafe {
            messages.run_dispose();
        }
    });
}

/// A page whose process has ended leaves the window blank: it is loaded again. If that does not help, the window closes, and
/// why is told.
fn comes_back_once(app: AppHandle, view: &WebView) {
    let came_back = Cell::new(false);
    view.connect_web_process_terminated(move |view, _| {
        if came_back.replace(true) {
            app.state::<Shell>()
                .window_failed("the process that shows it has ended twice");
            let app = app.clone();
            // Not under the hands of the view, which goes with the window.
            glib::idle_add_local_once(move || {
                // It may just have been closed.
                let _ = app.get_webview_window(MAIN).map(|window| window.destroy());
            });
        } else {
            crate::say("the process that shows the window has ended; the page is loaded again");
            let address = view.uri().filter(|address| !address.is_empty());
            view.load_uri(address.as_deref().unwrap_or(START));
        }
    });
}
