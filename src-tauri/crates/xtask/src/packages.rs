//! System packages: which are missing, and installing them with apt.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::steps::succeed;

/// A program that is needed, and where it comes from on Debian.
pub(crate) struct Need {
    is_there: fn() -> bool,
    what: &'static str,
    packages: &'static [&'static str],
}

/// What building needs: the C parts of libgit2, SQLite and the hashes are compiled here.
pub(crate) const BUILD: &[Need] = &[
    Need {
        is_there: || has_program("cc"),
        what: "a C compiler",
        packages: &["gcc", "libc6-dev"],
    },
    Need {
        is_there: || has_program("git"),
        what: "git",
        packages: &["git"],
    },
];

/// What building the window needs. Node from elsewhere brings its own npm, which Debian packages apart.
pub(crate) const WINDOW: &[Need] = &[
    Need {
        is_there: || has_program("node"),
        what: "node",
        packages: &["nodejs"],
    },
    Need {
        is_there: || has_program("npm"),
        what: "npm",
        packages: &["npm"],
    },
];

/// What testing the window needs besides.
pub(crate) const BROWSER: &[Need] = &[Need {
    is_there: || is_file(Path::new("/usr/bin/chromium")),
    what: "Chromium",
    packages: &["chromium"],
}];

/// What building the desktop program needs besides; GTK and the rest come with it.
pub(crate) const DESKTOP: &[Need] = &[
    Need {
        is_there: || has_program("pkg-config"),
        what: "pkg-config",
        packages: &["pkg-config"],
    },
    Need {
        is_there: || has_library("webkit2gtk-4.1"),
        what: "WebKitGTK",
        packages: &["libwebkit2gtk-4.1-dev"],
    },
];

/// What `bench ssh` needs besides.
pub(crate) const RSYNC: &[Need] = &[Need {
    is_there: || has_program("rsync"),
    what: "rsync",
    packages: &["rsync"],
}];

/// What `bench scale` needs besides.
pub(crate) const SYNCTHING: &[Need] = &[Need {
    is_there: || has_program("syncthing"),
    what: "Syncthing",
    packages: &["syncthing"],
}];

/// What the tests need besides: pip fetches the real git-annex; a real drive is made on a loop device.
pub(crate) const TEST: &[Need] = &[
    Need {
        is_there: has_pip,
        what: "python3 with pip",
        packages: &["python3", "python3-pip"],
    },
    Need {
        is_there: || has_program("mkfs.ext4"),
        what: "mkfs.ext4",
        packages: &["e2fsprogs"],
    },
    Need {
        is_there: || has_program("mkfs.vfat"),
        what: "mkfs.vfat",
        packages: &["dosfstools"],
    },
    Need {
        is_there: || has_program("mkfs.exfat"),
        what: "mkfs.exfat",
        packages: &["exfatprogs"],
    },
    Need {
        is_there: || has_program("mount.exfat-fuse"),
        what: "exfat-fuse",
        packages: &["exfat-fuse"],
    },
    Need {
        is_there: || has_program("lowntfs-3g"),
        what: "lowntfs-3g",
        packages: &["ntfs-3g"],
    },
    Need {
        is_there: || has_program("bindfs"),
        what: "bindfs",
        packages: &["bindfs"],
    },
    Need {
        is_there: || has_program("losetup"),
        what: "mount and losetup",
        packages: &["mount"],
    },
    Need {
        is_there: || has_program("udevadm"),
        what: "udev",
        packages: &["udev"],
    },
    Need {
        is_there: || has_program("udisksctl"),
        what: "UDisks2",
        packages: &["udisks2"],
    },
    Need {
        is_there: || has_program("sshd"),
        what: "sshd",
        packages: &["openssh-server"],
    },
    Need {
        is_there: || has_program("ssh"),
        what: "ssh",
        packages: &["openssh-client"],
    },
];

/// What cargo-fuzz needs besides.
pub(crate) const FUZZ: &[Need] = &[Need {
    is_there: || has_program("c++"),
    what: "a C++ compiler",
    packages: &["g++"],
}];

/// The needs of tests that mount a file system of their own without root.
pub(crate) const FUSE: &[Need] = &[Need {
    is_there: || has_program("fusermount3") || has_program("fusermount"),
    what: "FUSE",
    packages: &["fuse3"],
}];

/// The needs of an invisible desktop.
pub(crate) const SCREEN: &[Need] = &[
    Need {
        is_there: || has_program("dbus-daemon"),
        what: "dbus-daemon",
        packages: &["dbus"],
    },
    Need {
        is_there: || has_program("Xvfb"),
        what: "Xvfb",
        packages: &["xvfb"],
    },
    Need {
        is_there: || has_program("WebKitWebDriver"),
        what: "WebKitWebDriver",
        packages: &["webkit2gtk-driver"],
    },
    Need {
        is_there: || has_program("dunst"),
        what: "dunst, a notification server",
        packages: &["dunst"],
    },
];

