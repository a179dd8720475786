//! git-annex's expression language: preferred content, required content, `annex.largefiles`, `annex.addunlocked`.
//!
//! [`Expression`] is the language; [`Preference`] is what one repository wants; [`Preferences`] tells which
//! repositories of a network want a key. All of it is pure: facts come in as [`Facts`], an answer comes out.
//!
//! Expressions are evaluated strictly from left to right, with `and` and `or` of equal precedence, as git-annex does.
//! `tests/vectors/{matchexpression,wanted,balanced}.json` holds the answers of git-annex to some 700 expressions.

mod balance;
mod error;
mod facts;
mod glob;
mod matching;
mod network;
mod parse;
mod preference;
mod preferences;
mod sequence;
mod size;
mod standard;
mod term;
#[cfg(test)]
mod tests;
mod tree;

pub use balance::{Balance, BalanceNumber};
pub use error::ParseError;
pub use facts::{Details, Facts, Mime, NoDetails};
pub use glob::Glob;
pub use network::{Network, PreferenceSettings, Trust};
pub use preference::{Combination, Preference, PreferenceRule};
pub use preferences::{Preferences, Subject};
pub use size::parse_size;
pub use standard::standard_expression;
pub use term::{Among, Comparison, MetadataTest, Term, Terms};
pub use tree::{Expression, Needs};
