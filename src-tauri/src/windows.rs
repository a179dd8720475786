//! The window: made when it is wanted, gone when it is closed.

use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder, WindowEvent};

use crate::commands::Shell;

/// The only window's label, which its capability names too.
pub(crate) const MAIN: &str = "main";

/// Opens the window, or brings it to the front.
pub(crate) fn open(app: &AppHandle) {
    let handle = app.clone();
    let asked = app.run_on_main_thread(move || {
        if let Err(error) = show(&handle) {
            crate::say(&format!(
                "the window could not be opened: {error}; the folders are kept in sync all the same"
            ));
        }
    });
    if let Err(error) = asked {
        crate::say(&format!("the window could not be opened: {error}"));
    }
}

fn show(app: &AppHandle) -> tauri::Result<()> {
    if let Some(window) = app.get_webview_window(MAIN) {
        window.unminimize()?;
        window.show()?;
        return window.set_focus();
    }
    let window = WebviewWindowBuilder::new(app, MAIN, WebviewUrl::default())
        .title("Anabranch")
        .inner_size(960.0, 680.0)
        .min_inner_size(480.0, 360.0)
        // Only the program's own pages: a link in one leads nowhere else.
        .on_navigation(|url| url.scheme() == "tauri")
        .build()?;
    let handle = app.clone();
    window.on_window_event(move |event| {
        if matches!(event, WindowEvent::Destroyed) {
            handle.state::<Shell>().nobody_watches();
        }
    });
    Ok(())
}
