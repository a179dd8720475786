//! The changes to try. cargo-mutants says which they are: its list is the one that the outcomes must add up to.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::place::Place;
use crate::steps::{output, shown};

/// One change of the source.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    /// File, line, column and what is changed; no two have the same.
    pub(super) name: String,
    pub(super) package: String,
    /// Below the project's top.
    pub(super) file: String,
    function: Option<Function>,
    span: Span,
    /// What comes in the place of the span.
    pub(super) replacement: String,
    pub(super) genre: Genre,
}

/// The kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

#[derive(Debug, Deserialize)]
struct Function {
    span: Span,
}

#[derive(Debug, Deserialize)]
struct Span {
    start: Position,
    end: Position,
}

/// Both count from 1; columns are characters.
#[derive(Debug, Deserialize)]
struct Position {
    line: usize,
    column: usize,
}

impl Change {
    /// What is replaced.
    pub(super) fn replaced(&self, text: &str) -> Result<Range<usize>> {
        range(text, &self.span).with_context(|| format!("{}: there is no such place", self.name))
    }

    /// The function around it, or itself where there is none: what else is in there cannot be blamed on others.
    pub(super) fn function(&self, text: &str) -> Result<Range<usize>> {
        let span = self.function.as_ref().map_or(&self.span, |function| &function.span);
        range(text, span).with_context(|| format!("{}: there is no such function", self.name))
    }
}

/// Asks cargo-mutants what it would change in these files, less what `.cargo/mutants.toml` excludes.
///
/// # Errors
///
/// When it cannot be asked, or finds nothing.
pub(super) fn list(place: &Place, files: &[String], path: &OsStr) -> Result<Vec<Change>> {
    let mut cargo = place.cargo(&["mutants", "--list", "--json"]);
    cargo.env("PATH", path);
    files.iter().for_each(|file| _ = cargo.args(["--file", file]));
    println!("  $ {}", shown(&cargo));
    let said = output(&mut cargo)?;
    let changes: Vec<Change> = serde_json::from_slice(&said).context("cargo-mutants answers otherwise than it did")?;
    ensure!(!changes.is_empty(), "there is nothing to change in {}", files.join(" "));
    let names: BTreeSet<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    ensure!(names.len() == changes.len(), "two changes have the same name");
    Ok(changes)
}

fn range(text: &str, span: &Span) -> Option<Range<usize>> {
    Some(offset(text, &span.start)?..offset(text, &span.end)?)
}

fn offset(text: &str, position: &Position) -> Option<usize> {
    let before: usize = text.split_inclusive('\n').take(position.line - 1).map(str::len).sum();
    let line = text.get(before..)?.split_inclusive('\n').next()?;
    let mut starts = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    Some(before + starts.nth(position.column - 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters() {
        let at = |line, column| offset("ab\n“c” d\n", &Position { line, column });
        assert_eq!(at(1, 1), Some(0));
        assert_eq!(at(2, 2), Some(6));
        assert_eq!(at(2, 4), Some(10));
        assert_eq!(at(9, 1), None);
    }
}
