//! Which disks may be found after a power cut.
//!
//! Nobody promises much: POSIX only that `fsync` of a file makes its content durable. What follows is the weakest that
//! ext4 (`data=ordered`), XFS and btrfs really do, each rule with the file system it comes from.
//!
//! **Content.** Of what was written since the file's last `fsync` (or a sync of all) nothing, all, the beginning, or any
//! 4 KiB pages may survive, with zeros between them: all three allocate late and write pages in any order. The size
//! follows the last page that survived. A rename over another file does not change that (ext4 with `auto_da_alloc` would
//! write the content out first, XFS does not), so an empty file may be found under the new name.
//!
//! **Attributes.** Permissions and times are an item of their own. A time may be new where the content is old, and the other
//! way round: `data=ordered` orders newly allocated blocks only. `fdatasync` writes them out only along with content that
//! is new (ext4; all three keep them in one item with the size).
//!
//! A node that has a name has the attributes that it had when it got it: they are in the same item (all three).
//!
//! **Names.** A rename is atomic, also an exchange, also between directories (all three). What happened to one node, or to
//! one name, survives in its order (all three: there is one item for each).
//! - With [`Rules::Journal`] (ext4, XFS) all that happened to names and attributes is in one journal: some beginning of it
//!   survives, and any `fsync` writes out the whole journal so far.
//! - With [`Rules::Trees`] (btrfs) `fsync` of a file writes out that file alone, with its names and with the directories
//!   above it that are new; `fsync` of a directory all names in it. A node that was written out so, and renamed then, has its
//!   new name in the same log, which the next `fsync` of anything writes out. Nothing else need follow: of the rest some
//!   beginning survives, that of the last commit of the file system.
//!
//! **All.** `syncfs` and `sync` write out everything.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::sync::Arc;

use super::disk::{Attributes, Content, Disk, Ino, Kind, Name, ROOT, Record, Recording, Synced};
use crate::Chance;

/// By which rules names survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// One journal: ext4, XFS.
    Journal,
    /// Every file and directory on its own: btrfs.
    Trees,
}

/// The unit in which content survives.
const PAGE: usize = 4096;

/// How much of what need not survive does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Luck {
    Nothing,
    Beginning,
    Everything,
}

impl Luck {
    fn draw(chance: &mut Chance) -> Luck {
        *chance.pick(&[Luck::Nothing, Luck::Beginning, Luck::Beginning, Luck::Everything])
    }
}

impl Recording {
    /// A disk that may be found when the power is cut before the record `until`.
    #[must_use]
    pub fn cut(&self, until: usize, rules: Rules, chance: &mut Chance) -> Disk {
        let records = &self.records[..until.min(self.records.len())];
        let mut durable = Durable::of(records, rules);
        let luck = Luck::draw(chance);
        durable.add_names(records, rules, luck, chance);
        let mut disk = self.base.clone();
        disk.next = disk.next.max(self.births.keys().max().map_or(0, |last| last + 1));
        // A cut of the power is not a moment to use numbers again.
        disk.nodes
            .extend(self.births.iter().map(|(ino, node)| (*ino, node.clone())));
        for (at, record) in records.iter().enumerate() {
            if let Record::Names(names) = record
                && durable.names.contains(&at)
            {
                disk.rename(names);
                durable
                    .named
                    .extend(names.iter().filter_map(|name| Some((name.after?, at))));
            }
        }
        self.restore_nodes(&mut disk, records, &durable, chance);
        forget_nameless(&mut disk);
        disk
    }

