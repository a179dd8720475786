use std::collections::BTreeSet;
use std::sync::Arc;

use bstr::ByteSlice;
use git2::Oid;

use super::{DEEPEST, read_committed};
use crate::logs::{Kind, UuidLog, kind, union};
use crate::objects::{Bulk, DIRECTORY, Tree, TreeEntry};
use crate::{Annex, Directory, Error, Result};

/// What was forgotten and when: the lines of `transitions.log`, each `NAME TIME`.
pub(super) type Transitions = BTreeSet<Vec<u8>>;

const LOG: &[u8] = b"transitions.log";
const HISTORY: &[u8] = b"ForgetGitHistory";
const DEAD: &[u8] = b"ForgetDeadRemotes";

/// The transitions that a branch went through. Refused if one of them is of a kind that nobody here can repeat.
pub(super) fn of(repo: &git2::Repository, commit: Option<Oid>) -> Result<Transitions> {
    let content = read_committed(repo, commit, LOG)?.unwrap_or_default();
    let lines: Transitions = content
        .lines()
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    match lines.iter().find(|line| !matches!(name(line), HISTORY | DEAD)) {
        Some(line) => Err(Error::Refused(format!(
            "the git-annex branch went through a change that is not known here ({}); nothing was changed",
            name(line).as_bstr()
        ))),
        None => Ok(lines),
    }
}

fn name(line: &[u8]) -> &[u8] {
    line.split_once_str(" ").map_or(line, |(name, _)| name)
}

/// As git-annex words it: `continuing transition forget git history, forget dead remotes`.
pub(super) fn subject(transitions: &Transitions) -> String {
    let has = |wanted| transitions.iter().any(|line| name(line) == wanted);
    let words = [(HISTORY, "forget git history"), (DEAD, "forget dead remotes")];
    let words: Vec<&str> = words
        .iter()
        .filter(|(name, _)| has(*name))
        .map(|(_, word)| *word)
        .collect();
    format!("continuing transition {}", words.join(", "))
}

/// Brings a tree through the transitions: records them, and drops the lines of dead repositories if that is one.
pub(super) fn apply(bulk: &mut Bulk<'_>, tree: Oid, transitions: &Transitions) -> Result<Oid> {
    let recorded = transitions.iter().fold(Vec::new(), |mut content, line| {
        content.extend_from_slice(line);
        content.push(b'\n');
        content
    });
    let tree = bulk.rewrite(Some(tree), &[LOG.to_vec()], &mut |bulk, _, old| {
        let old = old.filter(|entry| entry.is_blob());
        let content = old.map(|entry| bulk.read_blob(entry.id)).transpose()?;
        let known = content.unwrap_or_default();
        let lines: Transitions = known.lines().map(<[u8]>::to_vec).collect();
        match old {
            Some(old) if transitions.is_subset(&lines) => Ok(Some(old)),
            _ => Ok(Some(TreeEntry::file(bulk.blob(&union(&known, &recorded))?))),
        }
    })?;
    let Some(tree) = tree.filter(|_| transitions.iter().any(|line| name(line) == DEAD)) else {
        return tree.map_or_else(|| bulk.tree(Tree::default()), Ok);
    };
    let trust = bulk.read_tree(tree)?.get(b"trust.log").filter(|entry| entry.is_blob());
    let trust = trust
        .map(|entry| bulk.read_blob(entry.id))
        .transpose()?
        .unwrap_or_default();
    let log = UuidLog::parse(&trust);
    let dead: BTreeSet<Vec<u8>> = log
        .values()
        .filter(|(_, value)| *value == b"X")
        .map(|(uuid, _)| uuid.to_vec())
        .collect();
    if dead.is_empty() {
        return Ok(tree);
    }
    let kept = drop_dead(bulk, &mut Vec::new(), tree, &dead, 0)?;
    kept.map_or_else(|| bulk.tree(Tree::default()), Ok)
}

