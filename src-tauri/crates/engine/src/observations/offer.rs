use std::collections::BTreeSet;

use assistant::{Candidate, Direction, Lot};
use model::{Key, RemoteName, Timestamp, Uuid};
use rusqlite::{OptionalExtension, params};

use super::{Observations, Result};
use crate::observations::Precedence;

/// The way of a transfer, as failures are remembered by: the remote's name and `>` (sending) or `<` (getting).
pub(crate) fn way(remote: &RemoteName, direction: Direction) -> String {
    match direction {
        Direction::Send => format!("{remote}>"),
        Direction::Get => format!("{remote}<"),
    }
}

impl Observations {
    /// The keys that could be transferred now: what the user put first, then small before large, recent before old, for
    /// each lot in order; less those that failed that way too recently, and those that were cancelled. Also says when the
    /// next of those may be tried again.
    pub(crate) fn offer(
        &self,
        lots: &[Lot],
        limit: usize,
        now: Timestamp,
        precedence: &Precedence,
    ) -> Result<(Vec<Candidate>, Option<Timestamp>)> {
        let sql_now = i64::try_from(now.0).unwrap_or(i64::MAX);
        let each = (limit / lots.len().max(1)).max(256);
        let mut candidates = self.firsts(lots, sql_now, precedence)?;
        // A content is got once, from the first of several holders; it is sent to each that lacks it.
        let firsts = precedence.firsts().map(|(to, key)| (to.clone(), key.clone()));
        let mut offered: BTreeSet<(Uuid, Key)> = firsts.collect();
        // Without a limit: how many are held back only a look at them tells.
        let mut query = self.db.prepare_cached(
            "SELECT key, size FROM keys WHERE class = ?1
             AND NOT EXISTS (SELECT 1 FROM failures WHERE failures.key = keys.key AND way = ?2 AND retry_at > ?3)
             ORDER BY size >= 1048576, id DESC",
        )?;
        for lot in lots {
            let way = way(&lot.remote, lot.direction);
            let mut rows = query.query(params![lot.class.0, way, sql_now])?;
            let mut found = 0;
            while found < each
                && let Some(row) = rows.next()?
            {
                let Ok(key) = Key::parse(row.get_ref(0)?.as_blob()?) else {
                    continue;
                };
                if precedence.held_until(&lot.destination, &key, now).is_some() {
                    continue;
                }
                found += 1;
                if offered.insert((lot.destination.clone(), key.clone())) {
                    let size = row.get::<_, i64>(1)?.unsigned_abs();
                    candidates.push(candidate(lot, key, size, false));
                }
            }
        }
        // Stable: among contents of one kind, the order of lots and of the query stays.
        candidates.sort_by_key(|candidate| (!candidate.is_first, !candidate.is_first && candidate.size >= 1 << 20));
        candidates.truncate(limit);
        let retry_at = self.db.query_row(
            "SELECT min(retry_at) FROM failures WHERE retry_at > ?1",
            [sql_now],
            |row| row.get::<_, Option<i64>>(0),
        )?;
        let retry_at = retry_at.map(|at| Timestamp(at.unsigned_abs()));
        let both = retry_at.into_iter().chain(precedence.next_release(now));
        Ok((candidates, both.min()))
    }

    /// What the user put first and can go now, by the first lot that it can go with.
    fn firsts(&self, lots: &[Lot], now: i64, precedence: &Precedence) -> Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        let mut find = self.db.prepare_cached("SELECT class, size FROM keys WHERE key = ?1")?;
        let mut has_failed = self
            .db
            .prepare_cached("SELECT 1 FROM failures WHERE key = ?1 AND way = ?2 AND retry_at > ?3")?;
        for (destination, key) in precedence.firsts() {
            let found = find.query_row([key.as_bytes()], |row| {
                Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
            });
            let Some((class, size)) = found.optional()? else {
                continue;
            };
            for lot in lots
                .iter()
                .filter(|lot| lot.class.0 == class && lot.destination == *destination)
            {
                if !has_failed.exists(params![key.as_bytes(), way(&lot.remote, lot.direction), now])? {
                    candidates.push(candidate(lot, key.clone(), size, true));
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
