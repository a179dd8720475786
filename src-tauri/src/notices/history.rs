//! What was told, and what comes out now: a pure function of status, history and clock.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Drive, Folder, Standing, State, Status};
use serde::{Deserialize, Serialize};

use super::{About, Notice, Said, Urgency, words};

/// Conflicts of a folder are told at most so often, in seconds.
const HOUR: u64 = 60 * 60;
/// After so long files that wait for a place are told of, and so often.
pub(super) const WEEK: u64 = 7 * 24 * HOUR;
/// Between two notices, unless the next is critical: nobody reads two at once.
pub(super) const BETWEEN: u64 = 5;
/// A drive that goes so soon after contents travelled was taken out while they did: what was cut off may be seen to
/// have ended before the drive is seen to be gone.
const CUT_OFF: u64 = 5;
/// What a server refused is brought to it again after so long: some take only so many in a while.
const AGAIN: u64 = 60;
/// The drives that are there when the program starts are seen within so long; one that comes later was not there.
const START: u64 = 30;

/// What was told and seen before. Written down but for what only this process can know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct History {
    #[serde(with = "pairs")]
    told: BTreeMap<About, Told>,
    /// Folders, by uuid, that had something to exchange: for them it is news to be up to date.
    lacked: BTreeSet<String>,
    /// Since when places lack what they want: the folder's path, the place's name.
    #[serde(with = "pairs")]
    lacks_since: BTreeMap<(String, String), u64>,
    /// Since when files of folders, by their paths, have too few copies.
    few_since: BTreeMap<String, u64>,
    /// What is on the screen.
    #[serde(skip)]
    shown: BTreeMap<About, Notice>,
    /// When the server last refused what it was to show.
    #[serde(skip)]
    refused_at: BTreeMap<About, u64>,
    #[serde(skip)]
    last_at: Option<u64>,
    /// When this process first saw anything.
    #[serde(skip)]
    began_at: Option<u64>,
    /// When contents were last seen to travel to or from a drive, by its id.
    #[serde(skip)]
    moved_at: BTreeMap<String, u64>,
    /// The names of the drives that were pulled out, by their ids.
    #[serde(skip)]
    pulled_out: BTreeMap<String, String>,
    #[serde(skip)]
    said: BTreeMap<u64, Said>,
    #[serde(skip)]
    said_ever: u64,
}

/// When something was told, and of how many things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    at: u64,
    count: u64,
}

/// What to do now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// What is not true any more.
    pub(super) withdraw: Vec<About>,
    /// What comes out, in the place of what was shown of the same.
    pub(super) show: Option<Notice>,
    /// When to ask again though nothing has changed.
    pub(super) again_at: Option<u64>,
}

impl History {
    /// Takes what changed from one status to the next.
    pub(super) fn observe(&mut self, before: &Status, now: &Status, at: u64) {
        self.live_with_clock(at);
        for drive in &before.drives {
            if now.drives.iter().all(|other| other.id != drive.id) {
                self.is_gone(drive, before, at);
            }
        }
        let began_at = *self.began_at.get_or_insert(at);
        for drive in &now.drives {
            let has_come = before.drives.iter().all(|other| other.id != drive.id);
            // It may have been taken out while the program did not run.
            if has_come && at >= began_at + START {
                self.told.remove(&About::UpToDate(drive.id.clone()));
            }
            self.pulled_out.remove(&drive.id);
            self.told.remove(&About::PulledOut(drive.id.clone()));
            // It has moved until now also if it does no longer.
            if is_moving(before, drive) || is_moving(now, drive) {
                self.moved_at.insert(drive.id.clone(), at);
            }
        }
        // A folder that has not been looked at yet says nothing about what is still true.
        for folder in now.folders.iter().filter(|folder| folder.has_looked) {
            self.observe_folder(folder, at);
        }
    }

    /// A clock that was put back must not make anything wait until it is where it was.
    fn live_with_clock(&mut self, at: u64) {
        let told = self.told.values_mut().map(|told| &mut told.at);
        let times = told.chain(self.lacks_since.values_mut());
        let times = times.chain(self.few_since.values_mut());
        let times = times.chain(self.moved_at.values_mut()).chain(&mut self.last_at);
        let times = times.chain(self.refused_at.values_mut()).chain(&mut self.began_at);
        times.for_each(|time| *time = at.min(*time));
    }

    fn is_gone(&mut self, drive: &Drive, before: &Status, at: u64) {
        self.told.remove(&About::UpToDate(drive.id.clone()));
        let moved_at = self.moved_at.remove(&drive.id);
        let Standing::InUse { up_to_date, .. } = drive.standing else {
            return;
        };
        let was_cut_off = moved_at.is_some_and(|moved_at| at <= moved_at + CUT_OFF) && !up_to_date;
        if was_cut_off || is_moving(before, drive) {
            self.pulled_out.insert(drive.id.clone(), drive.name.clone());
        }
    }