    /// Gives each node the content and attributes that survived.
    fn restore_nodes(&self, disk: &mut Disk, records: &[Record], durable: &Durable, chance: &mut Chance) {
        let mut contents: HashMap<Ino, Vec<(usize, &Content)>> = HashMap::new();
        let mut attributes: HashMap<Ino, Vec<(usize, Attributes)>> = HashMap::new();
        for (at, record) in records.iter().enumerate() {
            match record {
                Record::Content(ino, change, time) => {
                    contents.entry(*ino).or_default().push((at, change));
                    let known = attributes.entry(*ino).or_default();
                    let before = known.last().map(|(_, last)| *last);
                    if let Some(before) = before.or_else(|| disk.nodes.get(ino).map(|node| node.attributes)) {
                        known.push((
                            at,
                            Attributes {
                                mtime: *time,
                                ctime: *time,
                                ..before
                            },
                        ));
                    }
                }
                Record::Attributes(ino, now) => attributes.entry(*ino).or_default().push((at, *now)),
                Record::Names(_) | Record::Sync(_) => {}
            }
        }
        // In one order, so that a seed is a disk.
        let mut changed: Vec<Ino> = contents.keys().chain(attributes.keys()).copied().collect();
        changed.sort_unstable();
        changed.dedup();
        for ino in changed {
            let Some(node) = disk.nodes.get_mut(&ino) else { continue };
            if let (Kind::File(data), Some(changes)) = (&mut node.kind, contents.get(&ino)) {
                let synced = durable.contents.get(&ino).copied().unwrap_or(0);
                write(Arc::make_mut(data), changes, synced, chance);
            }
            if let Some(versions) = attributes.get(&ino) {
                let synced = durable.attributes.get(&ino).copied().unwrap_or(0);
                let named = durable.named.get(&ino).copied().unwrap_or(0);
                if let Some((_, last)) = versions
                    .iter()
                    .rev()
                    .find(|(at, _)| *at < durable.journal.max(synced).max(named))
                {
                    node.attributes = *last;
                }
            }
        }
    }
}

/// Applies the changes of one file's content: all of those that are synced, and some of the others.
fn write(data: &mut Vec<u8>, changes: &[(usize, &Content)], synced: usize, chance: &mut Chance) {
    let (certain, uncertain): (Vec<_>, Vec<_>) = changes.iter().partition(|(at, _)| *at < synced);
    certain.iter().for_each(|(_, change)| change.apply(data));
    match chance.below(4) {
        0 => {}
        1 => uncertain.iter().for_each(|(_, change)| change.apply(data)),
        2 => {
            let some = chance.below(uncertain.len() + 1);
            uncertain[..some].iter().for_each(|(_, change)| change.apply(data));
        }
        _ => uncertain.iter().for_each(|(_, change)| torn(change, data, chance)),
    }
}

/// Applies a change page by page, each or not.
fn torn(change: &Content, data: &mut Vec<u8>, chance: &mut Chance) {
    let Content::Write { at, bytes } = change else {
        if chance.happens(50) {
            change.apply(data);
        }
        return;
    };
    let mut start = 0;
    while start < bytes.len() {
        let end = bytes.len().min(start + PAGE - (at + start) % PAGE);
        if chance.happens(50) {
            let (at, bytes) = (at + start, bytes[start..end].to_vec());
            Content::Write { at, bytes }.apply(data);
        }
        start = end;
    }
}

/// What must survive.
#[derive(Default)]
struct Durable {
    /// The records of names.
    names: HashSet<usize>,
    /// For each file, before which record its content is durable, and its attributes.
    contents: HashMap<Ino, usize>,
    attributes: HashMap<Ino, usize>,
    /// For each node, its last record of names that survives.
    named: HashMap<Ino, usize>,
    /// Before which record all names and attributes survive.
    journal: usize,
    /// Before which record everything does.
    all: usize,
    needs: Needs,
}

/// For each record of names, the earlier ones without which it cannot be.
#[derive(Default)]
struct Needs {
    of: HashMap<usize, Vec<usize>>,
    last_of_node: HashMap<Ino, usize>,
    last_of_name: HashMap<(Ino, OsString), usize>,
    /// The record that gave a directory its first name.
    home: HashMap<Ino, usize>,
}

impl Needs {
    fn add(&mut self, at: usize, names: &[Name]) {
        let mut needed = Vec::new();
        for name in names {
            for node in [name.before, name.after].into_iter().flatten() {
                needed.extend(self.last_of_node.insert(node, at));
            }
            needed.extend(self.last_of_name.insert((name.directory, name.name.clone()), at));
            needed.extend(self.home.get(&name.directory));
        }
        for name in names {
            if let Some(node) = name.after {
                self.home.entry(node).or_insert(at);
            }
        }
        needed.retain(|&earlier| earlier != at);
        self.of.insert(at, needed);
    }

