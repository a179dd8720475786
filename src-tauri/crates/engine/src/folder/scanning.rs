//! A scan that confirms missing files must know all changes.

use std::path::PathBuf;
use std::time::Duration;

use assistant::{Effect, Scope};
use surroundings::Delivery;

use crate::work::FolderState;

/// How long to wait for the watching thread, which may itself wait for a mount that hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Waits until all changes are reported, if the effect is a scan that confirms missing files. If they cannot all be seen,
/// the scan covers everything.
pub(super) fn with_all_changes(effect: Effect, state: &FolderState, delivery: &Delivery) -> Effect {
    let real = state.real();
    let is_of_files =
        |path: &PathBuf| real.top.as_ref().is_some_and(|top| path.starts_with(top)) && !path.starts_with(&real.git_dir);
    let are_seen = || !state.log.blind().keys().any(is_of_files) && delivery.wait(PATIENCE);
    if let Effect::Look {
        id,
        scope: Scope::Paths(_),
        confirms: true,
    } = effect
        && !are_seen()
    {
        return Effect::Look {
            id,
            scope: Scope::Everything,
            confirms: true,
        };
    }
    effect
}
