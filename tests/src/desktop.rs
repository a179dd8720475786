//! A desktop in a box: a session bus and a display of the test's own, with nothing on them but what the test puts there.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, ImageFormat, MapState, Window,
};
use x11rb::rust_connection::RustConnection;

use crate::wait::{PATIENCE, eventually};
use crate::{Engine, Sandbox, programs};

/// Nothing is started by a call to this bus: no portal, no notification server, nothing of the machine's own.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=RUNTIME</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// A bus and a display; both end with it.
pub struct Desktop {
    bus: Server,
    display: Server,
    /// A system bus for what is started on it.
    system: Option<String>,
}

impl Desktop {
    /// Starts both.
    ///
    /// # Panics
    ///
    /// When one of them does not start; [`crate::skip::needs_desktop`] says whether they are installed.
    #[must_use]
    pub fn start(sandbox: &Sandbox) -> Desktop {
        let config = sandbox.path("session bus.conf");
        let runtime = sandbox.path("run");
        fs::write(
            &config,
            BUS.replace("RUNTIME", runtime.to_str().expect("sandbox paths are text")),
        )
        .unwrap();
        let mut bus = sandbox.command("dbus-daemon");
        bus.arg("--config-file")
            .arg(&config)
            .args(["--nofork", "--nopidfile", "--print-address=1"]);
        let mut display = sandbox.command("Xvfb");
        display.args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"]);
        Desktop {
            bus: Server::start(bus),
            display: Server::start(display),
            system: None,
        }
    }

    /// The same on a machine with this system bus.
    #[must_use]
    pub fn with_system_bus(self, address: &str) -> Desktop {
        Desktop {
            system: Some(address.to_owned()),
            ..self
        }
    }

    /// Ends the session bus.
    pub fn end_bus(&mut self) {
        self.bus.end();
    }

    /// Where the session bus is.
    #[must_use]
    pub fn bus(&self) -> &str {
        &self.bus.said
    }

    /// Makes a command see this desktop.
    pub fn on<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("DBUS_SESSION_BUS_ADDRESS", self.bus())
            .env("DISPLAY", self.display())
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("NO_AT_BRIDGE", "1")
            .envs(self.system.iter().map(|bus| ("DBUS_SYSTEM_BUS_ADDRESS", bus)))
    }

    /// The desktop program on some folders, as it would be started on this desktop.
    pub fn program(&self, sandbox: &Sandbox, folders: &[&Path]) -> Command {
        let mut program = sandbox.command(programs::anabranch_desktop());
        self.on(program.args(folders));
        program
    }

    /// Starts the desktop program on some folders, and waits until it answers for the first.
    #[track_caller]
    pub fn run(&self, sandbox: &Sandbox, folders: &[&Path]) -> Engine {
        let mut engine = Engine::spawn_program(self.program(sandbox, folders), sandbox.path("desktop.log"));
        engine.wait_until_up(sandbox, folders[0]);
        engine
    }

    /// The windows of this title that are to be seen.
    ///
    /// # Panics
    ///
    /// When the display is gone.
    #[must_use]
    pub fn windows(&self, title: &str) -> Vec<Window> {
        let (display, screen) = self.connect();
        let mut found = Vec::new();
        let mut next = vec![display.setup().roots[screen].root];
        while let Some(window) = next.pop() {
            // A window may go while it is looked at.
            let Ok(Ok(tree)) = display.query_tree(window).map(|asked| asked.reply()) else {
                continue;
            };
            next.extend(tree.children);
            let name = display.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64);
            let attributes = display.get_window_attributes(window);
            let (Ok(Ok(name)), Ok(Ok(attributes))) =
                (name.map(|asked| asked.reply()), attributes.map(|asked| asked.reply()))
            else {
                continue;
            };
            if name.value == title.as_bytes() && attributes.map_state == MapState::VIEWABLE {
                found.push(window);
            }
        }
        found
    }

    /// Waits until so many windows of the program are to be seen.
    #[track_caller]
    pub fn has_windows(&self, count: usize) {
        eventually(PATIENCE, || match self.windows("Anabranch").len() {
            found if found == count => Ok(()),
            found => Err(format!("{found} windows instead of {count}")),
        });
    }

    /// How many colours a window that lies open has: one that is blank has next to none.
    ///
    /// # Panics
    ///
    /// When the display is gone.
    #[must_use]
    pub fn colours(&self, window: Window) -> usize {
        let (display, _) = self.connect();
        let size = display.get_geometry(window).map(|asked| asked.reply());
        // A window may go while it is looked at.
        let Ok(Ok(size)) = size else { return 0 };
        let picture = display.get_image(ImageFormat::Z_PIXMAP, window, 0, 0, size.width, size.height, u32::MAX);
        let Ok(Ok(picture)) = picture.map(|asked| asked.reply()) else {
            return 0;
        };
        let colours: BTreeSet<&[u8]> = picture.data.chunks_exact(4).collect();
        colours.len()
    }

    /// Closes a window as its cross does: it is asked to go.
    ///
    /// # Panics
    ///
    /// When the display is gone.
    pub fn close(&self, window: Window) {
        let (display, _) = self.connect();
        let atom = |name: &[u8]| display.intern_atom(false, name).unwrap().reply().unwrap().atom;
        let (protocols, delete) = (atom(b"WM_PROTOCOLS"), atom(b"WM_DELETE_WINDOW"));
        let message = ClientMessageEvent::new(32, window, protocols, [delete, 0, 0, 0, 0]);
        display
            .send_event(false, window, EventMask::NO_EVENT, message)
            .unwrap()
            .check()
            .unwrap();
    }

    fn connect(&self) -> (RustConnection, usize) {
        RustConnection::connect(Some(&self.display())).expect("the display is there")
    }

    /// The display's name.
    #[must_use]
    pub fn display(&self) -> String {
        format!(":{}", self.display.said)
    }
}

/// A program that says one line when it is ready.
struct Server {
    process: Child,
    said: String,
}

impl Server {
    #[track_caller]
    fn start(mut command: Command) -> Server {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = process.stdout.take().expect("its output was asked for");
        let mut said = String::new();
        BufReader::new(output).read_line(&mut said).unwrap();
        let said = said.trim().to_owned();
        assert!(!said.is_empty(), "{command:?} did not start");
        Server { process, said }
    }
}

impl Server {
    fn end(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
