//! The questions that wait for the user.

use crate::effect::Effect;
use crate::facts::{About, Question};

/// The questions that wait for the user, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Questions(Vec<Question>);

impl Questions {
    /// Asks a question, unless it was already asked with the same numbers.
    pub(crate) fn ask(&mut self, question: Question, effects: &mut Vec<Effect>) {
        match self.0.iter_mut().find(|asked| asked.is_same(&question)) {
            Some(asked) if *asked == question => return,
            Some(asked) => asked.clone_from(&question),
            None => self.0.push(question.clone()),
        }
        effects.push(Effect::Ask(question));
    }

    /// Withdraws the questions that need no answer any more.
    pub(crate) fn withdraw(&mut self, is_over: impl Fn(&About) -> bool, effects: &mut Vec<Effect>) {
        let over = self.0.extract_if(.., |question| is_over(&question.about()));
        effects.extend(over.map(Effect::Withdraw));
    }

    /// Removes a question that was answered; false if it was not open.
    pub(crate) fn take(&mut self, question: &Question) -> bool {
        let at = self.0.iter().position(|asked| asked.is_same(question));
        at.map(|at| self.0.remove(at)).is_some()
    }

    /// True if a question has this subject.
    pub(crate) fn is_about(&self, is_it: impl Fn(&About) -> bool) -> bool {
        self.0.iter().any(|question| is_it(&question.about()))
    }

    /// All open questions.
    pub(crate) fn all(&self) -> &[Question] {
        &self.0
    }
}
