//! A system bus with UDisks2 on it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Sandbox;

/// A system bus, udev and UDisks2 of this test's own, as a desktop has them.
pub struct DiskServices {
    services: Vec<Child>,
    bus: String,
}

impl DiskServices {
    /// Starts them.
    ///
    /// # Errors
    ///
    /// With the reason why this machine cannot have them.
    pub fn start(sandbox: &Sandbox) -> Result<DiskServices, String> {
        let udevd = ["/lib/systemd/systemd-udevd", "/usr/lib/systemd/systemd-udevd"].map(Path::new);
        let udevd = udevd
            .into_iter()
            .find(|path| path.exists())
            .ok_or("udev is not installed")?;
        let udisksd = ["/usr/libexec/udisks2/udisksd", "/usr/lib/udisks2/udisksd"].map(Path::new);
        let udisksd = udisksd
            .into_iter()
            .find(|path| path.exists())
            .ok_or("UDisks2 is not installed")?;
        let address = format!("unix:path={}", sandbox.path("run/bus").display());
        let settings = sandbox.path("bus.conf");
        let text = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \"busconfig.dtd\">\n\
             <busconfig><type>system</type><listen>{address}</listen><auth>EXTERNAL</auth>\n\
             <policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow send_type=\"method_call\"/>\n\
             <allow send_destination=\"*\" eavesdrop=\"true\"/><allow receive_sender=\"*\"/></policy></busconfig>\n"
        );
        fs::write(&settings, text).map_err(|error| error.to_string())?;
        let mut services = DiskServices {
            services: Vec::new(),
            bus: address,
        };
        if !is_well(Command::new("udevadm").args(["control", "--ping", "--timeout=2"])) {
            services.serve(sandbox.command(udevd))?;
        }
        let mut bus = sandbox.command("dbus-daemon");
        bus.args(["--nofork", "--nopidfile"])
            .arg(format!("--config-file={}", settings.display()));
        services.serve(bus)?;
        let is_up = |look: &dyn Fn() -> bool| {
            (0..100).any(|_| {
                look() || {
                    std::thread::sleep(Duration::from_millis(50));
                    false
                }
            })
        };
        if !is_up(&|| is_well(Command::new("udevadm").args(["control", "--ping", "--timeout=1"]))) {
            return Err("udev does not run here".to_owned());
        }
        if !is_up(&|| sandbox.path("run/bus").exists()) {
            return Err("no system bus can be started here".to_owned());
        }
        forget_mounts();
        let mut disks = sandbox.command(udisksd);
        disks.env("DBUS_SYSTEM_BUS_ADDRESS", &services.bus);
        services.serve(disks)?;
        if !is_up(&|| is_well(services.udisksctl(sandbox).arg("status"))) {
            return Err("UDisks2 does not answer".to_owned());
        }
        Ok(services)
    }

    fn serve(&mut self, mut command: Command) -> Result<(), String> {
        let service = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.services
            .push(service.map_err(|error| format!("{command:?}: {error}"))?);
        Ok(())
    }

    /// Where the system bus is.
    #[must_use]
    pub fn bus(&self) -> &str {
        &self.bus
    }

    /// UDisks2's own command.
    #[must_use]
    pub fn udisksctl(&self, sandbox: &Sandbox) -> Command {
        let mut command = sandbox.command("udisksctl");
        command.env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus);
        command
    }
}

impl Drop for DiskServices {
    fn drop(&mut self) {
        for service in self.services.iter_mut().rev() {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

fn is_well(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A UDisks2 that was ended leaves a list of what it had mounted, and the next one takes a new device of the same number for
/// the old one. Nobody else's list is touched.
fn forget_mounts() {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut names = processes.map(|process| fs::read_to_string(process.path().join("comm")).unwrap_or_default());
    if !names.any(|name| name.trim() == "udisksd") {
        // If there is none, nothing misleads.
        for list in [
            "/run/udisks2/mounted-fs",
            "/var/lib/udisks2/mounted-fs-persistent",
            "/var/lib/udisks2/mounted-fs",
        ] {
            let _ = fs::remove_file(list);
        }
    }
}
