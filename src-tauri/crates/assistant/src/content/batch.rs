//! Batches small files, and sends large ones alone. A file that the user prioritized does not wait for the rest of a
//! batch.

use std::collections::BTreeSet;

use model::Uuid;

use super::{Content, Transfer};
use crate::facts::{Candidate, Direction};
use crate::network::Network;

/// Keys of at least this many bytes are transferred one at a time.
const LARGE: u64 = 1 << 20;
/// The largest number of keys, and of bytes, in one batch of small keys.
const BATCH: usize = 5000;
const BATCH_BYTES: u64 = 64 << 20;

pub(super) fn is_large(candidate: &Candidate) -> bool {
    candidate.size >= LARGE
}

/// Takes the next transfer that may start from the window, with its keys in the order of the window.
///
/// Drops candidates whose remote is gone or no longer allowed in that direction, or whose key is being transferred; the
/// next offer brings them back if they are still due. Candidates that have to wait for a slot stay.
pub(crate) fn next_batch(content: &mut Content, here: &Uuid, network: &Network) -> Option<(Transfer, Vec<model::Key>)> {
    let window = std::mem::take(&mut content.window);
    let mut batch: Option<(Transfer, Vec<model::Key>)> = None;
    let (mut bytes, mut of_firsts) = (0, false);
    for candidate in window {
        let remote = network.remotes.get(&candidate.remote);
        let Some((remote, uuid)) = remote.and_then(|remote| Some((remote, remote.uuid()?))) else {
            continue;
        };
        if !remote.facts.abilities.allow(candidate.direction) {
            continue;
        }
        let destination = match candidate.direction {
            Direction::Get => here,
            Direction::Send => uuid,
        };
        if content.is_under_way(&candidate.key, destination) {
            continue;
        }
        let large = is_large(&candidate);
        match &mut batch {
            None if content.has_slot(&candidate.remote, large, candidate.is_first) => {
                of_firsts = candidate.is_first;
                let transfer = Transfer {
                    remote: candidate.remote,
                    direction: candidate.direction,
                    destination: destination.clone(),
                    keys: BTreeSet::from([candidate.key.clone()]),
                    large,
                    cancelled: false,
                };
                bytes = candidate.size;
                batch = Some((transfer, vec![candidate.key]));
            }
            Some((transfer, keys))
                if !large
                    && !transfer.large
                    && candidate.is_first == of_firsts
                    && transfer.remote == candidate.remote
                    && transfer.direction == candidate.direction
                    && keys.len() < BATCH
                    && bytes + candidate.size <= BATCH_BYTES =>
            {
                if transfer.keys.insert(candidate.key.clone()) {
                    bytes += candidate.size;
                    keys.push(candidate.key);
                }
            }
            Some((transfer, _)) if transfer.destination == *destination && transfer.keys.contains(&candidate.key) => {}
            None | Some(_) => content.window.push_back(candidate),
        }
    }
    batch
}
