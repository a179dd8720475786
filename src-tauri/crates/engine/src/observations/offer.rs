use std::collections::BTreeSet;

use assistant::{Candidate, Lot};
use model::{Key, Timestamp, Uuid};

use super::{Priorities, Reader, Result, Retries, keys};

impl Reader {
    /// Finds the keys to transfer now: prioritized ones first, then small before large, recent before old, for each lot
    /// in order. It leaves out keys that failed in that direction too recently, and cancelled ones. Also returns when
    /// the next of those may be retried.
    pub(crate) fn offer(
        &self,
        lots: &[Lot],
        limit: usize,
        now: Timestamp,
        priorities: &Priorities,
        retries: &Retries,
    ) -> Result<(Vec<Candidate>, Option<Timestamp>)> {
        let each = (limit / lots.len().max(1)).max(256);
        let mut candidates = self.firsts(lots, now, priorities, retries)?;
        // A key is received once, from the first of several holders, but sent to each remote that lacks it.
        let firsts = priorities.firsts().map(|(to, key)| (to.clone(), key.clone()));
        let mut offered: BTreeSet<(Uuid, Key)> = firsts.collect();
        // There is no SQL limit, since only checking the keys tells how many are held back.
        let mut query = self.db.prepare_cached(
            "SELECT key, size FROM keys WHERE class = ?1
             ORDER BY size >= 1048576, id DESC",
        )?;
        for lot in lots {
            let has_failed = retries.held(&lot.source, &lot.destination, now);
            let mut rows = query.query([lot.class.0])?;
            let mut found = 0;
            while found < each
                && let Some(row) = rows.next()?
            {
                let size: i64 = row.get(1)?;
                let Some(key) = keys::parse(row.get_ref(0)?.as_blob()?, size) else {
                    continue;
                };
                if has_failed(&key) || priorities.held_until(&lot.destination, &key, now).is_some() {
                    continue;
                }
                found += 1;
                if offered.insert((lot.destination.clone(), key.clone())) {
                    candidates.push(candidate(lot, key, size.unsigned_abs(), false));
                }
            }
        }
        // The sort is stable, so keys of one kind keep the order of lots and of the query.
        candidates.sort_by_key(|candidate| (!candidate.is_first, !candidate.is_first && candidate.size >= 1 << 20));
        candidates.truncate(limit);
        let both = retries.next_retry(now).into_iter().chain(priorities.next_release(now));
        Ok((candidates, both.min()))
    }

    /// The prioritized keys that can be transferred now, each by the first lot that allows it.
    fn firsts(
        &self,
        lots: &[Lot],
        now: Timestamp,
        priorities: &Priorities,
        retries: &Retries,
    ) -> Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        for (destination, key) in priorities.firsts() {
            let Some((_, class)) = keys::find(&self.db, key)? else {
                continue;
            };
            for lot in lots
                .iter()
                .filter(|lot| lot.class.0 == class && lot.destination == *destination)
            {
                if !retries.held(&lot.source, &lot.destination, now)(key) {
                    candidates.push(candidate(lot, key.clone(), keys::size(key).unsigned_abs(), true));
                    break;
                }
            }
        }
        Ok(candidates)
    }
}

fn candidate(lot: &Lot, key: Key, size: u64, is_first: bool) -> Candidate {
    Candidate {
        key,
        size,
        remote: lot.remote.clone(),
        direction: lot.direction,
        is_first,
    }
}
