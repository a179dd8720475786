use std::collections::{BTreeMap, BTreeSet};

use model::{Key, Oid, Uuid};

use super::writing::Writer;
use super::{Branch, Reader, journal, merging, private, tip};
use crate::logs::{self, Kind, MapLog, Presence, PresenceLog, SingleLog, UuidLog, VectorClock};
use crate::oid::from_git;
use crate::{Error, Result};

impl Branch<'_> {
    /// Records where contents are and are not, in one commit, together with what waits in the journal; no commit if
    /// all is known already. Each line's time exceeds that of the line it replaces, whatever `now` is.
    pub fn record_presence(&self, changes: &[(Key, Uuid, Presence)], now: VectorClock) -> Result<Oid> {
        let mut by_path: BTreeMap<Vec<u8>, Vec<(&Uuid, Presence)>> = BTreeMap::new();
        for (key, uuid, presence) in changes {
            // A chunk's key never has a log.
            if !key.is_chunk() {
                by_path
                    .entry(logs::location_log(key))
                    .or_default()
                    .push((uuid, *presence));
            }
        }
        let (paths, changes): (Vec<_>, Vec<_>) = by_path.into_iter().unzip();
        self.record(&paths, &|at, scope, content| {
            let mut log = PresenceLog::parse(content);
            let mut changed = false;
            for &(uuid, presence) in &changes[at] {
                if scope.holds(uuid.as_str()) {
                    changed |= log.set(uuid.as_str().as_bytes(), presence, now);
                }
            }
            changed.then(|| log.to_bytes())
        })
    }

    /// Records in the journal where contents are and are not, and syncs it to disk. The next commit of the branch
    /// includes it, and readers of the branch see it at once. One key needs two syncs; a commit would need six.
    pub fn journal_presence(&self, changes: &[(Key, Uuid, Presence)], now: VectorClock) -> Result<()> {
        let repo = self.annex.git()?;
        if tip(&repo)?.is_none() || !private::uuids(&repo)?.is_empty() {
            return self.record_presence(changes, now).map(drop);
        }
        let _lock = journal::lock(self.annex)?;
        let reader = Reader::new(self.annex, &repo);
        let mut files = BTreeMap::new();
        for (key, uuid, presence) in changes.iter().filter(|(key, ..)| !key.is_chunk()) {
            let path = logs::location_log(key);
            let content = match files.get(&path) {
                Some(content) => Vec::clone(content),
                None => reader.read_public(&path)?.unwrap_or_default(),
            };
            let mut log = PresenceLog::parse(&content);
            if log.set(uuid.as_str().as_bytes(), *presence, now) {
                files.insert(path, log.to_bytes());
            }
        }
        match files.is_empty() {
            true => Ok(()),
            false => journal::write(self.annex, &files.into_iter().collect::<Vec<_>>()),
        }
    }

    /// Records the value of one repository in a log such as `uuid.log`, `group.log`, `trust.log` or
    /// `preferred-content.log`; an empty value unsets. Recorded again, a value becomes the newest, so this always
    /// commits (as in git-annex): compare with [`Branch::facts`] first where nothing new is to be said.
    pub fn record_value(&self, log: &str, uuid: &Uuid, value: &str, now: VectorClock) -> Result<Oid> {
        self.record_values(&[(log, uuid, value)], now)
    }

    /// Records several such values in one commit: all of them, or none.
    pub fn record_values(&self, values: &[(&str, &Uuid, &str)], now: VectorClock) -> Result<Oid> {
        let mut by_log: BTreeMap<&str, Vec<(&Uuid, Vec<u8>)>> = BTreeMap::new();
        for &(log, uuid, value) in values {
            check(log, Kind::Uuid, &[value])?;
            let value = logs::normal_value(log.as_bytes(), value.as_bytes());
            by_log.entry(log).or_default().push((uuid, value));
        }
        let (names, values): (Vec<&str>, Vec<_>) = by_log.into_iter().unzip();
        let paths: Vec<Vec<u8>> = names.iter().map(|log| log.as_bytes().to_vec()).collect();
        self.record(&paths, &|at, scope, content| {
            let mut parsed = UuidLog::parse(content);
            parsed.normalize(|value| logs::normal_value(names[at].as_bytes(), value));
            let mut changed = false;
            for (uuid, value) in values[at].iter().filter(|(uuid, _)| scope.holds(uuid.as_str())) {
                parsed.set(uuid.as_str().as_bytes(), value, now);
                changed = true;
            }
            changed.then(|| parsed.to_bytes())
        })
    }

    /// Records the value of one field in a log such as `config.log`, `group-preferred-content.log` or `maxsize.log`;
    /// an empty value unsets. Recorded again, a value becomes the newest, except in `config.log` (as in git-annex).
    pub fn record_field(&self, log: &str, field: &str, value: &str, now: VectorClock) -> Result<Oid> {
        if check(log, Kind::Map, &[field, value]).is_err() {
            check(log, Kind::MapByUuid, &[field, value])?;
        }
        if field.is_empty() || field.contains(' ') {
            return Err(Error::Refused(format!("{field:?} cannot be a name in {log}")));
        }
        self.record(&[log.into()], &|_, scope, content| {
            if !scope.holds(field) {
                return None;
            }
            let mut parsed = MapLog::parse(content);
            if log == "config.log" && parsed.get(field.as_bytes()) == Some(value.as_bytes()) {
                return None;
            }
            parsed.set(field.as_bytes(), value.as_bytes(), now);
            Some(parsed.to_bytes())
        })
    }

    /// Records the number in `numcopies.log` or `mincopies.log`; never zero, which git-annex does not allow.
    pub fn record_number(&self, log: &str, number: u32, now: VectorClock) -> Result<Oid> {
        check(log, Kind::Single, &[])?;
        if number == 0 {
            return Err(Error::Refused("the number of copies cannot be set to 0".to_owned()));
        }
        self.record(&[log.into()], &|_, scope, content| {
            let mut parsed = SingleLog::parse(content);
            (!scope.secret && parsed.set(number, now)).then(|| parsed.to_bytes())
        })
    }

    /// Records, asking `edit` once for the branch, and once for what only this repository may know if there is any.
    fn record(&self, paths: &[Vec<u8>], edit: &ScopedEdit<'_>) -> Result<Oid> {
        let repo = self.annex.git()?;
        let private = private::uuids(&repo)?;
        let scope = |secret| Scope {
            private: &private,
            secret,
        };
        let writer = Writer::lock(self.annex, &repo)?;
        if tip(&repo)?.is_none() {
            merging::merge(&writer)?;
        }
        if !private.is_empty() {
            let reader = Reader::new(self.annex, &repo);
            for (at, path) in paths.iter().enumerate() {
                if let Some(content) = edit(at, &scope(true), &reader.read(path)?.unwrap_or_default()) {
                    private::write(self.annex, path, &content)?;
                }
            }
        }
        writer
            .record(paths, &|at, content| edit(at, &scope(false), content))
            .map(from_git)
    }
}

/// Of whom may be written: of private remotes in the private journal, of all others in the branch.
struct Scope<'p> {
    private: &'p BTreeSet<String>,
    secret: bool,
}

impl Scope<'_> {
    fn holds(&self, uuid: &str) -> bool {
        self.private.contains(uuid) == self.secret
    }
}

/// Makes the new content of the numbered file from the old one; none leaves it as it is.
type ScopedEdit<'e> = dyn Fn(usize, &Scope<'_>, &[u8]) -> Option<Vec<u8>> + 'e;

/// Nothing may be written that git-annex could not read back.
fn check(log: &str, kind: Kind, texts: &[&str]) -> Result<()> {
    if logs::kind(log.as_bytes()) != kind {
        return Err(Error::Refused(format!(
            "{log} is not a log that such a value is recorded in"
        )));
    }
    match texts.iter().find(|text| text.contains(['\n', '\r', '\0'])) {
        Some(text) => Err(Error::Refused(format!(
            "{text:?} cannot be recorded in {log}: it has more than one line"
        ))),
        None => Ok(()),
    }
}
