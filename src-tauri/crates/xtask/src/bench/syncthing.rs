//! Two instances of Syncthing that know only each other, and talk to no address outside this machine.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::steps::output;

/// Waits for further changes before it syncs one: the least that version 1.19 allows. Its default is 10.
const WATCHER_DELAY: &str = "1";

/// Creates for each instance its home, with keys and a configuration, and the folder that it syncs.
pub(super) fn set_up(instances: [(&Path, &Path); 2]) -> Result<()> {
    let ports = free_ports()?;
    let mut devices = Vec::new();
    for (home, folder) in instances {
        // Syncthing syncs no folder that lacks this: its disk may be missing.
        fs::create_dir_all(folder.join(".stfolder"))?;
        fs::create_dir_all(home)?;
        let mut generate = command(home, "generate");
        output(generate.args(["--no-default-folder", "--skip-port-probing"]))?;
        let id = output(command(home, "serve").arg("--device-id"))?;
        devices.push(String::from_utf8(id)?.trim().to_owned());
    }
    for (number, (home, folder)) in instances.into_iter().enumerate() {
        let folder = folder.to_str().context("the temporary directory is not UTF-8")?;
        let text = configuration(
            folder,
            ports[number],
            [(&devices[0], ports[0]), (&devices[1], ports[1])],
        );
        fs::write(home.join("config.xml"), text)?;
    }
    Ok(())
}

/// A command that runs the instance with this home.
pub(super) fn serve(home: &Path) -> Command {
    let mut serve = command(home, "serve");
    serve.args(["--no-browser", "--no-upgrade"]);
    serve
}

fn command(home: &Path, task: &str) -> Command {
    let mut command = Command::new("syncthing");
    command.arg(task).arg("--home").arg(home);
    command.env("HOME", home).stdin(Stdio::null());
    command
}

/// Two ports that nobody uses.
fn free_ports() -> Result<[u16; 2]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    // Both are held until both are known, so they differ.
    let (one, other) = (bind()?, bind()?);
    Ok([one.local_addr()?.port(), other.local_addr()?.port()])
}

/// Everything that would reach out to other machines is off: discovery, relays, NAT traversal with STUN, upgrades, and
/// reports of usage and crashes. Nor does it lower its own priority, since no other program here does.
fn configuration(folder: &str, port: u16, devices: [(&str, u16); 2]) -> String {
    let known: String = devices
        .iter()
        .map(|(id, port)| format!("<device id=\"{id}\"><address>tcp://127.0.0.1:{port}</address></device>\n"))
        .collect();
    let sharing: String = devices.iter().map(|(id, _)| format!("<device id=\"{id}\"/>")).collect();
    let off: String = [
        "globalAnnounceEnabled",
        "localAnnounceEnabled",
        "announceLANAddresses",
        "relaysEnabled",
        "natEnabled",
        "crashReportingEnabled",
        "startBrowser",
        "setLowPriority",
    ]
    .iter()
    .map(|option| format!("<{option}>false</{option}>\n"))
    .collect();
    format!(
        "<configuration version=\"36\">\n\
         <folder id=\"bench\" path=\"{folder}\" type=\"sendreceive\" fsWatcherEnabled=\"true\" \
         fsWatcherDelayS=\"{WATCHER_DELAY}\">{sharing}</folder>\n\
         {known}\
         <gui enabled=\"false\"/>\n\
         <options>\n\
         <listenAddress>tcp://127.0.0.1:{port}</listenAddress>\n\
         {off}\
         <stunKeepaliveStartS>0</stunKeepaliveStartS>\n\
         <urAccepted>-1</urAccepted>\n\
         <autoUpgradeIntervalH>0</autoUpgradeIntervalH>\n\
         <reconnectionIntervalS>5</reconnectionIntervalS>\n\
         </options>\n\
         </configuration>\n"
    )
}
