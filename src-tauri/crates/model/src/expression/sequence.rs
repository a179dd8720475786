use std::sync::Arc;

use super::facts::Facts;
use super::term::Term;

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

impl Sequence {
    pub(super) fn matches(&self, facts: &Facts<'_>) -> bool {
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

    pub(super) fn each_term(&self, negated: bool, visit: &mut dyn FnMut(&Term, bool)) {
        for operand in self.operands() {
            let negated = negated != operand.negated;
            match &operand.body {
                Body::Everything => {}
                Body::Term(term) => visit(term, negated),
                Body::Group(group) => group.each_term(negated, visit),
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
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

    pub(super) fn present() -> Self {
        Self {
            first: Operand {
                negated: false,
                body: Body::Term(Term::Present),
            },
            rest: Vec::new(),
        }
    }

    pub(super) fn replace(&self, standard: &Arc<Sequence>, group_wanted: &Arc<Sequence>) -> Sequence {
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