    fn observe_folder(&mut self, folder: &Folder, at: u64) {
        let lacks = |name: &str| folder.places.iter().any(|place| place.name == *name && place.wants > 0);
        let is_busy = folder.state == State::Working || !folder.transfers.is_empty();
        let is_over = |about: &About| match about {
            About::Question(path) => *path == folder.path && folder.question.is_none(),
            // Being tried again is not yet room.
            About::Full(path, disk) if disk == path => *path == folder.path && !is_busy && !folder.full.contains(disk),
            About::Full(path, place) => *path == folder.path && !lacks(place),
            About::Damage(_)
            | About::Answer(_)
            | About::NewDrive(_)
            | About::PulledOut(_)
            | About::Conflicts(_)
            | About::Overdue(..)
            | About::FewCopies(_)
            | About::UpToDate(_)
            | About::InStep(_) => false,
        };
        self.told.retain(|about, _| !is_over(about));
        // What is fewer now was made good, or is counted from a new start of the program.
        let counted = [
            (About::Conflicts(folder.path.clone()), folder.conflicts),
            (About::Damage(folder.path.clone()), folder.damaged),
        ];
        for (about, count) in counted {
            self.told
                .entry(about)
                .and_modify(|told| told.count = told.count.min(count));
        }
        if !folder.transfers.is_empty() || folder.places.iter().any(|place| place.wants > 0) {
            self.lacked.insert(folder.uuid.clone());
        }
        match folder.few_copies {
            0 => drop(self.few_since.remove(&folder.path)),
            _ => _ = self.few_since.entry(folder.path.clone()).or_insert(at),
        }
        self.lacks_since
            .retain(|(path, name), _| *path != folder.path || lacks(name));
        for place in folder.places.iter().filter(|place| place.wants > 0) {
            let which = (folder.path.clone(), place.name.clone());
            self.lacks_since.entry(which).or_insert(at);
        }
    }

    /// Takes something that the user is to be told because he asked for it.
    pub(super) fn say(&mut self, said: Said) {
        self.said.insert(self.said_ever, said);
        self.said_ever += 1;
    }

    /// A notification was closed, by whomever.
    pub(super) fn is_closed(&mut self, about: &About) {
        self.shown.remove(about);
        if let About::Answer(number) = about {
            self.said.remove(number);
        }
    }

    /// The server would not show something; true if it would before. It does not count as told, and is tried again.
    pub(super) fn is_refused(&mut self, about: About, at: u64) -> bool {
        self.last_at = Some(at);
        self.refused_at.insert(about, at).is_none()
    }

    /// Another server may take what one refused.
    pub(super) fn forget_refusals(&mut self) {
        self.refused_at.clear();
    }

    /// The notification server ended, and what it showed with it: danger is to be told again.
    pub(super) fn is_deserted(&mut self) {
        self.said.clear();
        let shown = std::mem::take(&mut self.shown);
        let is_critical = |about: &About| {
            let notice = shown.get(about);
            notice.is_some_and(|notice| notice.urgency == Urgency::Critical)
        };
        self.told.retain(|about, _| !is_critical(about));
    }

    /// The notice that is shown of something.
    pub(super) fn shown(&self, about: &About) -> Option<&Notice> {
        self.shown.get(about)
    }

    /// What to do now, and the history when it is done. At most one notice comes out.
    pub(super) fn next(&self, status: &Status, at: u64) -> (Step, Self) {
        let mut next = self.clone();
        let mut step = Step::default();
        let wants_all = status.settings.notifications;
        let all = words::of(self, status, at);
        let (wanted, unwanted): (Vec<Notice>, Vec<Notice>) =
            all.into_iter().partition(|notice| wants_all || is_essential(notice));
        // Good news that nobody wanted to hear is old when notifications are wanted again.
        for notice in unwanted.iter().filter(|notice| notice.urgency == Urgency::Low) {
            next.told.entry(notice.about.clone()).or_insert(Told { at, count: 1 });
        }
        let is_true = |about: &About| wanted.iter().any(|notice| notice.about == *about);
        step.withdraw = self.shown.keys().filter(|about| !is_true(about)).cloned().collect();
        step.withdraw.iter().for_each(|about| next.is_closed(about));
        next.refused_at.retain(|about, _| is_true(about));
        let mut later: Vec<u64> = Vec::new();
        let free_at = self.last_at.map_or(0, |last_at| last_at + BETWEEN);
        for notice in &wanted {
            if !self.is_due(notice, at) {
                continue;
            }
            let can_wait = notice.urgency != Urgency::Critical || self.shown.contains_key(&notice.about);
            let refused_at = self.refused_at.get(&notice.about);
            let refused_until = refused_at.map_or(0, |refused_at| refused_at + AGAIN);
            if at < refused_until {
                later.push(refused_until);
            } else if step.show.is_some() {
                later.push(at + BETWEEN);
            } else if can_wait && at < free_at {
                later.push(free_at);
            } else {
                let count = notice.count;
                next.told.insert(notice.about.clone(), Told { at, count });
                next.shown.insert(notice.about.clone(), notice.clone());
                next.refused_at.remove(&notice.about);
                next.last_at = Some(at);
                step.show = Some(notice.clone());
            }
        }
        later.extend(wanted.iter().filter_map(|notice| next.due_later(notice, at)));
        let late = self.lacks_since.values().chain(self.few_since.values());
        let overdue = late.map(|since| since.saturating_add(WEEK));
        later.extend(overdue.filter(|due| *due > at));
        step.again_at = later.into_iter().min();
        (step, next)
    }

