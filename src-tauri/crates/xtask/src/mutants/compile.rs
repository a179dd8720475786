//! Which changes compile: cargo says where an error is, and what stands there is taken out until there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::ops::Range;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use cargo_metadata::diagnostic::{DiagnosticLevel, DiagnosticSpan};

use super::change::Change;
use super::switch::{Changed, MODULE, Region, replaced, switched};
use super::tree::Tree;

/// How changes are put into the copy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// All at once, each switched by its number.
    Switched,
    /// As they are; no two in the same function.
    Plain,
}

/// An error of the compiler.
struct Fault {
    text: String,
    /// The places that it names, those that it is about first.
    spans: Vec<(String, Range<usize>)>,
}

/// Writes these changes, and takes out those that do not compile until the rest does; what was taken out.
///
/// # Errors
///
/// When something else does not compile.
pub(super) fn sift(tree: &Tree, changes: &[Change], kept: &mut BTreeSet<usize>, form: Form) -> Result<BTreeSet<usize>> {
    let mut out = BTreeSet::new();
    loop {
        let regions = write(tree, changes, kept, form)?;
        // Those for which there is no switch.
        let placed: BTreeSet<usize> = regions.values().flatten().map(|region| region.change).collect();
        out.extend(kept.difference(&placed).copied());
        kept.retain(|number| placed.contains(number));
        let faults = faults(tree, changes, kept)?;
        if faults.is_empty() {
            return Ok(out);
        }
        let blamed: BTreeSet<usize> = faults.iter().flat_map(|fault| blame(fault, &regions)).collect();
        if blamed.is_empty() {
            let texts: Vec<&str> = faults.iter().map(|fault| fault.text.as_str()).collect();
            bail!("no change explains this:\n{}", texts.join("\n"));
        }
        kept.retain(|number| !blamed.contains(number));
        out.extend(blamed);
    }
}

/// Writes these changes into the copy, and all else as it was; where they are, by file.
///
/// # Errors
///
/// When a file cannot be written.
pub(super) fn write(
    tree: &Tree,
    changes: &[Change],
    wanted: &BTreeSet<usize>,
    form: Form,
) -> Result<BTreeMap<String, Vec<Region>>> {
    let mut regions = BTreeMap::new();
    for (file, text) in &tree.texts {
        let inside = wanted.iter().map(|number| (*number, &changes[*number]));
        let inside: Vec<(usize, &Change)> = inside.filter(|(_, change)| change.file == *file).collect();
        let changed = match form {
            Form::Switched => switched(text, &inside),
            Form::Plain => replaced(text, &inside),
        };
        let Changed { mut text, regions: own } = changed.with_context(|| format!("in {file}"))?;
        if form == Form::Switched && tree.roots.values().flatten().any(|root| root == file) {
            text.push_str(MODULE);
        }
        tree.write(file, &text)?;
        regions.insert(file.clone(), own);
    }
    Ok(regions)
}

/// The packages that these changes are in.
pub(super) fn packages<'a>(changes: &'a [Change], numbers: &BTreeSet<usize>) -> BTreeSet<&'a str> {
    numbers.iter().map(|number| changes[*number].package.as_str()).collect()
}

fn faults(tree: &Tree, changes: &[Change], numbers: &BTreeSet<usize>) -> Result<Vec<Fault>> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let (messages, is_good) =
        messages(&mut tree.cargo(&["check", "--tests", "--keep-going"], packages(changes, numbers)))?;
    let mut faults = Vec::new();
    for message in messages {
        let Message::CompilerMessage(message) = message else {
            continue;
        };
        let told = message.message;
        if told.level != DiagnosticLevel::Error || told.spans.is_empty() {
            continue;
        }
        let mut spans = told.spans.clone();
        spans.sort_by_key(|span| !span.is_primary);
        faults.push(Fault {
            text: told.rendered.unwrap_or(told.message),
            spans: spans.iter().flat_map(|span| ours(tree, span)).collect(),
        });
    }
    if !is_good && faults.is_empty() {
        bail!("the copy does not build; cargo's own message stands above");
    }
    Ok(faults)
}

/// Runs a cargo command that speaks JSON; what it said, and whether it succeeded.
///
/// # Errors
///
/// When it cannot be started or read.
pub(super) fn messages(cargo: &mut Command) -> Result<(Vec<Message>, bool)> {
    let mut child = cargo
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo could not be started")?;
    let stdout = child.stdout.take().context("cargo has no output")?;
    let messages = Message::parse_stream(BufReader::new(stdout)).collect::<std::io::Result<Vec<_>>>();
    let status = child.wait().context("cargo could not be waited for")?;
    Ok((messages.context("cargo's output could not be read")?, status.success()))
}

/// The place in a changed file that a span names, or that the macro was called from that it names.
fn ours(tree: &Tree, span: &DiagnosticSpan) -> Option<(String, Range<usize>)> {
    if tree.texts.contains_key(&span.file_name) {
        return Some((span.file_name.clone(), span.byte_start as usize..span.byte_end as usize));
    }
    ours(tree, &span.expansion.as_ref()?.span)
}

/// The changes that an error comes from, as far as one can see.
fn blame(fault: &Fault, regions: &BTreeMap<String, Vec<Region>>) -> Vec<usize> {
    let around = |is_own: bool| {
        fault.spans.iter().find_map(|(file, span)| {
            let inside = |region: &&Region| {
                let range = &region.range;
                range.start <= span.start && span.end <= range.end && (is_own || range.len() > span.len())
            };
            let all = regions.get(file)?.iter().filter(|region| region.is_own == is_own);
            let all: Vec<&Region> = all.filter(inside).collect();
            let least = all.iter().map(|region| region.range.len()).min()?;
            let nearest = all.into_iter().filter(|region| region.range.len() == least);
            Some(nearest.map(|region| region.change).collect())
        })
    };
    around(true).or_else(|| around(false)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blamed(start: usize, end: usize) -> Vec<usize> {
        let region = |range, change, is_own| Region { range, change, is_own };
        let regions = vec![
            region(0..10, 1, true),
            region(0..100, 1, false),
            region(20..30, 2, true),
            region(20..60, 2, false),
            region(30..59, 3, false),
        ];
        let spans = vec![("a.rs".to_owned(), start..end)];
        let text = String::new();
        blame(&Fault { text, spans }, &BTreeMap::from([("a.rs".to_owned(), regions)]))
    }

    #[test]
    fn the_nearest_change_around_an_error_is_blamed() {
        assert_eq!(blamed(21, 22), [2]);
        assert_eq!(blamed(70, 80), [1]);
        assert_eq!(blamed(40, 41), [3]);
        // Two branches that do not fit: the one switch's, not that of the other inside.
        assert_eq!(blamed(30, 59), [2]);
        assert_eq!(blamed(200, 201), [0; 0]);
    }
}
