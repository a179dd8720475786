use super::error::ParseError;
use super::facts::Facts;
use super::network::Network;
use super::term::Terms;
use super::tree::{Expression, Needs};
use crate::Uuid;

/// The preference of one repository: which content it wants.
///
/// A repository also wants its required content, and never wants to drop it. A repository with neither configured wants
/// everything and drops nothing, as for git-annex's assistant and `git annex sync --content`.
#[derive(Debug, Clone)]
pub struct Preference {
    preferred: PreferenceRule,
    required: PreferenceRule,
    /// The combination of both.
    outcome: Combination,
}

/// The meaning of one stored text.
#[derive(Debug, Clone)]
pub enum PreferenceRule {
    /// No text, or an empty expression.
    Unset,
    /// An expression that can be evaluated.
    Matching(Expression),
    /// A text that cannot be parsed here. It must stay stored as it is.
    Unparsable(ParseError),
}

/// How git-annex combines preferred and required content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combination {
    /// Nothing is configured: the repository wants everything.
    Everything,
    /// The repository wants whatever matches either of them.
    Either,
    /// A text cannot be parsed: the repository wants exactly the content it has.
    AsItIs,
    /// An expression would want and drop the same content in turn: the repository wants nothing.
    Nothing,
}

impl PreferenceRule {
    fn new<'t>(
        text: Option<&str>,
        repository: &Uuid,
        network: &Network,
        group_preferred: &dyn Fn(&str) -> Option<&'t str>,
    ) -> Self {
        let Some(text) = text else { return PreferenceRule::Unset };
        Expression::parse(text, Terms::PreferredContent)
            .and_then(|expression| expression.resolve(repository, network, group_preferred))
            .map_or_else(PreferenceRule::Unparsable, |expression| match expression.is_empty() {
                true => PreferenceRule::Unset,
                false => PreferenceRule::Matching(expression),
            })
    }

    fn matches(&self, facts: &Facts<'_>) -> bool {
        match self {
            PreferenceRule::Unset => false,
            PreferenceRule::Matching(expression) => expression.matches(facts),
            PreferenceRule::Unparsable(_) => facts.is_present(),
        }
    }

    fn is_unstable(&self) -> bool {
        matches!(self, PreferenceRule::Matching(expression) if expression.is_unstable())
    }

    fn needs(&self) -> Needs {
        match self {
            PreferenceRule::Unset => Needs::default(),
            PreferenceRule::Matching(expression) => expression.needs(),
            PreferenceRule::Unparsable(_) => Needs {
                key: true,
                holders: true,
                ..Needs::default()
            },
        }
    }
}

impl Preference {
    /// Parses the texts stored for a repository.
    pub fn new<'t>(
        preferred: Option<&str>,
        required: Option<&str>,
        repository: &Uuid,
        network: &Network,
        group_preferred: &dyn Fn(&str) -> Option<&'t str>,
    ) -> Self {
        let rule = |text| PreferenceRule::new(text, repository, network, group_preferred);
        let (preferred, required) = (rule(preferred), rule(required));
        let outcome = match (&preferred, &required) {
            (PreferenceRule::Unset, PreferenceRule::Unset) => Combination::Everything,
            (PreferenceRule::Unparsable(_), _) | (_, PreferenceRule::Unparsable(_)) => Combination::AsItIs,
            (one, other) if one.is_unstable() || other.is_unstable() => Combination::Nothing,
            _ => Combination::Either,
        };
        Self {
            preferred,
            required,
            outcome,
        }
    }

    /// The preferred content.
    pub fn preferred(&self) -> &PreferenceRule {
        &self.preferred
    }

    /// The required content.
    pub fn required(&self) -> &PreferenceRule {
        &self.required
    }

    /// The combination of preferred and required content.
    pub fn outcome(&self) -> Combination {
        self.outcome
    }

    /// True if anything is configured.
    pub fn is_configured(&self) -> bool {
        self.outcome != Combination::Everything
    }

    /// True if the repository wants the content, whether or not it has it.
    pub fn wants(&self, facts: &Facts<'_>) -> bool {
        match self.outcome {
            Combination::Everything => true,
            Combination::Either => self.required.matches(facts) || self.preferred.matches(facts),
            Combination::AsItIs => facts.is_present(),
            Combination::Nothing => false,
        }
    }

    /// True if the repository wants to drop the content: it would not want it after dropping it, and does not require
    /// it. (If preferred content is of the kind that never matches, `git annex find --want-drop` also lists required
    /// content; git-annex then refuses to drop it.)
    pub fn wants_to_drop(&self, facts: &Facts<'_>) -> bool {
        let dropped = Facts {
            assume_dropped: true,
            ..*facts
        };
        !self.wants(&dropped) && !self.is_required(&dropped)
    }

    /// True if the repository requires the content.
    pub fn is_required(&self, facts: &Facts<'_>) -> bool {
        !self.required.is_unstable() && self.required.matches(facts)
    }

    /// Which facts the answers may depend on.
    pub fn needs(&self) -> Needs {
        self.preferred.needs().or(self.required.needs())
    }
}
