use std::sync::Arc;

use super::facts::Facts;
use super::network::{Network, Trust};
use super::parse::{ParseError, parse};
use super::standard::standard_expression;
use super::term::{Among, Term, Terms};
use crate::Uuid;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    sequence: Arc<Sequence>,
    needs: Needs,
    is_unstable: bool,
}

/// Operands joined from left to right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) first: Operand,
    pub(super) rest: Vec<(Operator, Operand)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operand {
    pub(super) negated: bool,
    pub(super) body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    Everything,
    Term(Term),
    Group(Arc<Sequence>),
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
    /// Who has the content.
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
}

impl Expression {
    /// Parses a text. The empty text is an expression that matches everything; whether it means "not configured" is
    /// for the caller to know. Boolean settings (`annex.largefiles=false`) are no expressions.
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

    /// Replaces `standard` and `groupwanted` by what they stand for in a repository; `group_preferred` gives the
    /// expression of a group.
    ///
    /// As in git-annex, `standard` stands for `present` in a repository that is in none or several of the standard
    /// groups, and so does `groupwanted` if not exactly one of its groups has an expression, or if that itself says
    /// `groupwanted`. If the group's expression cannot be parsed, neither can this one.
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

    /// True if it matches. `standard` and `groupwanted` match everything here, as in `git annex matchexpression`:
    /// [`resolve`](Self::resolve) them first.
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

    /// True if it says nothing, as `()` and `and` do (but `or` does not): git-annex takes it for no expression.
    pub fn is_empty(&self) -> bool {
        self.sequence.is_empty()
    }

    /// True if it would want content and, once it is there, want it dropped, over and over: `present` or a balanced
    /// term within a `not`. git-annex stores such expressions, but they never match.
    pub fn is_unstable(&self) -> bool {
        self.is_unstable
    }
}

impl Sequence {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.rest.iter().fold(
            self.first.matches(facts),
            |so_far, (operator, operand)| match operator {
                Operator::And => so_far && operand.matches(facts),
                Operator::Or => so_far || operand.matches(facts),
            },
        )
    }

    fn operands(&self) -> impl Iterator<Item = &Operand> {
        std::iter::once(&self.first).chain(self.rest.iter().map(|(_, operand)| operand))
    }

    fn each_term(&self, negated: bool, visit: &mut dyn FnMut(&Term, bool)) {
        for operand in self.operands() {
            let negated = negated != operand.negated;
            match &operand.body {
                Body::Everything => {}
                Body::Term(term) => visit(term, negated),
                Body::Group(group) => group.each_term(negated, visit),
            }
        }
    }

    fn is_empty(&self) -> bool {
        let has_or = self.rest.iter().any(|(operator, _)| *operator == Operator::Or);
        !has_or
            && self.operands().all(|operand| {
                !operand.negated
                    && match &operand.body {
                        Body::Everything => true,
                        Body::Term(_) => false,
                        Body::Group(group) => group.is_empty(),
                    }
            })
    }

    fn present() -> Self {
        Self {
            first: Operand {
                negated: false,
                body: Body::Term(Term::Present),
            },
            rest: Vec::new(),
        }
    }

    fn replace(&self, standard: &Arc<Sequence>, group_wanted: &Arc<Sequence>) -> Sequence {
        let operand = |operand: &Operand| {
            let body = match &operand.body {
                Body::Everything => Body::Everything,
                Body::Term(Term::Standard) => Body::Group(standard.clone()),
                Body::Term(Term::GroupWanted) => Body::Group(group_wanted.clone()),
                Body::Term(term) => Body::Term(term.clone()),
                Body::Group(group) => Body::Group(group.replace(standard, group_wanted).into()),
            };
            Operand {
                negated: operand.negated,
                body,
            }
        };
        let rest = self.rest.iter().map(|(operator, next)| (*operator, operand(next)));
        Sequence {
            first: operand(&self.first),
            rest: rest.collect(),
        }
    }
}

/// The text, if there is exactly one.
fn only<'t>(mut texts: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    texts.next().filter(|_| texts.next().is_none())
}

impl Operand {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let body = match &self.body {
            Body::Everything => true,
            Body::Term(term) => term.matches(facts),
            Body::Group(group) => group.matches(facts),
        };
        body != self.negated
    }
}

