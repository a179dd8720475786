use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;

/// A login that asks, and what hears of its questions.
struct Scene {
    questions: Questions,
    changes: mpsc::Receiver<()>,
    given_up: mpsc::Receiver<()>,
    helper: PathBuf,
    asking: Asking,
    _place: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let (tell, changes) = mpsc::channel();
        let whom = Whom::Everybody(Box::new(move || tell.send(()).unwrap_or_default()));
        let questions = Questions::new(Ok(place.path().join("ssh")), "/bin/false".into(), whom);
        let mut command = Command::new("ssh");
        let (give_up, given_up) = mpsc::channel();
        let asking = questions.serve(&mut command, "desk".to_owned(), move || {
            give_up.send(()).unwrap_or_default();
        });
        let variable = |(name, value): (&OsStr, Option<&OsStr>)| (name == "SSH_ASKPASS").then_some(value?.to_owned());
        let helper: OsString = command.get_envs().find_map(variable).unwrap();
        Self {
            questions,
            changes,
            given_up,
            helper: helper.into(),
            asking: asking.unwrap(),
            _place: place,
        }
    }

    fn opened(&self) -> Question {
        self.changes.recv().unwrap();
        let open = self.questions.open(|place| place == "desk");
        assert_eq!((open.len(), self.questions.open(|_| false).len()), (1, 0));
        open.into_iter().next().unwrap()
    }

    fn connect(&self) -> UnixStream {
        let mut helper = UnixStream::connect(self.helper.with_file_name(SOCKET)).unwrap();
        helper.write_all(b"\0ann@desk's password: \0").unwrap();
        helper
    }
}

#[test]
fn an_answer_reaches_the_program_and_a_wrong_one_is_asked_for_again() {
    let scene = Scene::new();
    assert!(!scene.asking.has_asked());
    for is_repeated in [false, true] {
        let name = scene.helper.clone();
        let helper = thread::spawn(move || {
            let mut said = Vec::new();
            let answered = run(&name, OsStr::new("ann@desk's password: "), &mut said).unwrap();
            (answered, said)
        });
        let question = scene.opened();
        let account = "ann@desk".to_owned();
        assert_eq!(question.prompt, Prompt::Password { account });
        assert_eq!(question.is_repeated, is_repeated);
        assert_eq!(scene.asking.busy(), Duration::ZERO);
        assert!(scene.questions.answer(&question.id, Some("a secret")));
        assert!(!scene.questions.answer(&question.id, Some("another")));
        assert_eq!(helper.join().unwrap(), (true, b"a secret\n".to_vec()));
        scene.changes.recv().unwrap();
    }
    assert!(scene.asking.has_asked() && scene.asking.unanswered().is_none());
    assert!(scene.given_up.try_recv().is_err());
}

#[test]
fn a_login_is_given_up_before_its_program_hears_of_a_declined_question() {
    let scene = Scene::new();
    let helper = scene.connect();
    assert!(scene.questions.answer(&scene.opened().id, None));
    scene.given_up.recv().unwrap();
    helper.set_nonblocking(true).unwrap();
    let heard = io::Read::read(&mut &helper, &mut [0]);
    assert_eq!(heard.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(scene.asking.unanswered(), Some(Unanswered::Declined));
}

#[test]
fn a_question_is_withdrawn_when_its_program_ends() {
    let scene = Scene::new();
    let helper = scene.connect();
    let question = scene.opened();
    drop(helper);
    scene.changes.recv().unwrap();
    assert!(!scene.questions.answer(&question.id, Some("too late")));
    assert_eq!(scene.asking.unanswered(), None);
}

#[test]
fn only_the_user_can_reach_a_helper_and_nothing_of_it_is_left() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new();
    let directory = scene.helper.parent().unwrap().to_owned();
    assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o077, 0);
    drop(scene.asking);
    assert!(!directory.exists());
}

