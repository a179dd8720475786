//! The index file of git, versions 2 to 4, whole or split.

use std::collections::BTreeMap;
use std::sync::Arc;

use bstr::ByteSlice;
use model::Oid;
use sha1::{Digest, Sha1};

use super::base::Base;
use super::monitor::{Monitor, Replaced};
use super::{CachedTree, Entries, EntryRef, IndexEntry, ewah, untracked};

/// The bytes before the first entry.
pub(super) const HEADER: usize = 12;
const CHECKSUM: usize = 20;
const EXTENDED: u16 = 0x4000;
const LENGTH: u16 = 0x0fff;

/// So many entries may always be beside a base.
const BESIDE: usize = 256;

/// All that the index holds and that has a meaning after an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexContent {
    version: u32,
    /// What most entries are in, if the index is split.
    pub(super) base: Option<Arc<Base>>,
    /// Positions in the base of entries that are gone or replaced, in order.
    pub(super) hidden: Vec<u32>,
    /// What is not in the base, by path, then by stage.
    pub(super) own: Vec<IndexEntry>,
    pub(crate) trees: CachedTree,
    /// The `REUC` extension, carried as it is.
    resolve_undo: Option<Vec<u8>>,
    /// What git need not compare with the work tree (`FSMN`).
    monitor: Option<Monitor>,
    /// The `UNTR` extension.
    untracked: Option<Vec<u8>>,
}

impl Default for IndexContent {
    fn default() -> Self {
        Self {
            version: 2,
            base: None,
            hidden: Vec::new(),
            own: Vec::new(),
            trees: CachedTree::default(),
            resolve_undo: None,
            monitor: None,
            untracked: None,
        }
    }
}

/// Why an index cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Truncated or overwritten.
    Damaged(&'static str),
    /// A kind of index that this program does not edit.
    Unsupported(&'static str),
}

use Fault::{Damaged, Unsupported};

/// The checksum that ends an index.
pub(super) fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    Sha1::digest(body).into()
}

/// The bytes before the checksum of an index, if the checksum is right.
pub(super) fn body(data: &[u8]) -> Result<&[u8], Fault> {
    let Some((body, checksum)) = data.split_last_chunk::<CHECKSUM>() else {
        return Err(Damaged("it is too short"));
    };
    if body.len() < HEADER || !body.starts_with(b"DIRC") {
        return Err(Damaged("it does not start as an index does"));
    }
    // All zero: written with `index.skipHash`.
    if *checksum != [0; CHECKSUM] && self::checksum(body) != *checksum {
        return Err(Damaged("its checksum is wrong"));
    }
    Ok(body)
}

/// How the `link` extension says that an index is split.
struct Link<'a> {
    base: [u8; CHECKSUM],
    bitmaps: &'a [u8],
}

impl<'a> Link<'a> {
    fn parse(data: &'a [u8]) -> Result<Self, Fault> {
        let (base, bitmaps) = data.split_first_chunk().ok_or(Damaged("it is truncated"))?;
        match *base == [0; CHECKSUM] {
            // git 2.47.3 writes that with `index.skipHash`, and then takes the index for whole, without most entries.
            true => Err(Damaged("it names a base without a checksum")),
            false => Ok(Self { base: *base, bitmaps }),
        }
    }
}

