use std::sync::Arc;

use super::error::ParseError;
use super::facts::Facts;
use super::network::Network;
use super::parse::parse;
use super::sequence::Sequence;
use super::standard::standard_expression;
use super::term::{Term, Terms};
use crate::Uuid;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    sequence: Arc<Sequence>,
    needs: Needs,
    is_unstable: bool,
}

/// Which facts an expression asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a set of independent claims")]
pub struct Needs {
    /// The path of the file.
    pub path: bool,
    /// The key.
    pub key: bool,
    /// The size of the key or file.
    pub size: bool,
    /// The repositories that have the content.
    pub holders: bool,
    /// Metadata of the key.
    pub metadata: bool,
    /// Recorded urls.
    pub urls: bool,
    /// The local list of unused keys.
    pub unused: bool,
    /// The number of copies that `.gitattributes` asks for.
    pub attributes: bool,
    /// MIME type or encoding of the content.
    pub mime: bool,
    /// How much the repositories hold, and may hold.
    pub sizes: bool,
}

impl Expression {
    /// Parses a text. The empty text matches everything; the caller must know whether it means "not configured".
    /// Boolean settings (`annex.largefiles=false`) are not expressions.
    pub fn parse(text: &str, terms: Terms) -> Result<Self, ParseError> {
        Ok(Self::new(parse(text, terms)?))
    }

    fn new(sequence: Sequence) -> Self {
        let (mut needs, mut is_unstable) = (Needs::default(), false);
        sequence.each_term(false, &mut |term, negated| {
            needs.add(term);
            is_unstable |= negated && matches!(term, Term::Present | Term::Balanced(_));
        });
        Self {
            sequence: sequence.into(),
            needs,
            is_unstable,
        }
    }

    /// Replaces `standard` and `groupwanted` by the expressions they stand for in a repository; `group_preferred` gives
    /// the expression of a group.
    ///
    /// As in git-annex, `standard` stands for `present` in a repository that is in none or several of the standard
    /// groups. So does `groupwanted` unless exactly one of its groups has an expression, and inside that expression. If
    /// the group's expression cannot be parsed, neither can this one.
    pub fn resolve<'t>(
        &self,
        repository: &Uuid,
        network: &Network,
        group_preferred: &dyn Fn(&str) -> Option<&'t str>,
    ) -> Result<Self, ParseError> {
        let present = || Arc::new(Sequence::present());
        let standard = only(network.groups(repository).filter_map(standard_expression));
        let wanted = network.groups(repository).filter_map(group_preferred);
        let wanted = only(wanted.filter(|text| !text.trim().is_empty()));
        let mut is_group_wanted = false;
        self.sequence
            .each_term(false, &mut |term, _| is_group_wanted |= *term == Term::GroupWanted);
        let standard = match standard {
            Some(text) => parse(text, Terms::PreferredContent)?.into(),
            None => present(),
        };
        let group_wanted = match wanted.filter(|_| is_group_wanted) {
            Some(text) => parse(text, Terms::PreferredContent)?
                .replace(&standard, &present())
                .into(),
            None => present(),
        };
        Ok(Self::new(self.sequence.replace(&standard, &group_wanted)))
    }

    /// True if it matches. `standard` and `groupwanted` match everything here, as in `git annex matchexpression`: call
    /// [`resolve`](Self::resolve) first.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        self.sequence.matches(facts)
    }

    /// Which facts the answer may depend on.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// True if the answer can change when content is copied or dropped.
    pub fn depends_on_holders(&self) -> bool {
        self.needs.holders
    }

    /// True if it is empty, as `()` and `and` are (but `or` is not): git-annex treats it as no expression.
    pub fn is_empty(&self) -> bool {
        self.sequence.is_empty()
    }

    /// True if it would want content and, once the content is there, want to drop it, over and over: `present` or a
    /// balanced term within a `not`. git-annex stores such expressions, but they never match.
    pub fn is_unstable(&self) -> bool {
        self.is_unstable
    }
}

/// The text, if there is exactly one.
fn only<'t>(mut texts: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    texts.next().filter(|_| texts.next().is_none())
}

impl Needs {
    /// What either needs.
    pub fn or(self, other: Needs) -> Needs {
        Needs {
            path: self.path || other.path,
            key: self.key || other.key,
            size: self.size || other.size,
            holders: self.holders || other.holders,
            metadata: self.metadata || other.metadata,
            urls: self.urls || other.urls,
            unused: self.unused || other.unused,
            attributes: self.attributes || other.attributes,
            mime: self.mime || other.mime,
            sizes: self.sizes || other.sizes,
        }
    }

    fn add(&mut self, term: &Term) {
        match term {
            Term::Anything | Term::Nothing | Term::Standard | Term::GroupWanted => {}
            Term::Include(_) | Term::Exclude(_) | Term::InPreferredDir => self.path = true,
            Term::LargerThan(_) | Term::SmallerThan(_) => self.size = true,
            Term::MimeType(_) | Term::MimeEncoding(_) => (self.path, self.mime) = (true, true),
            Term::Unused => (self.key, self.unused) = (true, true),
            Term::InBackend(_) | Term::SecureHash => self.key = true,
            Term::Metadata(_) => (self.key, self.metadata) = (true, true),
            Term::Url(_) => (self.key, self.urls) = (true, true),
            Term::Copies { .. } | Term::InAllGroup(_) | Term::OnlyInGroup(_) | Term::Present => {
                (self.key, self.holders) = (true, true);
            }
            Term::LackingCopies { approximate, .. } => {
                (self.key, self.holders) = (true, true);
                (self.attributes, self.path) = (self.attributes | !approximate, self.path | !approximate);
            }
            Term::Balanced(balance) => {
                (self.key, self.holders, self.size, self.sizes) = (true, true, true, true);
                if balance.number == super::BalanceNumber::LackingCopies {
                    (self.attributes, self.path) = (true, true);
                }
            }
        }
    }
}
