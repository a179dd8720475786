//! What is mounted where, from `/proc/self/mountinfo`: works on every Linux desktop, and on none.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::watch;

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// What is mounted: for a drive its block device, such as `/dev/sdb1`; else whatever the file system says.
    pub device: OsString,
    /// The type of file system, such as `ext4`, `vfat`, `fuseblk`.
    pub fs_type: String,
    /// The kernel's number for this mount; mounting the same again gives another one (but may reuse an old one).
    pub id: u64,
    /// Major and minor number of the device, as in `st_dev` (except on btrfs).
    pub device_number: (u32, u32),
    /// Which directory of the file system is mounted: `/` unless it is a bind mount or a subvolume.
    pub root: PathBuf,
    /// True if nothing can be written through it.
    pub read_only: bool,
    /// The directories that an overlay is made of.
    pub layers: Vec<PathBuf>,
}

impl Mount {
    /// True if what is mounted is on another computer.
    #[must_use]
    pub fn is_networked(&self) -> bool {
        const KINDS: [&str; 9] = [
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "9p",
            "ceph",
            "fuse.sshfs",
            "fuse.rclone",
            "fuse.gvfsd-fuse",
        ];
        KINDS.contains(&self.fs_type.as_str())
    }

    /// True if a drive may be mounted there: not another computer, and not what a program serves, either of which may
    /// let wait whoever looks at it.
    #[must_use]
    pub fn may_be_drive(&self) -> bool {
        // A file system that a program serves from a block device is `fuseblk`.
        let is_served = self.fs_type == "fuse" || self.fs_type.starts_with("fuse.");
        !self.is_networked() && !is_served && self.fs_type != "autofs"
    }

    /// The uuid of this file system, by which it can be found wherever it is mounted; none if unknown.
    #[must_use]
    pub fn filesystem(&self) -> Option<String> {
        // These make of their uuid what they answer, whether udev runs or not. With most others it is the device.
        if matches!(self.fs_type.as_str(), "ext2" | "ext3" | "ext4" | "btrfs") {
            let found = rustix::fs::statvfs(&self.point).ok()?;
            return Some(format!("{:016x}", found.f_fsid));
        }
        // udev's links by uuid lead to one device only, where another is its copy.
        let (major, minor) = self.device_number;
        let known = std::fs::read_to_string(format!("/run/udev/data/b{major}:{minor}")).ok()?;
        let uuid = known.lines().find_map(|line| line.strip_prefix("E:ID_FS_UUID="))?;
        Some(uuid.to_owned())
    }

    /// True if files in it can change without the kernel telling: by other computers, by the program that is the file
    /// system, or in the directories that it shows.
    #[must_use]
    pub fn changes_unseen(&self) -> bool {
        const KINDS: [&str; 14] = [
            "9p", "afs", "beegfs", "ceph", "cifs", "fuse", "gfs2", "lustre", "nfs", "nfs4", "ocfs2", "smb3", "vboxsf",
            "virtiofs",
        ];
        match self.fs_type.as_str() {
            // Nobody can change the layers of a container's overlay from within.
            "overlay" => self.layers.iter().any(|layer| layer.is_dir()),
            // `fuseblk`, a disk that only this kernel writes, is none of them.
            kind => kind.starts_with("fuse.") || KINDS.contains(&kind),
        }
    }
}

/// Reads the table of mounts, and follows it by a thread that sleeps until the kernel reports a change, and ends with the first
/// one that nobody listens to. Changes in quick succession are seen as one: a drive that was pulled out and put back has another
/// [`Mount::id`].
pub fn watch_mounts() -> io::Result<watch::Receiver<Arc<[Mount]>>> {
    // The kernel reports changes since the opening: none is missed between the first reading and the first poll.
    let mut file = File::open(MOUNTINFO)?;
    let (table, mounts) = watch::channel(read(&mut file)?);
    std::thread::Builder::new()
        .name("mounts".into())
        .spawn(move || follow(&mut file, &table))?;
    Ok(mounts)
}