impl IndexContent {
    /// Reads an index. `find` is asked for its base by checksum.
    pub(crate) fn parse(
        data: &[u8],
        find: &mut dyn FnMut([u8; CHECKSUM]) -> Result<Arc<Base>, Fault>,
    ) -> Result<Self, Fault> {
        let body = body(data)?;
        let mut input = Input(&body[4..]);
        let version = input.u32()?;
        if !(2..=4).contains(&version) {
            return Err(Unsupported("it has a version that this program does not know"));
        }
        let count = input.u32()? as usize;
        // An entry takes at least 62 bytes; what claims more entries is no reason to reserve memory for them.
        let mut entries = Vec::<IndexEntry>::with_capacity(count.min(data.len() / 62));
        for _ in 0..count {
            let entry = input.entry(version, entries.last().map_or(b"", |last| &last.path))?;
            entries.push(entry);
        }
        let mut content = Self {
            version,
            ..Self::default()
        };
        let (mut link, mut monitor) = (None, None);
        while !input.0.is_empty() {
            let name = input.take(4)?;
            let size = input.u32()? as usize;
            let data = input.take(size)?;
            match name {
                b"TREE" => content.trees = CachedTree::parse(data).unwrap_or_default(),
                b"REUC" => content.resolve_undo = Some(data.to_owned()),
                b"FSMN" => monitor = Some(data),
                b"UNTR" => content.untracked = Some(data.to_owned()),
                b"link" => link = Some(Link::parse(data)?),
                b"sdir" => return Err(Unsupported("it is sparse (index.sparse)")),
                // Caches of git that an edit makes stale; they come back by themselves.
                [b'A'..=b'Z', ..] => {}
                _ => return Err(Unsupported("it has an extension that this program does not know")),
            }
        }
        match link {
            Some(link) => content.join(find(link.base)?, link.bitmaps, entries)?,
            None => content.own = entries,
        }
        let is_in_order = |pair: &[IndexEntry]| (&pair[0].path, pair[0].stage()) < (&pair[1].path, pair[1].stage());
        if !content.own.windows(2).all(is_in_order) || content.own.first().is_some_and(|first| first.path.is_empty()) {
            return Err(Damaged("its entries are not in order"));
        }
        // Without what is not understood git compares everything.
        content.monitor = monitor.and_then(|data| Monitor::parse(data, content.entries().len()).ok());
        Ok(content)
    }

    /// Takes over what a split index says of its base: which entries are gone, and which are replaced by the first of those
    /// beside it, which have no path.
    fn join(&mut self, base: Arc<Base>, bitmaps: &[u8], mut entries: Vec<IndexEntry>) -> Result<(), Fault> {
        if !bitmaps.is_empty() {
            let mut bitmaps = Input(bitmaps);
            let deleted = ewah::decode(&mut bitmaps, base.len())?;
            let replaced = ewah::decode(&mut bitmaps, base.len())?;
            if entries.len() < replaced.len() {
                return Err(Damaged("it lacks entries that replace others"));
            }
            let added = entries.split_off(replaced.len());
            for (entry, &position) in entries.iter_mut().zip(&replaced) {
                if !entry.path.is_empty() {
                    return Err(Damaged("an entry in it that replaces another has a path"));
                }
                entry.path = base.path(position as usize).into();
            }
            self.own = merge(entries, added);
            self.hidden = deleted;
            self.hidden.extend(replaced);
        } else {
            self.own = entries;
        }
        // git lets what is added take the place of what the base has.
        let whole = Entries {
            base: Some(&base),
            hidden: &[],
            own: &[],
        };
        for entry in &self.own {
            let of_path = whole.shown(&whole.file(&entry.path));
            let is_same = |position: &u32| base.entry(*position as usize).stage() == entry.stage();
            self.hidden.extend(of_path.filter(is_same));
        }
        self.hidden.sort_unstable();
        self.hidden.dedup();
        self.base = Some(base);
        Ok(())
    }