/// Further needs of an invisible desktop of which pictures are taken.
pub(crate) const PICTURES: &[Need] = &[
    Need {
        is_there: || has_program("xfce4-panel") && has_program("xfwm4"),
        what: "Xfce's panel and windows",
        packages: &["xfce4-panel", "xfconf", "xfwm4"],
    },
    Need {
        is_there: || Path::new("/usr/share/dbus-1/services/org.xfce.xfce4-notifyd.Notifications.service").is_file(),
        what: "Xfce's notifications",
        packages: &["xfce4-notifyd"],
    },
    Need {
        is_there: || Path::new("/usr/share/icons/Adwaita").is_dir(),
        what: "Adwaita's icons",
        packages: &["adwaita-icon-theme"],
    },
    Need {
        is_there: || Path::new("/usr/share/fonts/opentype/inter").is_dir(),
        what: "the font Inter",
        packages: &["fonts-inter"],
    },
];

/// What checks the files that desktops read of the program.
pub(crate) const ENTRIES: &[Need] = &[
    Need {
        is_there: || has_program("desktop-file-validate"),
        what: "desktop-file-validate",
        packages: &["desktop-file-utils"],
    },
    Need {
        is_there: || has_program("appstreamcli"),
        what: "appstreamcli",
        packages: &["appstream"],
    },
];

/// What making and checking a Debian package needs.
pub(crate) const PACKAGE: &[Need] = &[
    Need {
        is_there: || has_program("dpkg-shlibdeps"),
        what: "dpkg-shlibdeps",
        packages: &["dpkg-dev"],
    },
    Need {
        is_there: || has_program("strip"),
        what: "strip",
        packages: &["binutils"],
    },
    Need {
        is_there: || has_program("lintian"),
        what: "lintian",
        packages: &["lintian"],
    },
];

/// What making a clean Debian needs.
pub(crate) const TRIAL: &[Need] = &[Need {
    is_there: || has_program("mmdebstrap"),
    what: "mmdebstrap",
    packages: &["mmdebstrap"],
}];

/// Installs what is missing.
///
/// Says what, and asks unless `yes` or root.
///
/// # Errors
///
/// When something is missing and cannot be installed here, or the person says no; the message names what to install.
pub(crate) fn install(needs: &[&[Need]], yes: bool) -> Result<()> {
    let missing: Vec<&Need> = needs
        .iter()
        .flat_map(|group| group.iter())
        .filter(|need| !(need.is_there)())
        .collect();
    if missing.is_empty() {
        println!("  nothing is missing");
        return Ok(());
    }
    let what = missing.iter().map(|need| need.what).collect::<Vec<_>>().join(", ");
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages.iter().copied()).collect();
    println!("  missing: {what}");
    if !has_program("apt-get") {
        bail!("{what} missing, and there is no apt here to install it; install it and run this again");
    }
    let is_root = is_root();
    let install = |arguments: &[&str]| {
        let mut command = if is_root {
            Command::new("apt-get")
        } else {
            Command::new("sudo")
        };
        if !is_root {
            command.args(["--", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        println!("  $ {}", crate::steps::shown(&command));
        succeed(&mut command)
    };
    println!("  to install: {}", packages.join(" "));
    if !is_root && !yes && !confirms()? {
        bail!(
            "not installed; nothing was changed. To install: sudo apt-get install {}",
            packages.join(" ")
        );
    }
    install(&["update", "-qq"])?;
    let mut arguments = vec!["install", "--yes", "-qq", "--no-install-recommends"];
    arguments.extend(&packages);
    install(&arguments)?;
    let still: Vec<&str> = missing
        .iter()
        .filter(|need| !(need.is_there)())
        .map(|need| need.what)
        .collect();
    if !still.is_empty() {
        bail!(
            "apt installed the packages, but {} cannot be found yet; is it in PATH?",
            still.join(", ")
        );
    }
    Ok(())
}

fn confirms() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("there is nobody to ask whether to install it; run this again with --yes");
    }
    print!("  Install with sudo apt-get? [y/N] ");
    std::io::stdout().flush().context("the terminal is gone")?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .context("no answer could be read")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether a program is in PATH, or in a folder of the administrator's that a user's PATH on Debian leaves out.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder: std::path::PathBuf| is_file(&folder.join(name)))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}

fn has_pip() -> bool {
    answers("python3", &["-m", "pip", "--version"])
}

fn has_library(name: &str) -> bool {
    answers("pkg-config", &["--exists", name])
}

fn answers(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_path_and_an_unknown_one_is_not() {
        assert!(has_program("sh"));
        assert!(!has_program("no-such-program-anywhere"));
    }

    #[test]
    fn nothing_is_installed_when_nothing_is_missing() {
        const HERE: &[Need] = &[Need {
            is_there: || true,
            what: "all",
            packages: &["no-such-package"],
        }];
        install(&[HERE], true).unwrap();
    }
}
