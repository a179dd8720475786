use super::error::ParseError;
use super::facts::Facts;
use super::network::Network;
use super::term::Terms;
use super::tree::{Expression, Needs};
use crate::Uuid;

/// What one repository wants.
///
/// Required content is wanted too, and never wanted to be dropped. A repository with neither configured wants
/// everything and drops nothing, as for git-annex's assistant and `git annex sync --content`.
#[derive(Debug, Clone)]
pub struct Preference {
    preferred: Rule,
    required: Rule,
    /// What both come to.
    outcome: Outcome,
}

/// What one stored text comes to.
#[derive(Debug, Clone)]
pub enum Rule {
    /// No text, or one that says nothing.
    Unset,
    /// An expression that can be evaluated.
    Matching(Expression),
    /// A text that cannot be understood here. It must be kept where it is stored.
    Unparsable(ParseError),
}

/// How git-annex takes preferred and required content together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is configured: everything is wanted.
    Everything,
    /// What either matches is wanted.
    Either,
    /// A text cannot be understood: the repository wants exactly what it has.
    AsItIs,
    /// An expression would want and drop the same content in turn: nothing is wanted.
    Nothing,
}

impl Rule {
    fn new<'t>(
        text: Option<&str>,
        repository: &Uuid,
        network: &Network,
        group_preferred: &dyn Fn(&str) -> Option<&'t str>,
    ) -> Self {
        let Some(text) = text else { return Rule::Unset };
        Expression::parse(text, Terms::PreferredContent)
            .and_then(|expression| expression.resolve(repository, network, group_preferred))
            .map_or_else(Rule::Unparsable, |expression| match expression.is_empty() {
                true => Rule::Unset,
                false => Rule::Matching(expression),
            })
    }

    fn matches(&self, facts: &Facts<'_>) -> bool {
        match self {
            Rule::Unset => false,
            Rule::Matching(expression) => expression.matches(facts),
            Rule::Unparsable(_) => facts.is_present(),
        }
    }

    fn is_unstable(&self) -> bool {
        matches!(self, Rule::Matching(expression) if expression.is_unstable())
    }

    fn needs(&self) -> Needs {
        match self {
            Rule::Unset => Needs::default(),
            Rule::Matching(expression) => expression.needs(),
            Rule::Unparsable(_) => Needs {
                key: true,
                holders: true,
                ..Needs::default()
            },
        }
    }
}

impl Preference {
    /// Understands the texts stored for a repository.
    pub fn new<'t>(
        preferred: Option<&str>,
        required: Option<&str>,
        repository: &Uuid,
        network: &Network,
        group_preferred: &dyn Fn(&str) -> Option<&'t str>,
    ) -> Self {
        let rule = |text| Rule::new(text, repository, network, group_preferred);
        let (preferred, required) = (rule(preferred), rule(required));
        let outcome = match (&preferred, &required) {
            (Rule::Unset, Rule::Unset) => Outcome::Everything,
            (Rule::Unparsable(_), _) | (_, Rule::Unparsable(_)) => Outcome::AsItIs,
            (one, other) if one.is_unstable() || other.is_unstable() => Outcome::Nothing,
            _ => Outcome::Either,
        };
        Self {
            preferred,
            required,
            outcome,
        }
    }

    /// The preferred content.
    pub fn preferred(&self) -> &Rule {
        &self.preferred
    }

    /// The required content.
    pub fn required(&self) -> &Rule {
        &self.required
    }

    /// What both come to.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// True if anything is configured.
    pub fn is_configured(&self) -> bool {
        self.outcome != Outcome::Everything
    }

    /// True if the repository wants the content, having it or not.
    pub fn wants(&self, facts: &Facts<'_>) -> bool {
        match self.outcome {
            Outcome::Everything => true,
            Outcome::Either => self.required.matches(facts) || self.preferred.matches(facts),
            Outcome::AsItIs => facts.is_present(),
            Outcome::Nothing => false,
        }
    }

    /// True if the repository wants the content gone: it would not want it once it had dropped it, and it is not
    /// required there. (If preferred content is of the kind that never matches, `git annex find --want-drop` lists
    /// required content too; dropping it is then refused.)
    pub fn wants_to_drop(&self, facts: &Facts<'_>) -> bool {
        let dropped = Facts {
            assume_dropped: true,
            ..*facts
        };
        !self.wants(&dropped) && !self.is_required(&dropped)
    }

    /// True if the content is required there.
    pub fn is_required(&self, facts: &Facts<'_>) -> bool {
        !self.required.is_unstable() && self.required.matches(facts)
    }

    /// Which facts the answers may depend on.
    pub fn needs(&self) -> Needs {
        self.preferred.needs().or(self.required.needs())
    }
}
