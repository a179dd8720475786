use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// The number of a file, directory or symlink. It stays the same over a power cut.
pub(super) type Ino = u64;

/// The number of the top directory.
pub(super) const ROOT: Ino = 1;

/// What `stat` tells besides the kind and the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) atime: SystemTime,
    pub(super) mtime: SystemTime,
    pub(super) ctime: SystemTime,
}

/// What a node is, and what it holds.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    File(Arc<Vec<u8>>),
    Directory(Arc<BTreeMap<OsString, Ino>>),
    Symlink(Arc<OsStr>),
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) attributes: Attributes,
    pub(super) names: u32,
}

/// One name in one directory, and what it led to before and after.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub(super) directory: Ino,
    pub(super) name: OsString,
    pub(super) before: Option<Ino>,
    pub(super) after: Option<Ino>,
}

/// A change of the content of a file.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Content {
    pub(super) fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Content::Write { at, bytes } => {
                let end = at + bytes.len();
                if data.len() < end {
                    data.resize(end, 0);
                }
                data[*at..end].copy_from_slice(bytes);
            }
            Content::Resize(size) => data.resize(*size, 0),
        }
    }
}

/// What a program asked to be made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synced {
    /// One file; `fdatasync` leaves its times and permissions out.
    File {
        /// Its number.
        ino: u64,
        /// Whether it was `fdatasync`.
        only_data: bool,
    },
    /// The names in one directory.
    Directory(u64),
    /// The whole disk: `syncfs`, `sync`.
    All,
}

/// One thing that happened to a disk.
#[derive(Debug, Clone)]
pub enum Record {
    /// Names changed, all of them at once: a rename is never half done.
    #[allow(private_interfaces, reason = "others look at what was synced only")]
    Names(Vec<Name>),
    /// A file's content changed, and with it the time of its last change.
    #[allow(private_interfaces, reason = "others look at what was synced only")]
    Content(Ino, Content, SystemTime),
    /// Permissions, owner or times changed.
    #[allow(private_interfaces, reason = "others look at what was synced only")]
    Attributes(Ino, Attributes),
    /// Something was to be made durable.
    Sync(Synced),
}

/// All that is on a disk.
#[derive(Debug, Clone)]
pub struct Disk {
    pub(super) nodes: HashMap<Ino, Node>,
    pub(super) next: Ino,
}

impl Default for Disk {
    fn default() -> Disk {
        let now = SystemTime::now();
        let attributes = Attributes {
            mode: 0o755,
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            atime: now,
            mtime: now,
            ctime: now,
        };
        let kind = Kind::Directory(Arc::default());
        let root = Node {
            kind,
            attributes,
            names: 2,
        };
        Disk {
            nodes: HashMap::from([(ROOT, root)]),
            next: ROOT + 1,
        }
    }
}

impl Disk {
    pub(super) fn entries(&self, directory: Ino) -> Option<&BTreeMap<OsString, Ino>> {
        match &self.nodes.get(&directory)?.kind {
            Kind::Directory(entries) => Some(entries),
            Kind::File(_) | Kind::Symlink(_) => None,
        }
    }

    pub(super) fn find(&self, directory: Ino, name: &OsStr) -> Option<Ino> {
        self.entries(directory)?.get(name).copied()
    }

    /// The content of a file, by its path from the top; none if there is no such file.
    #[must_use]
    pub fn read(&self, path: &Path) -> Option<&[u8]> {
        let found = path
            .iter()
            .try_fold(ROOT, |directory, name| self.find(directory, name))?;
        match &self.nodes.get(&found)?.kind {
            Kind::File(data) => Some(data),
            Kind::Directory(_) | Kind::Symlink(_) => None,
        }
    }

    /// Changes names, and counts the names of each node, except for directories.
    pub(super) fn rename(&mut self, names: &[Name]) {
        for Name {
            directory,
            name,
            before,
            after,
        } in names
        {
            for (node, gained) in [(before, false), (after, true)] {
                if let Some(node) = node.and_then(|ino| self.nodes.get_mut(&ino))
                    && !matches!(node.kind, Kind::Directory(_))
                {
                    node.names = if gained {
                        node.names + 1
                    } else {
                        node.names.saturating_sub(1)
                    };
                }
            }
            let Some(Kind::Directory(entries)) = self.nodes.get_mut(directory).map(|node| &mut node.kind) else {
                continue;
            };
            let entries = Arc::make_mut(entries);
            match after {
                Some(ino) => entries.insert(name.clone(), *ino),
                None => entries.remove(name),
            };
        }
    }

    pub(super) fn change(&mut self, ino: Ino, change: &Content) {
        if let Some(Kind::File(data)) = self.nodes.get_mut(&ino).map(|node| &mut node.kind) {
            change.apply(Arc::make_mut(data));
        }
    }
}

/// What a disk was, and all that happened to it since.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    pub(super) base: Disk,
    /// The nodes made since, as they were at first.
    pub(super) births: HashMap<Ino, Node>,
    pub(super) records: Vec<Record>,
}

impl Recording {
    /// The disk as it was.
    #[must_use]
    pub fn base(&self) -> &Disk {
        &self.base
    }

    /// How many things happened.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The moments right before and right after something was made durable.
    #[must_use]
    pub fn sync_points(&self) -> Vec<usize> {
        let at = |(at, record): (usize, &Record)| matches!(record, Record::Sync(_)).then_some([at, at + 1]);
        self.records.iter().enumerate().filter_map(at).flatten().collect()
    }

    /// The first moment from `from` on right before a name changed that is one of those, here or in whatever directory.
    #[must_use]
    pub fn next_naming(&self, from: usize, is_meant: &dyn Fn(&OsStr) -> bool) -> Option<usize> {
        let is_it =
            |record: &Record| matches!(record, Record::Names(names) if names.iter().any(|name| is_meant(&name.name)));
        self.records.iter().skip(from).position(is_it).map(|at| from + at)
    }

    /// One line for each thing that happened before a moment, the last ones, to find a fault by.
    #[must_use]
    pub fn story(&self, until: usize, lines: usize) -> String {
        let mut text = String::new();
        for (at, record) in self.records[..until]
            .iter()
            .enumerate()
            .skip(until.saturating_sub(lines))
        {
            let line = match record {
                Record::Names(names) => names
                    .iter()
                    .map(|name| {
                        format!(
                            "{}/{:?}: {:?} → {:?}",
                            name.directory, name.name, name.before, name.after
                        )
                    })
                    .collect::<Vec<_>>()
                    .join(", "),
                Record::Content(ino, Content::Write { at, bytes }, _) => {
                    format!("write {} bytes at {at} of {ino}", bytes.len())
                }
                Record::Content(ino, Content::Resize(size), _) => format!("make {ino} {size} bytes long"),
                Record::Attributes(ino, attributes) => format!("attributes of {ino}: {:o}", attributes.mode),
                Record::Sync(synced) => format!("sync {synced:?}"),
            };
            text += &format!("{at:6} {line}\n");
        }
        text
    }
}