    /// All entries, by path and stage.
    pub(crate) fn entries(&self) -> Entries<'_> {
        Entries {
            base: self.base.as_deref(),
            hidden: &self.hidden,
            own: &self.own,
        }
    }

    /// Puts all entries beside the base, which is then none.
    pub(super) fn make_whole(&mut self) {
        if self.base.is_some() {
            let entries = self.entries();
            self.own = entries.iter(&entries.all()).map(|entry| entry.owned()).collect();
            self.base = None;
            self.hidden.clear();
        }
    }

    /// The same index with nothing beside this base, which has all its entries.
    pub(super) fn split(base: Arc<Base>, whole: Self) -> Self {
        Self {
            base: Some(base),
            hidden: Vec::new(),
            own: Vec::new(),
            ..whole
        }
    }

    /// True if the index should get a base, or a new one: from `split_from` entries on, when so much is beside the base
    /// that writing it at each change costs more than a new base does once.
    pub(super) fn needs_base(&self, split_from: usize) -> bool {
        match &self.base {
            None => self.own.len() >= split_from,
            Some(base) => {
                let beside = BESIDE.max((2 * base.len()).isqrt());
                self.own.len() > beside || self.hidden.len() > beside.max(base.len() / 4)
            }
        }
    }

    /// True if an index that was split for its size has become small.
    pub(super) fn is_small_again(&self, split_from: usize) -> bool {
        let was_large = self.base.as_ref().is_some_and(|base| base.len() >= split_from);
        was_large && self.entries().len() < split_from / 2
    }

    /// Puts entries in the place of what is staged for their paths, or nothing.
    pub(super) fn apply(&mut self, changes: BTreeMap<Box<[u8]>, Option<IndexEntry>>) {
        self.follow(&changes);
        let entries = self.entries();
        let mut hidden = Vec::new();
        for path in changes.keys() {
            hidden.extend(entries.shown(&entries.file(path)));
        }
        let is_same = |path: &[u8], change: &Option<IndexEntry>| {
            let mut now = entries.iter(&entries.file(path));
            let (now, change) = (
                now.next().map(|now| now.staged()),
                change.as_ref().map(IndexEntry::staged),
            );
            change.is_some() && now == change
        };
        // Of most files whose stat data change, what is staged stays as it was.
        let changed = changes.iter().filter(|(path, change)| !is_same(path, change));
        let changed: Vec<&[u8]> = changed.map(|(path, _)| &**path).collect();
        changed.into_iter().for_each(|path| self.trees.forget(path));
        if !hidden.is_empty() {
            self.hidden.extend(hidden);
            self.hidden.sort_unstable();
        }
        let mut merged = Vec::with_capacity(self.own.len() + changes.len());
        let mut changes = changes.into_iter().peekable();
        for entry in std::mem::take(&mut self.own) {
            while let Some((_, change)) = changes.next_if(|(path, _)| *path < entry.path) {
                merged.extend(change);
            }
            // All stages of a path that changed are passed over while its change is next.
            if changes.peek().is_none_or(|(path, _)| *path != entry.path) {
                merged.push(entry);
            }
        }
        merged.extend(changes.filter_map(|(_, change)| change));
        self.own = merged;
    }

    /// Has git compare with the work tree what changes.
    fn follow(&mut self, changes: &BTreeMap<Box<[u8]>, Option<IndexEntry>>) {
        if let Some(mut monitor) = self.monitor.take() {
            let entries = self.entries();
            let replaced = changes.iter().map(|(path, change)| {
                let of_path = entries.file(path);
                Replaced {
                    at: entries.before(&of_path),
                    count: entries.count(&of_path),
                    is_there: change.is_some(),
                }
            });
            monitor.follow(&replaced.collect::<Vec<_>>());
            self.monitor = Some(monitor);
        }
        let untracked = self.untracked.take();
        self.untracked =
            untracked.and_then(|cache| untracked::without(&cache, changes.keys().map(|path| &**path)).ok());
    }

    pub(super) fn has_caches(&self) -> bool {
        self.monitor.is_some() || self.untracked.is_some()
    }

    /// Forgets what git need not look at in the work tree.
    pub(super) fn forget_caches(&mut self) {
        self.monitor = None;
        self.untracked = None;
    }

    /// Writes the index, checksum included. One with a base is written as what differs from it.
    pub(crate) fn write(&self) -> Vec<u8> {
        let version = match self.version {
            4 if self.base.is_none() => 4,
            _ if self.own.iter().any(|entry| entry.extended != 0) => 3,
            _ => 2,
        };
        let mut out = Vec::with_capacity(self.own.iter().map(|entry| entry.path.len() + 72).sum::<usize>() + 4096);
        out.extend_from_slice(b"DIRC");
        put(&mut out, version);
        put(&mut out, self.own.len() as u32);
        let link = self.base.as_deref().map(|base| self.write_beside(base, &mut out));
        if link.is_none() {
            let mut last: &[u8] = b"";
            for entry in &self.own {
                write_entry(&entry.borrowed(), (version == 4).then_some(last), &mut out);
                last = &entry.path;
            }
        }
        if let Some(link) = link {
            extension(&mut out, b"link", &link);
        }
        let mut trees = Vec::new();
        self.trees.write(b"", &mut trees);
        extension(&mut out, b"TREE", &trees);
        if let Some(data) = &self.resolve_undo {
            extension(&mut out, b"REUC", data);
        }
        if let Some(data) = &self.untracked {
            extension(&mut out, b"UNTR", data);
        }
        if let Some(monitor) = &self.monitor {
            extension(&mut out, b"FSMN", &monitor.write());
        }
        let checksum = checksum(&out);
        out.extend_from_slice(&checksum);
        out
    }

    /// Writes the entries that are not in the base, and returns the `link` extension.
    fn write_beside(&self, base: &Base, out: &mut Vec<u8>) -> Vec<u8> {
        let (mut deleted, mut replaced, mut added) = (Vec::new(), Vec::new(), Vec::new());
        let mut own = self.own.iter().peekable();
        for &position in &self.hidden {
            let hidden = base.entry(position as usize);
            let of = |entry: &IndexEntry| (&*entry.path, entry.stage()).cmp(&(hidden.path, hidden.stage()));
            while let Some(entry) = own.next_if(|entry| of(entry).is_lt()) {
                added.push(entry);
            }
            match own.next_if(|entry| of(entry).is_eq()) {
                Some(entry) => {
                    replaced.push(position);
                    write_entry(&entry.with_path(b""), None, out);
                }
                None => deleted.push(position),
            }
        }
        added.extend(own);
        for entry in added {
            write_entry(&entry.borrowed(), None, out);
        }
        let mut link = base.checksum.to_vec();
        ewah::encode(&deleted, &mut link);
        ewah::encode(&replaced, &mut link);
        link
    }
}

