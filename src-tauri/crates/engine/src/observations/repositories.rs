//! Repositories by number, so that classes hold short sets of them.

use std::collections::{BTreeSet, HashMap};

use model::Uuid;
use rusqlite::Connection;

use super::Result;

/// The repositories that have a number.
#[derive(Default)]
pub(super) struct Repositories {
    uuids: HashMap<i64, Uuid>,
    numbers: HashMap<Uuid, i64>,
}

impl Repositories {
    /// Reads all of them.
    pub(super) fn read(db: &Connection) -> Result<Self> {
        let mut query = db.prepare_cached("SELECT id, uuid FROM repositories")?;
        let mut rows = query.query([])?;
        let mut all = Self::default();
        while let Some(row) = rows.next()? {
            if let Some(uuid) = Uuid::parse(row.get_ref(1)?.as_str()?) {
                all.know(row.get(0)?, uuid);
            }
        }
        Ok(all)
    }

    fn know(&mut self, number: i64, uuid: Uuid) {
        self.uuids.insert(number, uuid.clone());
        self.numbers.insert(uuid, number);
    }

    /// A set as stored: the numbers, in order, separated by spaces. Repositories without a number get one.
    pub(super) fn stored(&mut self, db: &Connection, set: &BTreeSet<Uuid>) -> Result<String> {
        let mut numbers = Vec::with_capacity(set.len());
        for uuid in set {
            numbers.push(match self.numbers.get(uuid) {
                Some(number) => *number,
                None => {
                    let mut insert = db.prepare_cached("INSERT INTO repositories (uuid) VALUES (?1)")?;
                    let number = insert.insert([uuid.as_str()])?;
                    self.know(number, uuid.clone());
                    number
                }
            });
        }
        numbers.sort_unstable();
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        Ok(numbers.join(" "))
    }

    /// The set that was stored so.
    pub(super) fn parse(&self, stored: &str) -> BTreeSet<Uuid> {
        let numbers = stored.split(' ').filter_map(|number| number.parse().ok());
        numbers
            .filter_map(|number: i64| self.uuids.get(&number).cloned())
            .collect()
    }
}
