//! Pictures of the real program on a real desktop, which `cargo xtask screenshots` takes: a panel with the icon in its tray,
//! the menu, the notification of a new drive, and pages of the window, in light and in dark.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it fails by panicking and tells the person at the terminal"
)]

mod screen;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use screen::Screen;
use whole_system::asking::is_in_state;
use whole_system::clones::Actor;
use whole_system::disk_services::DiskServices;
use whole_system::drives::{Drive, Format};
use whole_system::portal::Portal;
use whole_system::{Chance, Desktop, PATIENCE, Sandbox, Window, eventually, run};

/// The panel: at the bottom, with the windows at the left and the tray at the right.
const PANEL: &str = include_str!("xfce4-panel.xml");
const PANEL_HEIGHT: u16 = 36;
/// Where the panel keeps it, in a home.
const PANEL_FILE: &str = ".config/xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml";

/// The icon of the program, which its package installs.
const ICON: &[u8] = include_bytes!("../../../icons/application/48.png");

/// How every program of GTK looks on this desktop.
const LOOK: &str = "[Settings]\ngtk-theme-name=Adwaita\ngtk-icon-theme-name=Adwaita\ngtk-font-name=Inter 10\n\
                    gtk-xft-antialias=1\ngtk-xft-hinting=1\ngtk-xft-hintstyle=hintslight\ngtk-xft-rgba=none\n";

/// The font of the window, which leaves it to the desktop.
const FONTS: &str = r#"<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <alias binding="strong"><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
  <alias binding="strong"><family>sans-serif</family><prefer><family>Inter</family></prefer></alias>
  <alias binding="strong"><family>Sans</family><prefer><family>Inter</family></prefer></alias>
</fontconfig>
"#;

/// The pages of the window by their address, each with words that it has and no page before it.
const PAGES: &[(&str, &str)] = &[
    ("folders", "3 folders"),
    ("rules", "Choose which files go to each place"),
    ("conflicts", "These files were changed in two places at the same time."),
];

fn main() {
    let folder = std::env::args_os()
        .nth(1)
        .expect("the folder for the pictures is named");
    let folder = PathBuf::from(folder);
    fs::create_dir_all(&folder).unwrap();
    for is_dark in [false, true] {
        Scene::set().take(&folder, is_dark);
    }
}

/// Some folders of somebody, each cloned to a desk and carried by a stick.
struct Scene {
    sandbox: Sandbox,
    folders: Vec<PathBuf>,
}

impl Scene {
    fn set() -> Scene {
        let sandbox = Sandbox::new();
        let mut chance = Chance::from_seed(1);
        for place in ["desk", "stick"] {
            fs::create_dir(sandbox.path(place)).unwrap();
        }
        let kinds = [("Photos", 48, "jpg"), ("Music", 20, "flac"), ("Documents", 31, "odt")];
        let folders = kinds.map(|(name, files, kind)| {
            let folder = Actor::Anabranch.init(&sandbox, name);
            for number in 1..=files {
                let bytes = chance.bytes(40_000 + 1_000 * number);
                fs::write(folder.join(format!("{name} {number:02}.{kind}")), bytes).unwrap();
            }
            Actor::Anabranch.sync(&sandbox, &folder);
            for (place, path, is_bare) in [
                ("desk", format!("desk/{name}"), false),
                ("stick", format!("stick/{name}.git"), true),
            ] {
                let clone = Actor::Anabranch.clone(&sandbox, &folder, &path, is_bare);
                let known = run(&mut sandbox.git(&folder, ["remote", "--verbose"]));
                let line = known.lines().find(|line| line.contains(clone.to_str().unwrap()));
                let old = line.and_then(|line| line.split_whitespace().next());
                let old = old.expect("a clone is known");
                if old != place {
                    run(&mut sandbox.git(&folder, ["remote", "rename", old, place]));
                }
            }
            Actor::Anabranch.sync(&sandbox, &folder);
            folder
        });
        let settings = sandbox.path("home/.config/anabranch/settings.toml");
        write(&settings, "autostart = false\n");
        let icon = sandbox.path("home/.local/share/icons/hicolor/48x48/apps/org.anabranch.Desktop.png");
        fs::create_dir_all(icon.parent().unwrap()).unwrap();
        fs::write(icon, ICON).unwrap();
        // A letter that was written at two places at once.
        let both = [sandbox.path("desk/Documents"), folders[2].clone()];
        for (documents, (who, bytes)) in both.iter().zip([("Ann at her desk", 31_000), ("Ben", 27_500)]) {
            run(&mut sandbox.git(documents, ["config", "user.name", who]));
            fs::write(documents.join("Letter to Aunt May.odt"), chance.bytes(bytes)).unwrap();
        }
        for documents in &both {
            Actor::Anabranch.sync(&sandbox, documents);
        }
        Scene {
            sandbox,
            folders: folders.into(),
        }
    }

