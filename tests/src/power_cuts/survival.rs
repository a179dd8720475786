//! What must hold on a disk after a power cut, at once and when all was synced again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::Pair;
use super::workload::Promise;
use crate::clones::Actor;
use crate::trees::{self, digest};
use crate::{Sandbox, attempt, checks, run};

/// How often each clone may need to be synced until both have what the other has.
const ROUNDS: usize = 4;

pub(super) fn look(pair: &Pair, promises: &[&Promise]) -> Result<(), String> {
    is_sound(pair, false).map_err(|fault| format!("right after the cut: {fault}"))?;
    let mut same = Ok(());
    for _ in 0..ROUNDS {
        for clone in pair.clones() {
            Actor::Anabranch.sync(&pair.sandbox, clone);
        }
        same = checks::same_commit_tree(&pair.sandbox, &pair.clones()).and_then(|()| trees::same(&pair.clones()));
        if same.is_ok() {
            break;
        }
    }
    let after = |fault: String| format!("when all was synced again: {fault}");
    same.map_err(after)?;
    is_sound(pair, true).map_err(after)?;
    for clone in pair.clones() {
        checks::is_clean(&pair.sandbox, clone).map_err(after)?;
        let lock = clone.join(".git/index.lock");
        if lock.exists() {
            return Err(after(format!("a lock was left: {}", lock.display())));
        }
    }
    nothing_is_lost(pair, promises).map_err(after)
}

/// What must hold at any moment: git's objects and refs, the contents, and what the logs say of them.
///
/// git's index is not synced, by us as by git: the next start makes a damaged one again from the last commit.
fn is_sound(pair: &Pair, is_indexed: bool) -> Result<(), String> {
    let mut present = BTreeMap::new();
    for clone in pair.clones() {
        let mut fsck = pair
            .sandbox
            .git(clone, ["fsck", "--full", "--strict", "--no-dangling", "--no-progress"]);
        let (index, aside) = (clone.join(".git/index"), clone.join(".git/index.aside"));
        let is_aside = !is_indexed && fs::rename(&index, &aside).is_ok();
        let output = attempt(&mut fsck);
        if is_aside {
            fs::rename(&aside, &index).unwrap();
        }
        if !output.status.success() {
            return Err(crate::run::told(&fsck, &output));
        }
        trees::objects_are_whole(&clone.join(".git"))?;
        let uuid = run(&mut pair.sandbox.git(clone, ["config", "annex.uuid"]))
            .trim()
            .to_owned();
        let keys: BTreeSet<String> = trees::objects(&clone.join(".git")).into_keys().collect();
        present.insert(uuid, keys);
    }
    for clone in pair.clones() {
        for (key, log) in logs(&pair.sandbox, clone) {
            for uuid in holders(&log) {
                if present.get(&uuid).is_some_and(|keys| !keys.contains(&key)) {
                    return Err(format!("{} says that {uuid} has {key}, which has not", clone.display()));
                }
            }
        }
    }
    Ok(())
}

/// The location logs that a clone knows, by key: those of its git-annex branch, or newer in its journal.
fn logs(sandbox: &Sandbox, clone: &Path) -> HashMap<String, Vec<u8>> {
    let mut found = HashMap::new();
    let tree = run(&mut sandbox.git(clone, ["ls-tree", "-r", "-z", "git-annex"]));
    let blobs = blobs(&mut sandbox.git(clone, ["cat-file", "--batch-all-objects", "--batch"]));
    for line in tree.split_terminator('\0') {
        let Some((what, path)) = line.split_once('\t') else {
            continue;
        };
        let id = what.split(' ').nth(2).unwrap_or_default();
        if let (Some(key), Some(content)) = (key_of(path), blobs.get(id)) {
            found.insert(key, content.clone());
        }
    }
    let journal = fs::read_dir(clone.join(".git/annex/journal"));
    for file in journal.into_iter().flatten().flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let path = name.replace("__", "\0").replace('_', "/").replace('\0', "_");
        if let (Some(key), Ok(content)) = (key_of(&path), fs::read(file.path())) {
            found.insert(key, content);
        }
    }
    found
}

/// The key whose location log is at a path of the git-annex branch.
fn key_of(path: &str) -> Option<String> {
    let (directories, name) = path.rsplit_once('/')?;
    (directories.len() == 7).then(|| name.strip_suffix(".log").map(str::to_owned))?
}

/// The repositories that have a content by its log. Lines: time, state, uuid; the newest of each uuid counts.
fn holders(log: &[u8]) -> Vec<String> {
    let log = String::from_utf8_lossy(log);
    let mut newest: BTreeMap<&str, (f64, bool)> = BTreeMap::new();
    for line in log.lines() {
        let mut words = line.split(' ');
        let (Some(time), Some(state), Some(uuid)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let time = time.trim_end_matches('s').parse().unwrap_or(0.0);
        if newest.get(uuid).is_none_or(|(known, _)| *known <= time) {
            newest.insert(uuid, (time, state == "1"));
        }
    }
    newest
        .into_iter()
        .filter(|(_, (_, here))| *here)
        .map(|(uuid, _)| uuid.to_owned())
        .collect()
}

fn nothing_is_lost(pair: &Pair, promises: &[&Promise]) -> Result<(), String> {
    let mut there = BTreeSet::new();
    for clone in pair.clones() {
        there.extend(trees::contents(&trees::tree(clone)));
        // Their digests are those of what they hold, as was looked before.
        let objects = trees::objects(&clone.join(".git")).into_keys();
        there.extend(objects.filter_map(|key| Some(key.split_once("--")?.1.split('.').next()?.to_owned())));
        let mut blobs_of = pair.sandbox.git(clone, ["cat-file", "--batch-all-objects", "--batch"]);
        there.extend(blobs(&mut blobs_of).values().map(|content| digest(content)));
    }
    let standing = trees::contents(&trees::tree(&pair.first));
    let count = |lacks: &dyn Fn(&Promise) -> bool| promises.iter().filter(|promise| lacks(promise)).count();
    let lost = count(&|promise| !there.contains(&promise.digest));
    let fallen = count(&|promise| promise.stands && !standing.contains(&promise.digest));
    match (lost, fallen) {
        (0, 0) => Ok(()),
        (0, _) => Err(format!(
            "{fallen} of {} files are in the history only\n{}",
            promises.len(),
            run(&mut pair.sandbox.git(&pair.first, ["log", "--stat", "--all", "-6"]))
        )),
        _ => Err(format!("{lost} of {} contents are nowhere", promises.len())),
    }
}

/// The blobs that `git cat-file --batch` gives, by id.
fn blobs(command: &mut Command) -> HashMap<String, Vec<u8>> {
    let output = attempt(command);
    let mut found = HashMap::new();
    let mut rest = output.stdout.as_slice();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let header = String::from_utf8_lossy(&rest[..end]).into_owned();
        let mut words = header.split(' ');
        let (Some(id), Some(kind), Some(size)) = (words.next(), words.next(), words.next()) else {
            break;
        };
        let Ok(size) = size.parse::<usize>() else { break };
        let content = &rest[end + 1..end + 1 + size];
        if kind == "blob" {
            found.insert(id.to_owned(), content.to_vec());
        }
        rest = &rest[end + 1 + size + 1..];
    }
    found
}
