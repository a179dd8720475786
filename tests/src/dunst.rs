//! A real notification server, dunst, on a desktop of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use tokio::runtime::Runtime;
use zbus::proxy::CacheProperties;
use zbus::{Proxy, connection};

use crate::wait::{PATIENCE, eventually};
use crate::{Desktop, Sandbox};

/// How the title of a notification of a new drive begins.
pub const DRIVE: &str = "A new drive: ";

/// The server; it ends, as if it had crashed, when it is let go of.
pub struct Dunst {
    runtime: Runtime,
    server: Proxy<'static>,
    process: Child,
    /// What it has shown, a line each.
    shown: PathBuf,
    /// The button that is chosen when it asks which.
    choice: PathBuf,
}

impl Dunst {
    /// Starts it and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not; [`crate::skip::needs_notification_server`] says whether it is installed.
    #[track_caller]
    #[must_use]
    pub fn start(sandbox: &Sandbox, desktop: &Desktop) -> Dunst {
        let path = |name: &str| sandbox.path(format!("dunst {name}"));
        let (shown, choice) = (path("shown"), path("choice"));
        fs::write(&shown, "").unwrap();
        let script = |name: &str, text: String| {
            // Dunst splits what it runs at blanks.
            let path = sandbox.path(format!("dunst-{name}"));
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path.display().to_string()
        };
        // Whoever plugs in a drive meanwhile is none of the test's: every program on the machine tells of it.
        let note = format!(
            r#"case "$DUNST_SUMMARY" in '{DRIVE}'*) exit ;; esac; printf '%s | %s | %s\n' "$DUNST_URGENCY" "$DUNST_SUMMARY" "$DUNST_BODY" >> '{}'"#,
            shown.display()
        );
        let choose = format!(r##"grep -m1 -F "#$(cat '{}') (""##, choice.display());
        let config = format!(
            "[global]\ndmenu = {}\nidle_threshold = 0\n[all]\nscript = {}\n\
             [drives]\nsummary = \"{DRIVE}*\"\nskip_display = true\n",
            script("choose", choose),
            script("note", note)
        );
        fs::write(path("config"), config).unwrap();
        let mut dunst = sandbox.command("dunst");
        dunst.arg("-conf").arg(path("config"));
        let log = fs::File::create(path("log")).unwrap();
        let process = desktop.on(&mut dunst).stdout(Stdio::null()).stderr(log).spawn();
        let process = process.expect("dunst can be started");
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(async {
            let address = connection::Builder::address(desktop.bus()).unwrap();
            let bus = address.build().await.unwrap();
            let server = zbus::proxy::Builder::new(&bus)
                .destination("org.freedesktop.Notifications")
                .and_then(|server| server.path("/org/freedesktop/Notifications"))
                .and_then(|server| server.interface("org.dunstproject.cmd0"))
                .unwrap();
            server.cache_properties(CacheProperties::No).build().await.unwrap()
        });
        let dunst = Dunst {
            runtime,
            server,
            process,
            shown,
            choice,
        };
        eventually(PATIENCE, || dunst.count().map(drop).map_err(|error| error.to_string()));
        dunst
    }

    fn count(&self) -> zbus::Result<u32> {
        self.runtime.block_on(self.server.get_property("displayedLength"))
    }

    /// Waits until so many notifications are on the screen.
    #[track_caller]
    pub fn has(&self, count: u32) {
        eventually(PATIENCE, || match self.count() {
            Ok(found) if found == count => Ok(()),
            found => Err(format!("{found:?} instead of {count}; ever: {}", self.ever())),
        });
    }

    /// All that it ever showed: urgency, title and words.
    #[must_use]
    pub fn ever(&self) -> String {
        fs::read_to_string(&self.shown).unwrap()
    }

    /// Waits until it has shown a notification whose line begins so.
    #[track_caller]
    pub fn shows(&self, beginning: &str) {
        eventually(PATIENCE, || {
            let ever = self.ever();
            match ever.lines().any(|line| line.starts_with(beginning)) {
                true => Ok(()),
                false => Err(format!("no {beginning:?} in: {ever}")),
            }
        });
    }

    /// Chooses the button of these words.
    #[track_caller]
    pub fn click(&self, words: &str) {
        fs::write(&self.choice, words).unwrap();
        self.runtime
            .block_on(self.server.call::<_, _, ()>("ContextMenuCall", &()))
            .unwrap();
    }
}

impl Drop for Dunst {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
