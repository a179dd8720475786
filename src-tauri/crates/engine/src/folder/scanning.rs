//! A scan that confirms missing files must know all changes.

use std::time::Duration;

use assistant::{Effect, Scope};
use surroundings::Delivery;

use crate::work::FolderState;

/// How long to wait for the watching thread, which may itself wait for a mount that hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Waits until all changes are reported, if the effect is a scan that confirms missing files. If they cannot all be seen,
/// the scan covers everything.
pub(super) fn with_all_changes(effect: Effect, state: &FolderState, delivery: &Delivery) -> Effect {
    let are_seen = || !state.is_partly_unseen() && delivery.wait(PATIENCE);
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