/// Merges two lists that are in order.
fn merge(ours: Vec<IndexEntry>, theirs: Vec<IndexEntry>) -> Vec<IndexEntry> {
    let mut all = Vec::with_capacity(ours.len() + theirs.len());
    let mut theirs = theirs.into_iter().peekable();
    for entry in ours {
        while let Some(before) = theirs.next_if(|other| (&other.path, other.stage()) < (&entry.path, entry.stage())) {
            all.push(before);
        }
        all.push(entry);
    }
    all.extend(theirs);
    all
}

pub(super) fn put(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn extension(out: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    out.extend_from_slice(name);
    put(out, data.len() as u32);
    out.extend_from_slice(data);
}

/// Writes an entry; in version 4 its path is abbreviated by that of the last.
pub(super) fn write_entry(entry: &EntryRef<'_>, compress_against: Option<&[u8]>, out: &mut Vec<u8>) {
    let start = out.len();
    for number in [
        entry.ctime.0,
        entry.ctime.1,
        entry.mtime.0,
        entry.mtime.1,
        entry.dev,
        entry.ino,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.size,
    ] {
        put(out, number);
    }
    out.extend_from_slice(&entry.oid.0);
    let length = u16::try_from(entry.path.len()).map_or(LENGTH, |length| length.min(LENGTH));
    let extended = if entry.extended == 0 { 0 } else { EXTENDED };
    out.extend_from_slice(&(entry.flags | extended | length).to_be_bytes());
    if entry.extended != 0 {
        out.extend_from_slice(&entry.extended.to_be_bytes());
    }
    match compress_against {
        Some(last) => {
            let same = last.iter().zip(entry.path).take_while(|(a, b)| a == b).count();
            varint(out, last.len() - same);
            out.extend_from_slice(&entry.path[same..]);
            out.push(0);
        }
        None => {
            out.extend_from_slice(entry.path);
            let padding = 8 - (out.len() - start) % 8;
            out.extend_from_slice(&[0; 8][..padding]);
        }
    }
}

/// git's variable-length numbers: each further byte adds one, so that no number has two forms.
pub(super) fn varint(out: &mut Vec<u8>, mut number: usize) {
    let mut bytes = vec![(number & 127) as u8];
    while number > 127 {
        number = (number >> 7) - 1;
        bytes.push((number & 127) as u8 | 128);
    }
    out.extend(bytes.iter().rev());
}

/// What is still to be read.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Damaged("it is truncated"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Damaged("it is truncated"))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    /// The bytes before the next zero, which is taken too.
    pub(super) fn text(&mut self) -> Result<&'a [u8], Fault> {
        let end = self.0.find_byte(0).ok_or(Damaged("it is truncated"))?;
        let text = self.take(end)?;
        self.take(1)?;
        Ok(text)
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn varint(&mut self) -> Result<usize, Fault> {
        let mut byte = self.take(1)?[0];
        let mut number = usize::from(byte & 127);
        while byte & 128 != 0 {
            byte = self.take(1)?[0];
            number = number
                .checked_add(1)
                .filter(|&number| number < usize::MAX >> 8)
                .map(|number| (number << 7) + usize::from(byte & 127))
                .ok_or(Damaged("a path in it cannot be"))?;
        }
        Ok(number)
    }

    /// All of an entry but its path.
    fn without_path(&mut self, version: u32) -> Result<EntryRef<'static>, Fault> {
        let mut entry = IndexEntry {
            ctime: (self.u32()?, self.u32()?),
            mtime: (self.u32()?, self.u32()?),
            dev: self.u32()?,
            ino: self.u32()?,
            mode: self.u32()?,
            uid: self.u32()?,
            gid: self.u32()?,
            size: self.u32()?,
            oid: Oid(self.array()?),
            flags: 0,
            extended: 0,
            path: &b""[..],
        };
        let flags = self.u16()?;
        entry.flags = flags & !(EXTENDED | LENGTH);
        if flags & EXTENDED != 0 {
            if version < 3 {
                return Err(Damaged("an entry of it has flags that its version does not have"));
            }
            entry.extended = self.u16()?;
        }
        Ok(entry)
    }

    /// An entry of version 2 or 3, with its padding.
    pub(super) fn entry_in_place(&mut self, version: u32) -> Result<EntryRef<'a>, Fault> {
        let before = self.0.len();
        let entry = self.without_path(version)?;
        let end = self.0.find_byte(0).ok_or(Damaged("it is truncated"))?;
        let entry = entry.with_path(self.take(end)?);
        self.take(8 - (before - self.0.len()) % 8)?;
        Ok(entry)
    }

    /// The path of an entry of version 2 or 3.
    pub(super) fn path_in_place(&mut self) -> Result<&'a [u8], Fault> {
        self.take(60)?;
        let flags = self.u16()?;
        if flags & EXTENDED != 0 {
            self.take(2)?;
        }
        match usize::from(flags & LENGTH) {
            length if length < usize::from(LENGTH) => self.take(length),
            _ => {
                let end = self.0.find_byte(0).ok_or(Damaged("it is truncated"))?;
                self.take(end)
            }
        }
    }

    pub(super) fn entry(&mut self, version: u32, last: &[u8]) -> Result<IndexEntry, Fault> {
        if version < 4 {
            return self.entry_in_place(version).map(|entry| entry.owned());
        }
        let entry = self.without_path(version)?;
        let dropped = self.varint()?;
        let kept = last.len().checked_sub(dropped);
        let shared = &last[..kept.ok_or(Damaged("a path in it cannot be"))?];
        let end = self.0.find_byte(0).ok_or(Damaged("it is truncated"))?;
        let path = [shared, self.take(end)?].concat();
        self.take(1)?;
        Ok(entry.with_path(path.into()))
    }
}
