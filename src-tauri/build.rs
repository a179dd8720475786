//! Checks the desktop's settings, and makes sure that there is a page to show.

use std::path::Path;

/// What the window shows if nobody has built it: the tray and the engine need no Node to be built and tested.
const NOT_BUILT: &str = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Anabranch</title>\n\
    <p>This Anabranch was built without its window: run <code>npm ci</code> and <code>npm run build</code> in <code>ui</code>, \
    then build it again. Folders are kept in sync all the same.</p>\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let page = Path::new("../ui/dist/index.html");
    if !page.exists() {
        std::fs::create_dir_all("../ui/dist")?;
        std::fs::write(page, NOT_BUILT)?;
    }
    println!("cargo::rerun-if-changed=../ui/dist");
    let commands = tauri_build::AppManifest::new().commands(&["status", "ask", "request", "show", "watch"]);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(commands))?;
    Ok(())
}
