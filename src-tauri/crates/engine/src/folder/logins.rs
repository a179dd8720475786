//! What logins on other computers ask, and the answers.

use assistant::Event;
use contract::{Reply, Secret};
use remotes::askpass::Question;

use super::Folder;

impl Folder {
    /// Tries the places again whose login has asked and has its answer now. The first attempt has ended when it asked.
    pub(super) fn questions_changed(&mut self) {
        let open = self.state.all_login_questions();
        let before = std::mem::replace(&mut self.open_questions, open);
        let is_closed = |question: &&Question| !self.open_questions.iter().any(|open| open.id == question.id);
        let mut closed = before.iter().filter(is_closed);
        if closed.any(|question| self.state.logs_in_at(&question.place)) {
            self.handle(Event::PlacesChanged);
        }
    }

    /// Takes what the user has typed.
    pub(super) fn entered(&self, id: &str, text: &Secret) -> Reply {
        match self.login_question(Some(id)) {
            None => too_late(),
            Some(question) if question.prompt.agreed().is_some() => {
                Reply::Refused("answer that with yes or no".to_owned())
            }
            Some(question) => self.answer_login(&question.id, Some(text.reveal())),
        }
    }

    /// Takes yes or no.
    pub(super) fn agreed(&self, question: &Question, yes: bool) -> Reply {
        match (yes, question.prompt.agreed()) {
            (true, None) => Reply::Refused(
                "that needs more than a yes: enter the password or the words that it asks \
                                            for"
                .to_owned(),
            ),
            (true, agreed) => self.answer_login(&question.id, agreed),
            (false, _) => self.answer_login(&question.id, None),
        }
    }

    /// The question of this id, or the one that the status shows.
    pub(super) fn login_question(&self, id: Option<&str>) -> Option<Question> {
        let mut questions = self.state.all_login_questions().into_iter();
        match id {
            Some(id) => questions.find(|question| question.id == id && self.state.logs_in_at(&question.place)),
            None => self.state.login_question(),
        }
    }

    fn answer_login(&self, id: &str, answer: Option<&str>) -> Reply {
        match self.state.hosts().questions().answer(id, answer) {
            true => Reply::Done,
            false => too_late(),
        }
    }
}

pub(super) fn too_late() -> Reply {
    Reply::Refused("this question is not open (any more); nothing was answered".to_owned())
}