fn follow(file: &mut File, table: &watch::Sender<Arc<[Mount]>>) {
    loop {
        match poll(&mut [PollFd::new(&*file, PollFlags::PRI)], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        if table.is_closed() {
            return;
        }
        let Ok(mounts) = read(file) else { return };
        // The kernel also reports changes that do not show in the table.
        if *table.borrow() != mounts {
            table.send_replace(mounts);
        }
    }
}

fn read(file: &mut File) -> io::Result<Arc<[Mount]>> {
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    Ok(parse_mountinfo(&text).into())
}

/// Parses the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)); lines that do not have its form are left out.
pub(crate) fn parse_mountinfo(text: &[u8]) -> Vec<Mount> {
    text.split(|&byte| byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let id = number(fields.next()?)?;
    let _parent = fields.next()?;
    let (major, minor) = std::str::from_utf8(fields.next()?).ok()?.split_once(':')?;
    let root = PathBuf::from(unescape(fields.next()?));
    let point = PathBuf::from(unescape(fields.next()?));
    let options = fields.next()?;
    // Any number of optional fields, ended by a dash.
    fields.by_ref().find(|&field| field == b"-")?;
    let fs_type = String::from_utf8(unescape(fields.next()?).into_vec()).ok()?;
    let device = unescape(fields.next()?);
    let super_options = fields.next().unwrap_or_default();
    let layers = match fs_type.as_str() {
        "overlay" => layers(super_options),
        _ => Vec::new(),
    };
    let is_read_only = |options: &[u8]| options.split(|&byte| byte == b',').any(|option| option == b"ro");
    point.is_absolute().then_some(Mount {
        point,
        device,
        fs_type,
        id,
        device_number: (major.parse().ok()?, minor.parse().ok()?),
        root,
        read_only: is_read_only(options) || is_read_only(super_options),
        layers,
    })
}

/// The layers that the options of an overlay name: `lowerdir=/a:/b,upperdir=/c`, or one `lowerdir+=` for each.
fn layers(options: &[u8]) -> Vec<PathBuf> {
    let mut layers = Vec::new();
    for option in options.split(|&byte| byte == b',') {
        let mut parts = option.splitn(2, |&byte| byte == b'=');
        if let (Some(b"lowerdir" | b"lowerdir+" | b"upperdir"), Some(paths)) = (parts.next(), parts.next()) {
            let paths = paths.split(|&byte| byte == b':').filter(|path| path.starts_with(b"/"));
            layers.extend(paths.map(|path| PathBuf::from(unescape(path))));
        }
    }
    layers
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Undoes the kernel's `\ooo` for space, tab, newline and backslash. Anything else stays as it is.
fn unescape(field: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] if first == b'\\' => {
                plain.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = tail;
            }
            _ => {
                plain.push(first);
                rest = after;
            }
        }
    }
    OsString::from_vec(plain)
}

/// The mounts as they are now; none if the table cannot be read.
pub(crate) fn mounts_now() -> Vec<Mount> {
    std::fs::read(MOUNTINFO)
        .map(|text| parse_mountinfo(&text))
        .unwrap_or_default()
}

/// Finds the mount that an absolute path without symlinks is on; of several on one point the last covers the others.
pub fn mount_of<'m>(mounts: &'m [Mount], path: &Path) -> Option<&'m Mount> {
    let above = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    above.max_by_key(|mount| mount.point.components().count())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    const SAMPLE: &[u8] = br"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
