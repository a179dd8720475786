//! The tests of local clones over ssh. Where `ANABRANCH_TEST_OVER_SSH` names a program (`anabranch` or `git-annex`), the
//! repositories of a test know each other as repositories on another computer, on which that program serves git-annex.

use std::path::Path;
use std::sync::OnceLock;

use crate::run::attempt;
use crate::sshd::{Login, Shell, Sshd};
use crate::{Sandbox, run};

/// What serves git-annex at the other end; none if repositories know each other by their paths.
///
/// # Panics
///
/// When the variable names no such program.
pub(crate) fn shell() -> Option<Shell> {
    static SHELL: OnceLock<Option<Shell>> = OnceLock::new();
    *SHELL.get_or_init(|| {
        let name = std::env::var("ANABRANCH_TEST_OVER_SSH").ok()?;
        match &*name {
            "" => None,
            "anabranch" => Some(Shell::Anabranch),
            "git-annex" => Some(Shell::GitAnnex),
            other => panic!("ANABRANCH_TEST_OVER_SSH is {other}, neither anabranch nor git-annex"),
        }
    })
}

/// Gives the remotes of a repository that are paths addresses on the other computer, if there is one.
#[track_caller]
pub(crate) fn move_remotes(sandbox: &Sandbox, repository: &Path) {
    let Some(far) = sandbox.other_computer() else { return };
    let known = attempt(&mut sandbox.git(repository, ["config", "--get-regexp", r"^remote\..*\.url$"]));
    let known = String::from_utf8_lossy(&known.stdout).into_owned();
    for (setting, path) in known.lines().filter_map(|line| line.split_once(' ')) {
        if path.starts_with('/') {
            run(&mut sandbox.git(repository, ["config", setting, &far.address(Path::new(path))]));
        }
    }
}

/// The computer of a sandbox.
pub(crate) fn start(sandbox: &Sandbox) -> Option<Sshd> {
    Some(Sshd::start(sandbox, "elsewhere", shell()?, Login::Everything, &[]))
}
