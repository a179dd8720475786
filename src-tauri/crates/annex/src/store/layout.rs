//! Where objects lie in one repository, and with which permissions.

use model::Key;

use crate::sharing::Sharing;
use crate::{Annex, Error, Result, hash_directory};

/// What the configuration of a repository says about its object files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    lower: bool,
    crippled: bool,
    sharing: Sharing,
}

impl Layout {
    pub(super) fn read(annex: &Annex) -> Result<Self> {
        let config = annex
            .git()?
            .config()
            .and_then(|mut config| config.snapshot())
            .map_err(Error::git("read the configuration"))?;
        let crippled = config.get_bool("annex.crippledfilesystem").unwrap_or(false);
        Ok(Self {
            lower: annex.is_bare() || crippled,
            crippled,
            sharing: Sharing::parse(config.get_str("core.sharedRepository").unwrap_or_default()),
        })
    }

    /// The layout of a repository whose configuration cannot be read just now.
    pub(super) fn usual(annex: &Annex) -> Self {
        Self {
            lower: annex.is_bare(),
            crippled: false,
            sharing: Sharing::Umask,
        }
    }

    /// The hash directories below `objects/` where the object belongs here, without slashes at the ends.
    pub(super) fn directories(&self, key: &Key) -> String {
        directories(key, self.lower)
    }

    /// The ones where an object of another layout is found and used as well.
    pub(super) fn other_directories(&self, key: &Key) -> String {
        directories(key, !self.lower)
    }

    /// The mode of an object made from a file of mode `source`: what the source's owner kept from others stays so.
    pub(super) fn object_mode(&self, source: u32) -> u32 {
        let read_only = source & 0o555 | 0o400;
        match self.sharing {
            _ if self.crippled => 0o644,
            Sharing::Umask => read_only,
            Sharing::Group => read_only | 0o440,
            Sharing::World => read_only | 0o444,
            Sharing::Mode(mode) => mode & 0o444,
        }
    }

    /// The mode of any directory in the annex that `mkdir` makes with `made`.
    pub(super) fn directory_mode(&self, made: u32) -> u32 {
        match self.sharing {
            Sharing::Umask => made,
            Sharing::Group => made | 0o770,
            Sharing::World => made | 0o775,
            Sharing::Mode(mode) => mode & 0o666 | (mode & 0o444) >> 2 | 0o2000,
        }
    }

    /// The mode of the directory of one object, made with `made`, when nothing is being done in it.
    pub(super) fn locked_down_mode(&self, made: u32) -> u32 {
        let open = self.directory_mode(made);
        match self.sharing {
            _ if self.crippled => open,
            Sharing::Umask => open & !0o222,
            Sharing::Group | Sharing::World => open,
            Sharing::Mode(_) => open & !0o200,
        }
    }
}

fn directories(key: &Key, lower: bool) -> String {
    if lower {
        hash_directory::lower(key)
    } else {
        hash_directory::mixed(key)
    }
}

#[cfg(test)]
mod tests {
    use super::{Layout, Sharing};

    fn layout(shared: &str, crippled: bool) -> Layout {
        Layout {
            lower: false,
            crippled,
            sharing: Sharing::parse(shared),
        }
    }

    /// Modes as the real program leaves them: (`core.sharedRepository`, mode of the source, `mkdir` gives; object, hash
    /// directory, directory of the object).
    #[test]
    fn permissions_are_those_of_git_annex() {
        for (shared, source, made, object, directory, locked_down) in [
            ("", 0o644, 0o755, 0o444, 0o755, 0o555),
            ("umask", 0o644, 0o700, 0o444, 0o700, 0o500),
            ("false", 0o600, 0o755, 0o400, 0o755, 0o555),
            ("", 0o755, 0o755, 0o555, 0o755, 0o555),
            ("group", 0o644, 0o755, 0o444, 0o775, 0o775),
            ("group", 0o600, 0o700, 0o440, 0o770, 0o770),
            ("true", 0o644, 0o2755, 0o444, 0o2775, 0o2775),
            ("all", 0o600, 0o700, 0o444, 0o775, 0o775),
            ("0660", 0o755, 0o755, 0o440, 0o2770, 0o2570),
            ("0640", 0o644, 0o755, 0o440, 0o2750, 0o2550),
            ("0666", 0o644, 0o700, 0o444, 0o2777, 0o2577),
            ("0066", 0o644, 0o755, 0o444, 0o755, 0o555),
        ] {
            let layout = layout(shared, false);
            assert_eq!(layout.object_mode(source), object, "{shared:?} object of {source:o}");
            assert_eq!(layout.directory_mode(made), directory, "{shared:?} directory {made:o}");
            assert_eq!(
                layout.locked_down_mode(made),
                locked_down,
                "{shared:?} object's directory {made:o}"
            );
        }
        assert_eq!(layout("", true).object_mode(0o644), 0o644);
        assert_eq!(layout("", true).locked_down_mode(0o755), 0o755);
    }
}