/// What git asks in one run.
fn git_asks(attempt: &account::Attempt, prompt: &str) -> Option<String> {
    let mut said = Vec::new();
    let answered = run(&attempt.program(), OsStr::new(prompt), &mut said).unwrap();
    answered.then(|| String::from_utf8(said).unwrap().trim_end().to_owned())
}

/// Everybody is asked, below this directory.
fn questions(place: &Path) -> Questions {
    let whom = Whom::Everybody(Box::new(|| {}));
    Questions::new(Ok(place.join("ssh")), "/bin/false".into(), whom)
}

const NAME_OF: &str = "Username for 'https://forge': ";
const PASSWORD_OF: &str = "Password for 'https://ann@forge': ";

#[test]
fn git_ends_without_an_answer_and_gets_it_when_it_runs_again() {
    let place = tempfile::tempdir().unwrap();
    let questions = questions(place.path());
    let account = questions.account("forge");
    let ask = |prompt: &str, answer: &str| {
        let attempt = questions.attempt(&account).unwrap();
        assert_eq!(git_asks(&attempt, prompt), None);
        assert_eq!(attempt.refused(), Refusal::Waits);
        assert_eq!(attempt.refused(), Refusal::Waits, "it is asked once");
        let open = questions.open(|place| place == "forge");
        assert_eq!(open.len(), 1);
        assert!(questions.answer(&open[0].id, Some(answer)));
        open[0].is_repeated
    };
    assert!(!ask(NAME_OF, "ann"));
    assert!(!ask(PASSWORD_OF, "wrong"));
    let [first, second] = [(); 2].map(|()| questions.attempt(&account).unwrap());
    for attempt in [&first, &second] {
        assert_eq!(git_asks(attempt, NAME_OF).as_deref(), Some("ann"));
        assert_eq!(git_asks(attempt, PASSWORD_OF).as_deref(), Some("wrong"));
    }
    assert_eq!((first.refused(), second.refused()), (Refusal::Again, Refusal::Again));
    assert!(ask(NAME_OF, "ann"));
    assert!(!ask(PASSWORD_OF, "right"));
    let attempt = questions.attempt(&account).unwrap();
    assert_eq!(git_asks(&attempt, PASSWORD_OF).as_deref(), Some("right"));
    attempt.succeeded();
    // What another server asks is another question.
    let attempt = questions.attempt(&account).unwrap();
    assert_eq!(git_asks(&attempt, "Password for 'http://ann@forge': "), None);
}

#[test]
fn nobody_is_asked_after_three_refusals_or_a_no_until_the_user_says_so() {
    let place = tempfile::tempdir().unwrap();
    let questions = questions(place.path());
    let account = questions.account("forge");
    let run_of = |prompt| {
        let attempt = questions.attempt(&account).unwrap();
        git_asks(&attempt, prompt);
        attempt.refused()
    };
    let answer = |answer| {
        let open = questions.open(|_| true);
        assert!(questions.answer(&open[0].id, answer));
    };
    let again = [Refusal::Again, Refusal::Again, Refusal::Held(Held::Refused)];
    for expected in again {
        assert_eq!(run_of(PASSWORD_OF), Refusal::Waits);
        answer(Some("wrong"));
        assert_eq!(run_of(PASSWORD_OF), expected);
    }
    assert_eq!(run_of(PASSWORD_OF), Refusal::Held(Held::Refused));
    account.try_again();
    assert_eq!(run_of(NAME_OF), Refusal::Waits);
    answer(Some("bob"));
    assert_eq!(run_of(PASSWORD_OF), Refusal::Waits);
    answer(None);
    let declined = Refusal::Held(Held::Unanswered(Unanswered::Declined));
    assert_eq!(run_of(PASSWORD_OF), declined);
    let attempt = questions.attempt(&account).unwrap();
    assert_eq!(git_asks(&attempt, NAME_OF), None, "the name may have been wrong");
    assert_eq!(attempt.refused(), declined);
    assert!(questions.open(|_| true).is_empty());
    account.try_again();
    assert_eq!(questions.attempt(&account).unwrap().refused(), Refusal::Elsewhere);
}
