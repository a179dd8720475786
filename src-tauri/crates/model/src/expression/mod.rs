//! git-annex's expression language: preferred content, required content, `annex.largefiles`, `annex.addunlocked`.
//!
//! [`Expression`] is the language; [`Preference`] is what one repository wants; [`Preferences`] answers for a whole
//! network which repositories want a key. All of it is pure: facts come in as [`Facts`], an answer comes out.
//!
//! The grammar is evaluated strictly left to right, `and` and `or` binding equally, as git-annex does; what the
//! real program says about some 700 expressions is in `tests/vectors/{matchexpression,wanted,balanced}.json`.

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
pub use network::{Network, Settings, Trust};
pub use preference::{Outcome, Preference, Rule};
pub use preferences::{Preferences, Subject};
pub use size::parse_size;
pub use standard::standard_expression;
pub use term::{Among, Comparison, MetadataTest, Term, Terms};
pub use tree::{Expression, Needs};
