use std::collections::BTreeSet;

use assistant::Candidate;
use assistant::content::{Direction, Lot};
use model::{Key, RemoteName, Timestamp};
use rusqlite::params;

use super::{Observations, Result};

/// The way of a transfer, as failures are remembered by: the remote's name and `>` (sending) or `<` (getting).
pub(crate) fn way(remote: &RemoteName, direction: Direction) -> String {
    match direction {
        Direction::Send => format!("{remote}>"),
        Direction::Get => format!("{remote}<"),
    }
}

impl Observations {
    /// The keys that could be transferred now: small before large, recent before old, for each lot in order, less those
    /// that failed that way too recently. Also says when the next of those may be tried again.
    pub(crate) fn offer(
        &self,
        lots: &[Lot],
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Candidate>, Option<Timestamp>)> {
        let now = i64::try_from(now.0).unwrap_or(i64::MAX);
        let each = i64::try_from((limit / lots.len().max(1)).max(256)).unwrap_or(i64::MAX);
        let mut offered: BTreeSet<(Option<RemoteName>, Key)> = BTreeSet::new();
        let mut candidates = Vec::new();
        let mut query = self.db.prepare_cached(
            "SELECT key, size FROM keys WHERE class = ?1
             AND NOT EXISTS (SELECT 1 FROM failures WHERE failures.key = keys.key AND way = ?2 AND retry_at > ?3)
             ORDER BY size >= 1048576, id DESC LIMIT ?4",
        )?;
        for lot in lots {
            let way = way(&lot.remote, lot.direction);
            let rows = query.query_map(params![lot.class.0, way, now, each], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?))
            })?;
            for row in rows {
                let (key, size) = row?;
                let Ok(key) = Key::parse(&key) else { continue };
                // A content is got once, from the first of several holders; it is sent to each that lacks it.
                let destination = (lot.direction == Direction::Send).then(|| lot.remote.clone());
                if offered.insert((destination, key.clone())) {
                    let size = size.unsigned_abs();
                    candidates.push(Candidate {
                        key,
                        size,
                        remote: lot.remote.clone(),
                        direction: lot.direction,
                    });
                }
            }
        }
        // Stable: among contents of one kind, the order of lots and of the query stays.
        candidates.sort_by_key(|candidate| candidate.size >= 1 << 20);
        candidates.truncate(limit);
        let retry_at = self
            .db
            .query_row("SELECT min(retry_at) FROM failures WHERE retry_at > ?1", [now], |row| {
                row.get::<_, Option<i64>>(0)
            })?;
        Ok((candidates, retry_at.map(|at| Timestamp(at.unsigned_abs()))))
    }
}
