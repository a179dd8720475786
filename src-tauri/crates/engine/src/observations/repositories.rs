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

    /// The number of a repository. It gets one if it has none.
    pub(super) fn number(&mut self, db: &Connection, uuid: &Uuid) -> Result<i64> {
        if let Some(number) = self.numbers.get(uuid) {
            return Ok(*number);
        }
        let mut insert = db.prepare_cached("INSERT INTO repositories (uuid) VALUES (?1)")?;
        let number = insert.insert([uuid.as_str()])?;
        self.know(number, uuid.clone());
        Ok(number)
    }

    /// A set as stored: the numbers, in order, separated by spaces. Repositories without a number get one.
    pub(super) fn stored(&mut self, db: &Connection, set: &BTreeSet<Uuid>) -> Result<String> {
        let numbers: Result<BTreeSet<i64>> = set.iter().map(|uuid| self.number(db, uuid)).collect();
        let numbers: Vec<String> = numbers?.iter().map(i64::to_string).collect();
        Ok(numbers.join(" "))
    }

    /// The set that was stored so.
    pub(super) fn parse(&self, stored: &str) -> BTreeSet<Uuid> {
        let uuids = numbers(stored).filter_map(|number| self.uuids.get(&number).cloned());
        uuids.collect()
    }
}

/// The numbers of a stored set.
pub(super) fn numbers(stored: &str) -> impl Iterator<Item = i64> {
    stored.split(' ').filter_map(|number| number.parse().ok())
}
