//! `core.sharedRepository`: who else may use what is made in a repository.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// Who a repository is shared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    Umask,
    Group,
    World,
    Mode(u32),
}

impl Sharing {
    /// What the configuration of a git directory says. git reads it there alone, not in the user's configuration.
    pub(crate) fn of_git_dir(git_dir: &Path) -> Self {
        let config = git2::Config::open(&git_dir.join("config"));
        let text = config.and_then(|config| config.get_string("core.sharedRepository"));
        Self::parse(&text.unwrap_or_default())
    }

    pub(crate) fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "group" | "true" | "yes" | "on" | "1" => Sharing::Group,
            "all" | "world" | "everybody" | "2" => Sharing::World,
            text => match u32::from_str_radix(text, 8) {
                // git itself ignores a mode that locks the owner out.
                Ok(mode) if mode & 0o600 == 0o600 => Sharing::Mode(mode & 0o666),
                _ => Sharing::Umask,
            },
        }
    }

    /// The mode that git gives a directory that `mkdir` makes with `made`.
    pub(crate) fn directory_mode(self, made: u32) -> u32 {
        let mode = match self {
            Sharing::Umask => return made,
            Sharing::Group => made | 0o770,
            Sharing::World => made | 0o775,
            Sharing::Mode(mode) => made & !0o777 | mode | (mode & 0o444) >> 2,
        };
        // Only where the group gets anything does it matter which one it is.
        if mode & 0o060 == 0 { mode } else { mode | 0o2000 }
    }

    /// The mode that git gives a file that is made with `made`.
    pub(crate) fn file_mode(self, made: u32) -> u32 {
        let (kept, mut given) = match self {
            Sharing::Umask => return made,
            Sharing::Group => (made, 0o660),
            Sharing::World => (made, 0o664),
            Sharing::Mode(mode) => (made & !0o777, mode),
        };
        if made & 0o200 == 0 {
            given &= !0o222;
        }
        if made & 0o100 != 0 {
            given |= (given & 0o444) >> 2;
        }
        kept | given
    }
}

/// The permissions that this process does not give to what it creates.
///
/// Read from `/proc`, since asking by `umask(2)` would change it for all threads for a moment. Where that is
/// impossible everything is taken as withheld, which costs one more system call per file.
pub(crate) fn umask() -> u32 {
    static UMASK: OnceLock<u32> = OnceLock::new();
    *UMASK.get_or_init(|| {
        fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|status| {
                let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
                u32::from_str_radix(line.trim(), 8).ok()
            })
            .unwrap_or(0o777)
    })
}

#[cfg(test)]
mod tests {
    use super::Sharing;

    /// Modes as `git` 2.47 leaves them, with a umask of 077: a directory, an object, a ref.
    #[test]
    fn modes_are_those_of_git() {
        for (setting, directory, object, reference) in [
            ("", 0o700, 0o400, 0o600),
            ("group", 0o2770, 0o440, 0o660),
            ("all", 0o2775, 0o444, 0o664),
            ("0640", 0o2750, 0o440, 0o640),
            ("0600", 0o700, 0o400, 0o600),
        ] {
            let sharing = Sharing::parse(setting);
            assert_eq!(sharing.directory_mode(0o700), directory, "{setting}");
            assert_eq!(sharing.file_mode(0o400), object, "{setting}");
            assert_eq!(sharing.file_mode(0o600), reference, "{setting}");
        }
    }
}