    /// Adds a record to a set, with all that it needs.
    fn close(&self, set: &mut HashSet<usize>, at: usize) {
        let mut waiting = vec![at];
        while let Some(at) = waiting.pop() {
            if set.insert(at) {
                waiting.extend(self.of.get(&at).into_iter().flatten());
            }
        }
    }
}

impl Durable {
    fn of(records: &[Record], rules: Rules) -> Durable {
        let mut durable = Durable::default();
        let mut names: Vec<usize> = Vec::new();
        let mut logged = HashSet::new();
        for (at, record) in records.iter().enumerate() {
            match record {
                Record::Names(changed) => {
                    durable.needs.add(at, changed);
                    names.push(at);
                    let has_been_synced =
                        |name: &Name| name.after.is_some_and(|ino| durable.contents.contains_key(&ino));
                    if changed.iter().any(has_been_synced) {
                        logged.insert(at);
                    }
                }
                Record::Content(..) | Record::Attributes(..) => {}
                Record::Sync(synced) => {
                    match synced {
                        Synced::All => durable.all = at,
                        Synced::File { ino, only_data } => {
                            let synced = durable.contents.insert(*ino, at).unwrap_or(0).max(durable.all);
                            let is_new =
                                |record: &Record| matches!(record, Record::Content(changed, ..) if changed == ino);
                            if !only_data || records[synced..at].iter().any(is_new) {
                                durable.attributes.insert(*ino, at);
                            }
                        }
                        Synced::Directory(ino) => _ = durable.attributes.insert(*ino, at),
                    }
                    let is_meant = |record: &Record| match (record, synced) {
                        (_, Synced::All) => true,
                        (Record::Names(changed), Synced::File { ino, .. }) => changed
                            .iter()
                            .any(|name| name.before == Some(*ino) || name.after == Some(*ino)),
                        // With the names in it its own, and those of the directories above it.
                        (Record::Names(changed), Synced::Directory(ino)) => changed
                            .iter()
                            .any(|name| name.directory == *ino || name.after == Some(*ino)),
                        (Record::Content(..) | Record::Attributes(..) | Record::Sync(_), _) => false,
                    };
                    for &earlier in &names {
                        if rules == Rules::Journal || logged.contains(&earlier) || is_meant(&records[earlier]) {
                            durable.needs.close(&mut durable.names, earlier);
                        }
                    }
                    durable.journal = at;
                }
            }
        }
        let all = durable.all;
        if all > 0 {
            for record in &records[..all] {
                if let Record::Content(ino, ..) | Record::Attributes(ino, _) = record {
                    for until in [&mut durable.contents, &mut durable.attributes] {
                        let until = until.entry(*ino).or_default();
                        *until = all.max(*until);
                    }
                }
            }
        }
        durable
    }

    /// Lets some of the names survive that need not.
    fn add_names(&mut self, records: &[Record], rules: Rules, luck: Luck, chance: &mut Chance) {
        let is_name = |&at: &usize| matches!(records[at], Record::Names(_));
        let certain = match rules {
            Rules::Journal => self.journal,
            Rules::Trees => self.all,
        };
        let until = match luck {
            Luck::Nothing => certain,
            Luck::Everything => records.len(),
            Luck::Beginning => certain + chance.below(records.len() - certain + 1),
        };
        self.names.extend((0..until).filter(is_name));
        self.journal = until;
    }
}

