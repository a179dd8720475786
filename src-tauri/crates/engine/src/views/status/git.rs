//! Asks whether git may ask the engine which files have changed.

use annex::settings::GitMonitor;
use contract::Question;

use crate::words::files;
use crate::work::FolderState;

/// The id of the question.
pub(crate) const NAME: &str = "quick-git";

/// From so many files on, git takes long enough to be noticed.
const MANY: u64 = 50_000;

/// The question about a folder; none if it is small, was answered, or the engine could not tell git.
pub(super) fn question(state: &FolderState) -> Option<Question> {
    let count = state.annex().known_files()? as u64;
    asked(count, state.configured().git_monitor).filter(|_| !state.is_partly_unseen())
}

fn asked(count: u64, monitor: GitMonitor) -> Option<Question> {
    (count > MANY && monitor == GitMonitor::Nobody).then(|| Question {
        id: NAME.to_owned(),
        text: format!(
            "This folder has {}, so 'git status' takes long. Anabranch can tell git which ones have changed. For that it \
             sets core.fsmonitor and core.untrackedCache in .git/config. Do you want that?",
            files(count)
        ),
        yes: "Make git faster".to_owned(),
        no: "Leave git as it is".to_owned(),
        typed: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_folder_is_asked_about_until_somebody_has_said_something() {
        let is_asked = |count, monitor| asked(count, monitor).is_some();
        assert!(is_asked(50_001, GitMonitor::Nobody));
        assert!(!is_asked(50_000, GitMonitor::Nobody));
        for monitor in [
            GitMonitor::Ours,
            GitMonitor::Declined,
            GitMonitor::Theirs("core.fsmonitor"),
        ] {
            assert!(!is_asked(1_000_000, monitor));
        }
    }
}
