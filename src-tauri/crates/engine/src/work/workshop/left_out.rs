//! What is left out of a folder, and why.

use super::*;

/// Removes the entries of these paths and of all paths below them; without paths, removes all entries.
fn forget_within<T>(told: &mut BTreeMap<String, T>, within: Option<&[RepoPath]>) {
    let Some(paths) = within else {
        told.clear();
        return;
    };
    for path in paths {
        if told.is_empty() {
            break;
        }
        let path = path.to_string();
        let below = format!("{path}/");
        told.retain(|what, _| *what != path && !what.starts_with(&below));
    }
}

impl Workshop {
    /// Something that is left out until it is changed, with the reason.
    pub(crate) fn note_unfit(&self, what: String, why: String) {
        self.shared().unfit.insert(what, why);
    }

    /// Replaces the entries of these paths, or all entries, with those that the last look found.
    pub(crate) fn set_unfit(&self, within: Option<&[RepoPath]>, unfit: impl IntoIterator<Item = (String, String)>) {
        let mut shared = self.shared();
        shared.undecided.forget_within(within);
        shared.unstored.forget_within(within);
        forget_within(&mut shared.unfit, within);
        shared.unfit.extend(unfit);
    }

    /// Which directories a look at these paths, or at everything, found to be repositories of their own.
    pub(crate) fn set_nested(&self, within: Option<&[RepoPath]>, nested: &[Nested]) {
        let mut shared = self.shared();
        forget_within(&mut shared.nested, within);
        let named = nested.iter().map(|one| (one.path.display().to_string(), one.clone()));
        shared.nested.extend(named);
    }

    pub(crate) fn nested(&self) -> BTreeMap<String, Nested> {
        self.shared().nested.clone()
    }

    /// Takes note of a file that waits until a setting or a rule is corrected.
    pub(crate) fn note_undecided(&self, path: RepoPath, why: String) {
        self.shared().undecided.add(path, why);
    }

    /// Why such files wait, each reason with the first of them and their number.
    pub(crate) fn undecided(&self) -> Vec<(String, RepoPath, usize)> {
        self.shared().undecided.reasons()
    }

    /// Takes note of a file that could not be stored.
    pub(crate) fn note_unstored(&self, path: RepoPath, why: String) {
        self.shared().unstored.add(path, why);
    }

    /// Why such files are not stored, each reason with the first of them and their number.
    pub(crate) fn unstored(&self) -> Vec<(String, RepoPath, usize)> {
        self.shared().unstored.reasons()
    }

    /// The files that could not be stored.
    pub(crate) fn files_to_store(&self) -> Vec<RepoPath> {
        self.shared().unstored.paths()
    }

    /// True while such files wait.
    pub(crate) fn has_undecided(&self) -> bool {
        !self.shared().undecided.is_empty()
    }

    /// Why the last look, or the last taking in, left a file out.
    pub(crate) fn left_out(&self, path: &RepoPath) -> Option<String> {
        let shared = self.shared();
        let undecided = shared.undecided.why(path).map(ToOwned::to_owned);
        let unstored = || shared.unstored.why(path).map(ToOwned::to_owned);
        undecided
            .or_else(unstored)
            .or_else(|| shared.unfit.get(&path.to_string()).cloned())
    }

    pub(crate) fn unfit(&self) -> BTreeMap<String, String> {
        self.shared().unfit.clone()
    }
}