36 22 8:17 / /media/me/MY\040STICK rw,nosuid shared:7 master:1 - vfat /dev/sdb1 rw,uid=1000
37 22 0:41 /sub /mnt/a\134b\011c\012d ro,relatime - btrfs /dev/sdc rw,subvol=/sub
38 22 0:42 / /run rw - tmpfs tmpfs ro
39 38 0:43 / /run rw - tmpfs covers rw
40 22 0:44 / /media/mean - - rw - fuse.x /dev/fuse rw
";

    #[test]
    fn the_kernels_table_is_understood() {
        let mounts = parse_mountinfo(SAMPLE);
        let points: Vec<_> = mounts.iter().map(|mount| mount.point.to_str().unwrap()).collect();
        assert_eq!(
            points,
            [
                "/",
                "/media/me/MY STICK",
                "/mnt/a\\b\tc\nd",
                "/run",
                "/run",
                "/media/mean"
            ]
        );
        let stick = &mounts[1];
        assert_eq!((stick.id, stick.device_number), (36, (8, 17)));
        assert_eq!(
            (stick.fs_type.as_str(), stick.device.to_str().unwrap(), stick.read_only),
            ("vfat", "/dev/sdb1", false)
        );
        assert_eq!(
            mounts.iter().map(|mount| mount.read_only).collect::<Vec<_>>(),
            [false, false, true, true, false, false]
        );
        assert_eq!(mounts[2].root, Path::new("/sub"));
    }

    #[test]
    fn where_others_change_files_unseen_is_known() {
        let layer = tempfile::tempdir().unwrap();
        let here = layer.path().display();
        for (kind, options, unseen) in [
            ("ext4", "rw", false),
            ("btrfs", "rw", false),
            ("vfat", "rw", false),
            ("fuseblk", "rw", false),
            ("nfs4", "rw", true),
            ("cifs", "rw", true),
            ("fuse.sshfs", "rw", true),
            ("fuse.bindfs", "rw", true),
            ("fuse.mergerfs", "rw", true),
            ("fuse", "rw", true),
            ("overlay", "rw,lowerdir=/no/such:/nor/such,upperdir=/no", false),
            ("overlay", &format!("rw,lowerdir=/no/such:{here},upperdir=/no"), true),
            ("overlay", &format!("rw,lowerdir+={here}"), true),
        ] {
            let line = format!("36 22 8:17 / /mnt rw - {kind} x {options}");
            let mount = parse_mountinfo(line.as_bytes()).remove(0);
            assert_eq!(mount.changes_unseen(), unseen, "{kind} {options}");
        }
    }

    #[test]
    fn hostile_lines_are_left_out() {
        for line in [
            &b""[..],
            b"1",
            b"1 2 3 4 5 6 7",
            b"x 1 8:1 / /a rw - t d rw",
            b"1 1 8 / /a rw - t d rw",
            b"1 1 8:1 / relative rw - t d rw",
            b"1 1 8:1 / /a rw t d rw",
            b"1 1 8:1 / /a rw -",
            b"99999999999999999999 1 8:1 / /a rw - t d rw",
            b"1 1 8:1 / /a rw - \xff d rw",
        ] {
            assert_eq!(parse_mountinfo(line), [], "{}", line.escape_ascii());
        }
        let odd = parse_mountinfo(b"1 1 8:1 / /a\\\\04\\777\\ rw - t d");
        assert_eq!(odd[0].point.as_os_str(), "/a\\\\04\\777\\");
        let bytes = parse_mountinfo(b"1 1 8:1 / /\\377 rw - t d rw");
        assert_eq!(bytes[0].point, PathBuf::from(OsString::from_vec(b"/\xff".to_vec())));
    }

    #[test]
    fn a_path_is_on_the_deepest_and_last_mount() {
        let mounts = parse_mountinfo(SAMPLE);
        for (path, id) in [
            ("/", 22),
            ("/media/me", 22),
            ("/media/me/MY STICK/x/y", 36),
            ("/media/me/MY STICKS", 22),
            ("/run/x", 39),
        ] {
            assert_eq!(mount_of(&mounts, Path::new(path)).unwrap().id, id, "{path}");
        }
        assert_eq!(mount_of(&mounts, Path::new("relative")), None);
    }

    #[tokio::test]
    async fn mounting_and_unmounting_are_noticed() {
        let mut mounts = watch_mounts().unwrap();
        assert!(mount_of(&mounts.borrow(), Path::new("/proc/self")).is_some());
        if !rustix::process::geteuid().is_root() {
            return crate::skipped::lacks("root", "only root can mount");
        }
        let place = tempfile::tempdir().unwrap();
        let point = place.path().canonicalize().unwrap().join("a b");
        std::fs::create_dir(&point).unwrap();
        let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        if !run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&point)) {
            return crate::skipped::lacks("mount", "mounting is not allowed here");
        }
        // Other mounts of the machine may change meanwhile.
        let mut wait_until = async |is_mounted: bool| {
            let is_so = |table: &Arc<[Mount]>| table.iter().any(|mount| mount.point == point) == is_mounted;
            let change = tokio::time::timeout(Duration::from_secs(20), mounts.wait_for(is_so)).await;
            change.expect("a change within 20 s").expect("the table can be read");
        };
        wait_until(true).await;
        assert!(run(Command::new("umount").arg(&point)));
        wait_until(false).await;
    }
}