fn drop_dead(
    bulk: &mut Bulk<'_>,
    path: &mut Vec<u8>,
    directory: Oid,
    dead: &BTreeSet<Vec<u8>>,
    depth: usize,
) -> Result<Option<Oid>> {
    let old = bulk.read_tree(directory)?;
    let mut tree = old.clone();
    let length = path.len();
    let mut changed = false;
    for (name, entry) in old.entries() {
        path.extend_from_slice(name);
        let kept = if entry.is_directory() && depth < DEEPEST {
            path.push(b'/');
            let id = drop_dead(bulk, path, entry.id, dead, depth + 1)?;
            id.map(|id| TreeEntry { mode: DIRECTORY, id })
        } else if entry.is_blob() {
            match without(&bulk.read_blob(entry.id)?, path, dead) {
                None => Some(entry),
                Some(content) if content.is_empty() => None,
                Some(content) => Some(TreeEntry::file(bulk.blob(&content)?)),
            }
        } else {
            Some(entry)
        };
        path.truncate(length);
        if kept != Some(entry) {
            tree.set(name, kept);
            changed = true;
        }
    }
    match (changed, tree.is_empty()) {
        (false, _) => Ok(Some(directory)),
        (true, true) => Ok(None),
        (true, false) => bulk.tree(tree).map(Some),
    }
}

/// The content of a log without the lines about dead repositories; none if it has no such line. That they are dead
/// stays known.
fn without(content: &[u8], path: &[u8], dead: &BTreeSet<Vec<u8>>) -> Option<Vec<u8>> {
    let kind = kind(path);
    let is_dead = |line: &[u8]| {
        let mut words = line.splitn_str(3, " ");
        let subject = match kind {
            Kind::Uuid if path != b"trust.log" => words.next(),
            Kind::Location => words.nth(2),
            Kind::MapByUuid => words.nth(1).and_then(|word| word.split_str(":").next()),
            Kind::Uuid | Kind::Presence | Kind::Map | Kind::Single | Kind::Other => None,
        };
        subject.is_some_and(|uuid| dead.contains(uuid))
    };
    if !content.lines().any(is_dead) {
        return None;
    }
    let mut kept = Vec::new();
    for line in content
        .lines_with_terminator()
        .filter(|line| !is_dead(line.trim_end_with(|c| matches!(c, '\r' | '\n'))))
    {
        kept.extend_from_slice(line);
    }
    Some(kept)
}

/// The commits that git-annex or this program must not merge again, having taken their lines without their history.
pub(super) fn ignored(annex: &Annex) -> Result<BTreeSet<String>> {
    Ok(read(annex, "ignoredrefs")?.lines().map(str::to_owned).collect())
}

/// The commits that git-annex has merged, as it remembers them; they need not be ancestors after a transition.
pub(super) fn merged(annex: &Annex) -> Result<BTreeSet<String>> {
    let lines = read(annex, "mergedrefs")?;
    let id = |line: &str| line.split(['\t', ' ']).next().unwrap_or_default().to_owned();
    Ok(lines.lines().map(id).collect())
}

/// Adds to what must not be merged again.
pub(super) fn ignore(annex: &Annex, ids: &[String]) -> Result<()> {
    let mut all = ignored(annex)?;
    let known = all.len();
    all.extend(ids.iter().cloned());
    if all.len() == known {
        return Ok(());
    }
    let mut text = String::new();
    for id in &all {
        text.push_str(id);
        text.push('\n');
    }
    let directory = Arc::new(Directory::make_below(annex.git_dir(), &annex.annex_dir())?);
    directory.replace("ignoredrefs", text.as_bytes(), 0o644)
}

fn read(annex: &Annex, name: &str) -> Result<String> {
    let directory = Directory::find_below(annex.git_dir(), &annex.annex_dir())?;
    let content = directory.map(|directory| directory.read(name)).transpose()?.flatten();
    Ok(content.unwrap_or_default().to_str_lossy().into_owned())
}
