use std::ffi::{OsStr, OsString};
use std::sync::mpsc;
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
