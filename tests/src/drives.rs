//! Drives and small disks, real ones as far as the machine allows.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Sandbox;
use crate::run::{run, told};

/// What a drive is formatted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Ext4.
    Ext4,
    /// FAT with long names, by the kernel.
    Fat,
    /// exFAT, by the program that serves it where the kernel does not.
    ExFat,
}

/// A drive on a loop device.
pub struct Drive {
    image: PathBuf,
    device: String,
    format: Format,
    mount_point: PathBuf,
}

impl Drive {
    /// Makes and mounts an ext4 drive of some mebibytes at a name in the sandbox.
    ///
    /// # Errors
    ///
    /// With the reason why this machine cannot have one.
    pub fn new(sandbox: &Sandbox, name: &str, mebibytes: u64) -> Result<Drive, String> {
        Drive::formatted(sandbox, Format::Ext4, "ANABRANCH", &sandbox.path(name), mebibytes)
    }

    /// Makes a drive with a label, and mounts it where desktops mount drives for people.
    ///
    /// # Errors
    ///
    /// With the reason why this machine cannot have one.
    pub fn for_people(sandbox: &Sandbox, format: Format, label: &str, mebibytes: u64) -> Result<Drive, String> {
        let user = sandbox.path("").file_name().map(PathBuf::from).unwrap_or_default();
        let above = Path::new("/media").join(user);
        std::fs::create_dir_all(&above).map_err(|error| error.to_string())?;
        Drive::formatted(sandbox, format, label, &above.join(label), mebibytes)
    }

    fn formatted(
        sandbox: &Sandbox,
        format: Format,
        label: &str,
        mount_point: &Path,
        mebibytes: u64,
    ) -> Result<Drive, String> {
        let name = mount_point.file_name().unwrap_or_default().to_string_lossy();
        let image = sandbox.path(format!("{name}.image"));
        let file = std::fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(mebibytes << 20).map_err(|error| error.to_string())?;
        let (program, options): (&str, &[&str]) = match format {
            Format::Ext4 => ("mkfs.ext4", &["-q", "-L"]),
            Format::Fat => ("mkfs.vfat", &["-n"]),
            Format::ExFat => ("mkfs.exfat", &["-L"]),
        };
        possible(sandbox.command(program).args(options).arg(label).arg(&image))?;
        Drive::of_image(image, format, mount_point)
    }

    /// Makes a copy of the drive bit by bit, and mounts it beside it.
    ///
    /// # Errors
    ///
    /// With the reason why this machine cannot have one.
    pub fn copy(&self) -> Result<Drive, String> {
        possible(&mut Command::new("sync"))?;
        let again = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.with_file_name(format!("{name}1"))
        };
        let image = again(&self.image);
        possible(Command::new("cp").arg("--sparse=always").arg(&self.image).arg(&image))?;
        Drive::of_image(image, self.format, &again(&self.mount_point))
    }

    fn of_image(image: PathBuf, format: Format, mount_point: &Path) -> Result<Drive, String> {
        let device = attach(&image)?;
        std::fs::create_dir(mount_point).map_err(|error| error.to_string())?;
        let drive = Drive {
            image,
            device,
            format,
            mount_point: mount_point.to_owned(),
        };
        possible(&mut drive.mount_command())?;
        Ok(drive)
    }

    /// Has the drive mounted at another place from now on; it must not be mounted.
    pub fn move_to(&mut self, name: &str) {
        // If it is not empty, it is still mounted, and the next mount tells.
        let _ = std::fs::remove_dir(&self.mount_point);
        self.mount_point.set_file_name(name);
        std::fs::create_dir(&self.mount_point).unwrap();
    }

    /// Waits until udev has seen the drive.
    pub fn wait_for_udev(&self) {
        run(Command::new("udevadm").args(["trigger", "--action=change", "--settle", &self.device]));
    }

    /// True if it is mounted at its place.
    #[must_use]
    pub fn is_mounted(&self) -> bool {
        let is_mounted = Command::new("mountpoint").arg("-q").arg(&self.mount_point).status();
        is_mounted.is_ok_and(|status| status.success())
    }

    /// Where the drive is mounted.
    #[must_use]
    pub fn mount_point(&self) -> &Path {
        &self.mount_point
    }

    /// The block device.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Mounts the drive again at its place.
    #[track_caller]
    pub fn plug_in(&self) {
        run(&mut self.mount_command());
    }

    /// Takes the drive away as people should, also from under whoever still looks at it.
    #[track_caller]
    pub fn unmount(&self) {
        run(Command::new("umount").arg("--lazy").arg(&self.mount_point));
    }

    /// Pulls the drive out: from this moment every read and write of it fails, and what was not on the disk is lost.
    ///
    /// Plugged in again it is another device, as with a real drive: whoever still holds a file of the old one open gets
    /// nothing but errors from it.
    #[track_caller]
    pub fn pull_out(&mut self) {
        // The file system's own request to shut down at once, without writing its journal (EXT4_IOC_SHUTDOWN).
        let shut_down = "import fcntl, os, struct, sys\n\
                         fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";
        run(Command::new("python3").args(["-c", shut_down]).arg(&self.mount_point));
        self.unmount();
        // What is on the disk at this moment. The old device may still be held open and must not write to the new one.
        let image = self.image.with_extension("image again");
        run(Command::new("cp").arg("--sparse=always").arg(&self.image).arg(&image));
        self.detach();
        std::fs::rename(&image, &self.image).unwrap();
        self.device = attach(&self.image).unwrap();
    }

    /// Turns the drive read-only, as the kernel does with one that has faults, or back.
    #[track_caller]
    pub fn turn_read_only(&self, is_read_only: bool) {
        let options = if is_read_only { "remount,ro" } else { "remount,rw" };
        run(Command::new("mount").args(["-o", options]).arg(&self.mount_point));
    }

    fn detach(&self) {
        // Held open, it goes when it is let go of.
        let mut detach = Command::new("losetup");
        let _ = detach.args(["--detach", &self.device]).stderr(Stdio::null()).status();
    }

    fn mount_command(&self) -> Command {
        let (program, options): (&str, &[&str]) = match self.format {
            Format::Ext4 => ("mount", &["-t", "ext4"]),
            Format::Fat => ("mount", &["-t", "vfat"]),
            Format::ExFat => ("mount.exfat-fuse", &[]),
        };
        let mut mount = Command::new(program);
        mount.args(options);
        mount.arg(&self.device).arg(&self.mount_point);
        mount
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        // Wherever it is mounted: a desktop service chooses a place of its own. It may be nowhere, and that is no fault.
        let mut unmount = Command::new("umount");
        let _ = unmount
            .args(["--lazy", "--all-targets", &self.device])
            .stderr(Stdio::null())
            .status();
        self.detach();
        // In a place for people, nobody else removes what was made for it; in a sandbox it goes with that.
        if self.mount_point.starts_with("/media") {
            let _ = std::fs::remove_dir(&self.mount_point);
            let _ = self.mount_point.parent().map(std::fs::remove_dir);
        }
    }
}

