use super::facts::Facts;
use super::network::Network;
use super::parse::ParseError;
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
}

/// What one stored text comes to.
#[derive(Debug, Clone)]
pub enum Rule {
    /// No text, or an empty one.
    Unset,
    /// An expression that can be evaluated.
    Matching(Expression),
    /// An expression that would want and drop the same content in turn: it never matches.
    Never,
    /// A text that cannot be understood here: the repository wants exactly what it has. The text must be kept.
    AsItIs(ParseError),
}

impl Rule {
    fn new<'t>(
        text: Option<&str>,
        repository: &Uuid,
        network: &Network,
        group_preferred: &dyn Fn(&str) -> Option<&'t str>,
    ) -> Self {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            return Rule::Unset;
        };
        let expression = Expression::parse(text, Terms::PreferredContent)
            .and_then(|expression| expression.resolve(repository, network, group_preferred));
        match expression {
            Err(why) => Rule::AsItIs(why),
            Ok(expression) if expression.is_unstable() => Rule::Never,
            Ok(expression) => Rule::Matching(expression),
        }
    }

    fn matches(&self, facts: &Facts<'_>) -> bool {
        match self {
            Rule::Unset | Rule::Never => false,
            Rule::Matching(expression) => expression.matches(facts),
            Rule::AsItIs(_) => facts.is_present(),
        }
    }

    fn needs(&self) -> Needs {
        match self {
            Rule::Unset | Rule::Never => Needs::default(),
            Rule::Matching(expression) => expression.needs(),
            Rule::AsItIs(_) => Needs {
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
        Self {
            preferred: rule(preferred),
            required: rule(required),
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

    /// True if anything is configured.
    pub fn is_configured(&self) -> bool {
        !matches!((&self.preferred, &self.required), (Rule::Unset, Rule::Unset))
    }

    /// True if the repository wants the content, having it or not.
    pub fn wants(&self, facts: &Facts<'_>) -> bool {
        !self.is_configured() || self.is_required(facts) || self.preferred.matches(facts)
    }

    /// True if the repository wants the content gone: it would not want it once it had dropped it.
    pub fn wants_to_drop(&self, facts: &Facts<'_>) -> bool {
        !self.wants(&Facts {
            assume_dropped: true,
            ..*facts
        })
    }

    /// True if the content is required there.
    pub fn is_required(&self, facts: &Facts<'_>) -> bool {
        self.required.matches(facts)
    }

    /// Which facts the answers may depend on.
    pub fn needs(&self) -> Needs {
        self.preferred.needs().or(self.required.needs())
    }
}