    /// Takes all pictures in one look.
    fn take(&self, folder: &Path, is_dark: bool) {
        let sandbox = &self.sandbox;
        let suffix = if is_dark { "-dark" } else { "" };
        let save = |picture: &screen::Picture, name: &str| {
            let path = folder.join(format!("{name}{suffix}.png"));
            picture.save(&path);
            println!("  {}", path.display());
        };
        let home = sandbox.path("home");
        write(&home.join(".config/gtk-3.0/settings.ini"), &look(is_dark));
        write(&home.join(".config/fontconfig/fonts.conf"), FONTS);
        write(
            &home.join(PANEL_FILE),
            &PANEL.replace("DARK", if is_dark { "true" } else { "false" }),
        );
        let disks = DiskServices::start(sandbox).expect("drives can be plugged in here");
        let desktop = Desktop::start(sandbox).with_system_bus(disks.bus());
        let screen = Screen::of(&desktop);
        screen.paint(if is_dark { 0x0026_3238 } else { 0x005c_8fa0 });
        let panel = Panel::start(sandbox, &desktop);
        let portal = Portal::start(&desktop, if is_dark { 1 } else { 2 });
        let bar = screen.bottom(PANEL_HEIGHT);
        let empty = screen.still("the panel", bar, |picture| !picture.is_plain());

        let paths: Vec<&Path> = self.folders.iter().map(PathBuf::as_path).collect();
        let engine = desktop.run(sandbox, &paths);
        for folder in &paths {
            is_in_state(sandbox, folder, "safe");
        }
        let shown = screen.still("the icon", bar, |picture| picture.middle_of_change(&empty).is_some());
        let (x, y) = shown.middle_of_change(&empty).expect("it was seen");
        let corner = screen.corner(340, 390);
        let before = screen.still("the tray", corner, |_| true);
        screen.click(x, y, 3);
        let menu = screen.still("the menu", corner, |picture| {
            picture.middle_of_change(&before).is_some()
        });
        save(&menu, "menu");
        screen.point(bar.x + bar.width / 2, bar.y - bar.height);
        screen.click(bar.x + bar.width / 2, bar.y - bar.height, 1);
        let above = screen.top(470, 150);
        // What is told of at the start is gone by then.
        let before = screen.still("the empty screen", above, screen::Picture::is_plain);
        let drive = Drive::for_people(sandbox, Format::Ext4, "HOLIDAYS", 4_000).expect("a drive can be plugged in");
        drive.wait_for_udev();
        let notice = screen.still("the notification", above, |picture| {
            picture.middle_of_change(&before).is_some()
        });
        save(&notice, "drive");
        drop(drive);
        engine.stop();

        // Something to see: a stick that is away, and a folder that was paused.
        fs::rename(sandbox.path("stick/Photos.git"), sandbox.path("stick/away")).unwrap();
        let window = Window::open(&desktop, sandbox, &paths);
        fs::write(
            self.folders[0].join("Photos 49.jpg"),
            Chance::from_seed(2).bytes(3_000_000),
        )
        .unwrap();
        run(sandbox.anabranch(["pause"]).arg(&self.folders[1]));
        is_in_state(sandbox, &self.folders[0], "waiting");
        // Away from the icon, whose words would stand before the window.
        screen.point(bar.x + bar.width / 2, bar.y + bar.height / 2);
        let mut last = None;
        for (page, words) in PAGES {
            window.run(&format!("location.hash = '{page}'")).unwrap();
            window.shows(words);
            let area = screen.window(&desktop, "Anabranch");
            let picture = screen.still(page, area, |picture| {
                picture.is_drawn() && last.as_ref() != Some(picture)
            });
            save(&picture, page);
            last = Some(picture);
        }
        drop(window);
        drop(portal);
        drop(panel);
        fs::rename(sandbox.path("stick/away"), sandbox.path("stick/Photos.git")).unwrap();
    }
}

fn look(is_dark: bool) -> String {
    format!("{LOOK}gtk-application-prefer-dark-theme={}\n", u8::from(is_dark))
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// What makes a desktop of the bus and the display: settings, a window manager and a panel.
struct Panel {
    processes: Vec<Child>,
}

impl Panel {
    fn start(sandbox: &Sandbox, desktop: &Desktop) -> Panel {
        let settings = fs::read_dir("/usr/lib").unwrap().flatten();
        let settings = settings
            .map(|entry| entry.path().join("xfce4/xfconf/xfconfd"))
            .find(|path| path.is_file());
        let mut settings = sandbox.command(settings.expect("xfconf is installed"));
        let mut manager = sandbox.command("xfwm4");
        manager.args(["--compositor=off", "--sm-client-disable"]);
        let mut panel = sandbox.command("xfce4-panel");
        panel.args(["--disable-wm-check", "--sm-client-disable"]);
        let start = |command: &mut Command| {
            let command = desktop.on(command).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("it is installed")
        };
        let mut processes = vec![start(&mut settings)];
        eventually(PATIENCE, || {
            let mut ask = sandbox.command("dbus-send");
            ask.args([
                "--session",
                "--print-reply",
                "--dest=org.xfce.Xfconf",
                "/org/xfce/Xfconf",
            ]);
            let answer = desktop.on(ask.arg("org.freedesktop.DBus.Peer.Ping")).output().unwrap();
            let said = String::from_utf8_lossy(&answer.stderr).into_owned();
            if answer.status.success() { Ok(()) } else { Err(said) }
        });
        let notices = fs::read_dir("/usr/lib").unwrap().flatten();
        let notices = notices
            .map(|entry| entry.path().join("xfce4/notifyd/xfce4-notifyd"))
            .find(|path| path.is_file());
        let mut notices = sandbox.command(notices.expect("xfce4-notifyd is installed"));
        processes.extend([start(&mut manager), start(&mut panel), start(&mut notices)]);
        Panel { processes }
    }
}

impl Drop for Panel {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // Both fail only when it has ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
