//! What a block device is, by udev's links and sysfs: for machines without UDisks2.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{Detail, is_for_people};
use crate::Mount;

pub(super) fn detail(mount: &Mount) -> Detail {
    // The name of the device in the kernel's own tables: /dev/mapper/… is a link.
    let device = Path::new(&mount.device).canonicalize();
    let device = device.unwrap_or_else(|_| PathBuf::from(&mount.device));
    let name = device.file_name().unwrap_or_default();
    let disk = disk(name);
    let is_loop = name.as_bytes().starts_with(b"loop");
    let is_removable = match is_loop {
        true => is_for_people(&mount.point),
        false => disk.as_deref().is_some_and(is_removable),
    };
    let link = |directory: &str| link_to(Path::new(directory), &device);
    Detail {
        uuid: link("/dev/disk/by-uuid"),
        label: link("/dev/disk/by-label"),
        model: disk.as_deref().map(model).unwrap_or_default(),
        // For a file system that a program serves, mountinfo does not say the type, and nothing else does here.
        fs_type: None,
        is_read_only: false,
        is_removable,
        // Boot and recovery partitions cannot be told apart here, but nobody mounts them from a drive that is taken out.
        is_hidden: !is_removable,
        can_eject: false,
    }
}

/// The directory in sysfs of the disk that a device is, or is a partition of.
fn disk(name: &OsStr) -> Option<PathBuf> {
    let device = Path::new("/sys/class/block").join(name).canonicalize().ok()?;
    match device.join("partition").exists() {
        true => device.parent().map(Path::to_owned),
        false => Some(device),
    }
}

/// As UDisks2 decides it: the medium can be taken out, or the whole disk is on a bus that people plug things into.
fn is_removable(disk: &Path) -> bool {
    let medium = fs::read_to_string(disk.join("removable")).is_ok_and(|text| text.trim() == "1");
    let is_plugged = |part: &[u8]| part.starts_with(b"usb") || part.starts_with(b"mmc_host");
    medium || disk.iter().any(|part| is_plugged(part.as_bytes()))
}

fn model(disk: &Path) -> String {
    let read = |name: &str| fs::read_to_string(disk.join("device").join(name)).unwrap_or_default();
    format!("{} {}", read("vendor").trim(), read("model").trim())
        .trim()
        .to_owned()
}

/// The name of the link in `directory` that leads to `device`, as udev wrote it.
fn link_to(directory: &Path, device: &Path) -> Option<String> {
    let links = fs::read_dir(directory).ok()?.flatten();
    let mut leading = links.filter(|link| link.path().canonicalize().is_ok_and(|target| target == device));
    unescape(leading.next()?.file_name().as_bytes()).into_string().ok()
}

/// Undoes udev's `\xNN` for bytes that are unsafe in a name.
fn unescape(name: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, after)) = rest.split_first() {
        let byte = after
            .strip_prefix(b"x")
            .filter(|_| first == b'\\')
            .and_then(|digits| digits.get(..2))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            // A sign is no digit.
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                plain.push(byte);
                rest = &after[3..];
            }
            None => {
                plain.push(first);
                rest = after;
            }
        }
    }
    OsString::from_vec(plain)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn udevs_links_are_read_backwards() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().canonicalize().unwrap();
        let (device, other) = (top.join("sdb1"), top.join("sdb2"));
        for file in [&device, &other] {
            fs::write(file, b"").unwrap();
        }
        let links = top.join("by-label");
        fs::create_dir(&links).unwrap();
        symlink("../sdb2", links.join("OTHER")).unwrap();
        symlink("../sdb1", links.join("MY\\x20STICK\\x2f1")).unwrap();
        symlink("../gone", links.join("GONE")).unwrap();
        assert_eq!(link_to(&links, &device), Some("MY STICK/1".to_owned()));
        assert_eq!(link_to(&links, &top.join("sdc")), None);
        assert_eq!(link_to(&top.join("no-such-directory"), &device), None);
    }

    #[test]
    fn hostile_names_of_links_stay_as_they_are() {
        for name in ["\\", "\\x", "\\x2", "\\xzz", "\\x+1", "a\\"] {
            assert_eq!(unescape(name.as_bytes()), name);
        }
        assert_eq!(unescape(b"\\x41\\x42"), "AB");
    }

    #[test]
    fn a_disk_on_a_bus_for_plugging_can_be_taken_out() {
        let place = tempfile::tempdir().unwrap();
        for (path, removable, expected) in [
            ("pci0/usb1/1-2/host6/block/sdb", "0", true),
            ("pci0/ata1/host0/block/sda", "0", false),
            ("pci0/ata2/host1/block/sr0", "1", true),
            ("platform/mmc_host/mmc0/block/mmcblk0", "0", true),
        ] {
            let disk = place.path().join(path);
            fs::create_dir_all(&disk).unwrap();
            fs::write(disk.join("removable"), format!("{removable}\n")).unwrap();
            assert_eq!(is_removable(&disk), expected, "{path}");
        }
    }
}