    fn is_due(&self, notice: &Notice, at: u64) -> bool {
        let Some(told) = self.told.get(&notice.about) else {
            return true;
        };
        match notice.about {
            About::Conflicts(_) => notice.count > told.count && at >= told.at.saturating_add(HOUR),
            About::Damage(_) => notice.count > told.count,
            About::Overdue(..) | About::FewCopies(_) => at >= told.at.saturating_add(WEEK),
            // It is asked about more files than before.
            About::Question(_) => self.shown(&notice.about).is_some_and(|shown| shown.body != notice.body),
            About::Answer(_)
            | About::NewDrive(_)
            | About::PulledOut(_)
            | About::Full(..)
            | About::UpToDate(_)
            | About::InStep(_) => false,
        }
    }

    /// When something that was told will be told again, if nothing changes.
    fn due_later(&self, notice: &Notice, at: u64) -> Option<u64> {
        let told = self.told.get(&notice.about)?;
        let due = match notice.about {
            About::Conflicts(_) if notice.count > told.count => told.at.saturating_add(HOUR),
            About::Overdue(..) | About::FewCopies(_) => told.at.saturating_add(WEEK),
            About::Conflicts(_)
            | About::Damage(_)
            | About::Question(_)
            | About::Answer(_)
            | About::NewDrive(_)
            | About::PulledOut(_)
            | About::Full(..)
            | About::UpToDate(_)
            | About::InStep(_) => return None,
        };
        (due > at).then_some(due)
    }

    pub(super) fn said(&self) -> impl Iterator<Item = (u64, &Said)> {
        self.said.iter().map(|(number, said)| (*number, said))
    }

    pub(super) fn pulled_out(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pulled_out.iter().map(|(id, name)| (id.as_str(), name.as_str()))
    }

    pub(super) fn conflicts_told(&self, folder: &Folder) -> u64 {
        let told = self.told.get(&About::Conflicts(folder.path.clone()));
        told.map_or(0, |told| told.count)
    }

    pub(super) fn has_lacked(&self, folder: &Folder) -> bool {
        self.lacked.contains(&folder.uuid)
    }

    pub(super) fn lacks_since(&self, folder: &Folder, place: &str) -> Option<u64> {
        let which = (folder.path.clone(), place.to_owned());
        self.lacks_since.get(&which).copied()
    }

    pub(super) fn few_since(&self, folder: &Folder) -> Option<u64> {
        self.few_since.get(&folder.path).copied()
    }

    /// What is worth writing down: two histories that are the same in this are the same to a new start.
    pub(super) fn lasting(&self) -> Self {
        let is_lasting = |about: &About| !matches!(about, About::Answer(_) | About::PulledOut(_) | About::Question(_));
        let told = self.told.iter().filter(|(about, _)| is_lasting(about));
        Self {
            told: told.map(|(about, told)| (about.clone(), *told)).collect(),
            lacked: self.lacked.clone(),
            lacks_since: self.lacks_since.clone(),
            few_since: self.few_since.clone(),
            ..Self::default()
        }
    }
}

/// Whether it is shown to those who want no notifications: danger, and what they asked for themselves.
fn is_essential(notice: &Notice) -> bool {
    notice.urgency == Urgency::Critical || matches!(notice.about, About::Answer(_))
}

/// Whether contents travel to or from a drive.
pub(super) fn is_moving(status: &Status, drive: &Drive) -> bool {
    let Standing::InUse { places, .. } = &drive.standing else {
        return false;
    };
    places.iter().any(|on| {
        let mut folders = status.folders.iter().filter(|folder| folder.path == on.folder);
        folders.any(|folder| folder.transfers.iter().any(|transfer| transfer.place == on.place))
    })
}

/// A map whose keys are no text, as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::de::IgnoredAny;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Another version of the program may have written what this one does not know.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Pair<K, V> {
        Known(K, V),
        Unknown(IgnoredAny),
    }

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub(super) fn deserialize<'a, K, V, D>(from: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'a> + Ord,
        V: Deserialize<'a>,
        D: Deserializer<'a>,
    {
        let known = |pair| match pair {
            Pair::Known(key, value) => Some((key, value)),
            Pair::Unknown(IgnoredAny) => None,
        };
        let pairs = Vec::<Pair<K, V>>::deserialize(from)?;
        Ok(pairs.into_iter().filter_map(known).collect())
    }
}

#[cfg(test)]
pub(super) mod tests;
