use std::fs;
use std::path::Path;

use super::Pair;
use crate::Chance;
use crate::clones::Actor;
use crate::edits::save;
use crate::forgetful::Mounted;
use crate::trees::digest;

/// Content that must be found after a cut at this moment or later: in a work tree, in the history, or in an annex; in both
/// work trees if it stands there until the end.
#[derive(Debug, Clone)]
pub(super) struct Promise {
    pub(super) digest: String,
    pub(super) since: usize,
    pub(super) stands: bool,
}

impl Promise {
    pub(super) fn of(content: &[u8], since: usize) -> Promise {
        Promise {
            digest: digest(content),
            since,
            stands: true,
        }
    }
}

/// What the program does while the power is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// A few new, edited and renamed files become commits.
    Add,
    /// Three hundred files at once do.
    DropIn,
    /// New files of one clone come to the other.
    Receive,
    /// Edited, renamed and deleted files of one clone come to the other.
    Checkout,
    /// Both clones were edited, the same file too.
    Merge,
}

impl Workload {
    /// All of them.
    pub const ALL: [Workload; 5] = [
        Workload::Add,
        Workload::DropIn,
        Workload::Receive,
        Workload::Checkout,
        Workload::Merge,
    ];

    /// So many of the files of before, from the first on, may be replaced or deleted.
    fn replaced(self) -> usize {
        match self {
            Workload::DropIn | Workload::Receive => 0,
            Workload::Add => 2,
            Workload::Merge => 4,
            Workload::Checkout => 9,
        }
    }

    pub(super) fn perform(self, pair: &Pair, disk: &Mounted, chance: &mut Chance, promises: &mut Vec<Promise>) {
        let mut written = Vec::new();
        let (first, second) = (&pair.first, &pair.second);
        // Each version of a file is another content; those of before that are replaced or deleted need not stand.
        for promise in promises.iter_mut().take(self.replaced()) {
            promise.stands = false;
        }
        let sync = |clone: &Path| _ = Actor::Anabranch.sync(&pair.sandbox, clone);
        match self {
            Workload::Add => {
                for number in 0..1 + chance.below(4) {
                    written.push(write(chance, first, &format!("new/{number}.jpg"), 20_000));
                }
                written.push(write(chance, first, "old/1.jpg", 3_000_000));
                sync(first);
                promise(promises, &mut written, disk);
                fs::rename(first.join("old/2.jpg"), first.join("new/renamed.jpg")).unwrap();
                written.push(write(chance, first, "deep/er/one.txt", 300));
                sync(first);
                promise(promises, &mut written, disk);
            }
            Workload::DropIn => {
                for number in 0..300 {
                    let name = format!("dropped/{}/{number}.jpg", number % 7);
                    written.push(write(chance, first, &name, 900));
                }
                sync(first);
                promise(promises, &mut written, disk);
            }
            Workload::Receive => {
                for number in 0..1 + chance.below(14) {
                    written.push(write(chance, first, &format!("new/{number}.jpg"), 40_000));
                }
                written.push(write(chance, first, "new/large.mkv", 3_000_000));
                disk.sync();
                promise(promises, &mut written, disk);
                sync(first);
                sync(second);
            }
            Workload::Checkout => {
                for number in 0..1 + chance.below(6) {
                    written.push(write(chance, first, &format!("old/{number}.jpg"), 9_000));
                }
                fs::rename(first.join("old/7.jpg"), first.join("moved.jpg")).unwrap();
                fs::remove_file(first.join("old/8.jpg")).unwrap();
                for number in 0..chance.below(20) {
                    written.push(write(chance, first, &format!("more/{number}.txt"), 2_000));
                }
                disk.sync();
                promise(promises, &mut written, disk);
                sync(first);
                sync(second);
            }
            Workload::Merge => {
                for (clone, name) in [(first, "first"), (second, "second")] {
                    for number in 0..1 + chance.below(9) {
                        written.push(write(chance, clone, &format!("by {name}/{number}.jpg"), 5_000));
                    }
                    written.push(write(chance, clone, "old/3.jpg", 5_000));
                }
                disk.sync();
                promise(promises, &mut written, disk);
                sync(first);
                sync(second);
                sync(first);
            }
        }
    }
}

/// From now on what was written must survive.
fn promise(promises: &mut Vec<Promise>, written: &mut Vec<Vec<u8>>, disk: &Mounted) {
    let now = disk.moment();
    promises.extend(written.drain(..).map(|content| Promise::of(&content, now)));
}

/// Saves a file of a random size, as an editor does; what is in it.
fn write(chance: &mut Chance, clone: &Path, name: &str, most: usize) -> Vec<u8> {
    let length = 100 + chance.below(most);
    let text = hex::encode(chance.bytes(length / 2));
    save(clone, name, &text);
    text.into_bytes()
}