/// Removes what no name leads to, as the check of a file system does, and counts names.
fn forget_nameless(disk: &mut Disk) {
    let mut names: HashMap<Ino, u32> = HashMap::from([(ROOT, 2)]);
    let mut directories = vec![ROOT];
    while let Some(directory) = directories.pop() {
        for &ino in disk
            .entries(directory)
            .into_iter()
            .flat_map(std::collections::BTreeMap::values)
        {
            let is_directory = disk.entries(ino).is_some();
            let count = names.entry(ino).or_default();
            if is_directory && *count == 0 {
                directories.push(ino);
            }
            *count = if is_directory { 2 } else { *count + 1 };
        }
    }
    disk.nodes.retain(|ino, node| {
        let count = names.get(ino).copied();
        node.names = count.unwrap_or(0);
        count.is_some()
    });
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::forgetful::disk::Node;

    const FILE: Ino = 2;
    const OTHER: Ino = 3;

    fn name(name: &str, before: Option<Ino>, after: Option<Ino>) -> Name {
        Name {
            directory: ROOT,
            name: name.into(),
            before,
            after,
        }
    }

    fn write(ino: Ino, content: &str) -> Record {
        let (at, bytes) = (0, content.into());
        Record::Content(ino, Content::Write { at, bytes }, SystemTime::UNIX_EPOCH)
    }

    fn sync(ino: Ino) -> Record {
        let only_data = true;
        Record::Sync(Synced::File { ino, only_data })
    }

    /// What may be found under a name after all that, over many cuts.
    fn found(records: Vec<Record>, rules: Rules, wanted: &str) -> HashSet<Option<String>> {
        let base = Disk::default();
        let node = Node {
            kind: Kind::File(Arc::default()),
            attributes: base.nodes[&ROOT].attributes,
            names: 0,
        };
        let recording = Recording {
            base,
            births: HashMap::from([(FILE, node.clone()), (OTHER, node)]),
            records,
        };
        let mut chance = Chance::from_seed(1);
        let mut look = || {
            let disk = recording.cut(recording.len(), rules, &mut chance);
            match &disk.nodes.get(&disk.find(ROOT, wanted.as_ref())?)?.kind {
                Kind::File(data) => Some(String::from_utf8_lossy(data).into_owned()),
                Kind::Directory(_) | Kind::Symlink(_) => None,
            }
        };
        (0..200).map(|_| look()).collect()
    }

    fn expected(contents: &[Option<&str>]) -> HashSet<Option<String>> {
        contents.iter().map(|content| content.map(str::to_owned)).collect()
    }

    #[test]
    fn nothing_survives_for_sure_that_was_not_synced() {
        for rules in [Rules::Journal, Rules::Trees] {
            let records = vec![Record::Names(vec![name("a", None, Some(FILE))]), write(FILE, "new")];
            let all = expected(&[None, Some(""), Some("new")]);
            assert_eq!(found(records.clone(), rules, "a"), all, "{rules:?}");
            let synced = |sync: Record| found([records.clone(), vec![sync]].concat(), rules, "a");
            assert_eq!(synced(sync(FILE)), expected(&[Some("new")]), "{rules:?}");
            assert_eq!(synced(Record::Sync(Synced::All)), expected(&[Some("new")]), "{rules:?}");
            let names_only = expected(&[Some(""), Some("new")]);
            assert_eq!(synced(Record::Sync(Synced::Directory(ROOT))), names_only, "{rules:?}");
        }
    }

    #[test]
    fn a_rename_is_old_or_new_until_another_file_is_synced() {
        let records = vec![
            Record::Names(vec![name("a", None, Some(FILE))]),
            write(FILE, "old"),
            Record::Sync(Synced::All),
            Record::Names(vec![name("b", None, Some(OTHER))]),
            write(OTHER, "new"),
            sync(OTHER),
            Record::Names(vec![name("b", Some(OTHER), None), name("a", Some(FILE), Some(OTHER))]),
        ];
        let another = [
            Record::Names(vec![name("c", None, Some(4))]),
            write(4, "another"),
            sync(4),
        ];
        let with_another = [records.clone(), another.to_vec()].concat();
        let either = expected(&[Some("old"), Some("new")]);
        for rules in [Rules::Journal, Rules::Trees] {
            assert_eq!(found(records.clone(), rules, "a"), either, "{rules:?}");
        }
        let new = expected(&[Some("new")]);
        for rules in [Rules::Journal, Rules::Trees] {
            assert_eq!(found(with_another.clone(), rules, "a"), new, "{rules:?}");
        }
        // What was not synced before it was renamed is in no log of btrfs.
        let unsynced: Vec<Record> = with_another
            .into_iter()
            .filter(|record| !matches!(record, Record::Sync(Synced::File { ino: OTHER, .. })))
            .collect();
        let any = expected(&[Some("old"), Some("new"), Some("")]);
        assert_eq!(found(unsynced, Rules::Trees, "a"), any);
    }
}