impl Needs {
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
                (self.key, self.holders, self.size) = (true, true, true);
                if balance.number == super::BalanceNumber::LackingCopies {
                    (self.attributes, self.path) = (true, true);
                }
            }
        }
    }
}

impl Term {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let on_path = |test: &dyn Fn(&[u8]) -> bool| facts.path.is_some_and(|path| test(path.as_bytes()));
        let on_size = |test: &dyn Fn(i128) -> bool| facts.size().is_some_and(|size| test(i128::from(size)));
        match self {
            Term::Anything | Term::Standard | Term::GroupWanted => true,
            Term::Nothing => false,
            Term::Include(glob) => on_path(&|path| glob.matches(path)),
            Term::Exclude(glob) => on_path(&|path| !glob.is_malformed() && !glob.matches(path)),
            Term::LargerThan(limit) => on_size(&|size| size > *limit),
            Term::SmallerThan(limit) => on_size(&|size| size < *limit),
            Term::Unused => facts.key.is_some_and(|key| facts.details.is_unused(key)),
            Term::MimeType(glob) => mime(facts).is_some_and(|mime| glob.matches(mime.mime_type.as_bytes())),
            Term::MimeEncoding(glob) => mime(facts).is_some_and(|mime| glob.matches(mime.encoding.as_bytes())),
            Term::Copies { among, number } => {
                let counts = |(uuid, trust): &(&Uuid, Trust)| match among {
                    Among::All => true,
                    Among::Trusted(level) => trust == level,
                    Among::AtLeast(level) => trust >= level,
                    Among::Group(group) => facts.network.is_member(uuid, group),
                };
                i64::try_from(facts.copies().filter(counts).count()).unwrap_or(i64::MAX) >= *number
            }
            Term::LackingCopies { number, approximate } => facts.lacking_copies(*approximate) >= *number,
            Term::InBackend(name) => facts.key.is_some_and(|key| key.backend() == name),
            Term::SecureHash => facts.key.is_some_and(|key| is_secure(key.backend())),
            Term::InAllGroup(group) => facts
                .network
                .members(group)
                .all(|member| facts.copies().any(|(uuid, _)| uuid == member)),
            Term::OnlyInGroup(group) => {
                let mut inside = false;
                facts.copies().all(|(uuid, _)| {
                    let member = facts.network.is_member(uuid, group);
                    inside |= member;
                    member
                }) && inside
            }
            Term::Metadata(test) => facts.key.is_some_and(|key| {
                facts
                    .details
                    .has_metadata(key, &test.field, &|value| test.accepts(value))
            }),
            Term::Url(glob) => facts
                .key
                .is_some_and(|key| facts.details.has_url(key, &|url| glob.matches(url))),
            Term::Present => facts.is_present(),
            Term::InPreferredDir => {
                let directory = facts.network.preferred_directory(facts.repository);
                on_path(&|path| is_below(path, directory.as_bytes()))
            }
            Term::Balanced(balance) => balance.matches(facts),
        }
    }
}

fn mime(facts: &Facts<'_>) -> Option<super::Mime> {
    facts.details.mime(facts.path?)
}

/// True if some directory of the path is named `directory`.
fn is_below(path: &[u8], directory: &[u8]) -> bool {
    let inside = |at: &[u8]| at.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"));
    inside(path)
        || path
            .iter()
            .zip(1..)
            .any(|(&byte, next)| byte == b'/' && inside(&path[next..]))
}

/// True if nobody can make two contents with the same key of this backend.
fn is_secure(backend: &[u8]) -> bool {
    const SECURE: [&str; 22] = [
        "SHA224",
        "SHA256",
        "SHA384",
        "SHA512",
        "SHA3_224",
        "SHA3_256",
        "SHA3_384",
        "SHA3_512",
        "SKEIN256",
        "SKEIN512",
        "BLAKE2B160",
        "BLAKE2B224",
        "BLAKE2B256",
        "BLAKE2B384",
        "BLAKE2B512",
        "BLAKE2BP512",
        "BLAKE2S160",
        "BLAKE2S224",
        "BLAKE2S256",
        "BLAKE2SP224",
        "BLAKE2SP256",
        "BLAKE3_256",
    ];
    let hash = backend.strip_suffix(b"E").unwrap_or(backend);
    matches!(backend, b"VURL" | b"GITBUNDLE") || SECURE.iter().any(|secure| secure.as_bytes() == hash)
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
        }
    }
}