/// A disk in memory with room for little.
pub struct SmallDisk {
    mount_point: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of some mebibytes at a name in the sandbox.
    ///
    /// # Errors
    ///
    /// With the reason why this machine cannot have one.
    pub fn new(sandbox: &Sandbox, name: &str, mebibytes: u64) -> Result<SmallDisk, String> {
        let mount_point = sandbox.path(name);
        std::fs::create_dir_all(&mount_point).map_err(|error| error.to_string())?;
        let size = format!("size={mebibytes}m");
        possible(
            sandbox
                .command("mount")
                .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
                .arg(&mount_point),
        )?;
        Ok(SmallDisk { mount_point })
    }

    /// Gives the disk more room.
    #[track_caller]
    pub fn grow(&self, mebibytes: u64) {
        let size = format!("remount,size={mebibytes}m");
        run(Command::new("mount").args(["-o", &size]).arg(&self.mount_point));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.mount_point).status();
    }
}

/// A folder seen at another place by way of a program, as one on another computer is: of changes in the folder itself
/// nothing is told there.
pub struct Share {
    mount_point: PathBuf,
    program: Child,
}

impl Share {
    /// Shows a folder at a name in the sandbox.
    ///
    /// # Errors
    ///
    /// With the reason why this machine cannot.
    pub fn new(sandbox: &Sandbox, folder: &Path, name: &str) -> Result<Share, String> {
        let mount_point = sandbox.path(name);
        std::fs::create_dir(&mount_point).map_err(|error| error.to_string())?;
        let mut program = sandbox.command("bindfs");
        program.arg("-f").arg(folder).arg(&mount_point);
        let mut share = Share {
            program: program.spawn().map_err(|error| error.to_string())?,
            mount_point,
        };
        loop {
            let mounts = std::fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
            let point = share.mount_point.to_string_lossy();
            if mounts.lines().any(|mount| mount.split(' ').nth(4) == Some(&*point)) {
                return Ok(share);
            }
            if let Ok(Some(status)) = share.program.try_wait() {
                return Err(format!("bindfs ended with {status}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Where the folder is seen.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mount_point
    }

    /// Lets whoever looks at it wait, as a server that does not answer.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Answers those who waited, and all others again.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        // It runs until it is let go of.
        let _ = kill(Pid::from_raw(self.program.id().cast_signed()), signal);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // Frozen, it would let the others wait that look at the mount.
        let _ = self.program.kill();
        let _ = self.program.wait();
        let _ = Command::new("umount").arg("--lazy").arg(&self.mount_point).status();
    }
}

/// A folder in which nobody can write, root neither, until it is let go of.
pub struct ReadOnly {
    folder: PathBuf,
}

impl ReadOnly {
    /// Makes a folder one.
    ///
    /// # Errors
    ///
    /// With the reason why this machine cannot.
    pub fn new(folder: &Path) -> Result<ReadOnly, String> {
        possible(Command::new("mount").arg("--bind").args([folder, folder]))?;
        let read_only = ReadOnly {
            folder: folder.to_owned(),
        };
        possible(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(folder))?;
        Ok(read_only)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

fn attach(image: &Path) -> Result<String, String> {
    let device = possible(Command::new("losetup").args(["--find", "--show"]).arg(image))?;
    Ok(device.trim().to_owned())
}

fn possible(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(told(command, &output))
    }
}
