use serde::{Deserialize, Serialize};

use crate::{Drive, Folder, Problem, Refused, Settings, Status};

/// A message to a watcher: first the whole status, then only the changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum News {
    /// The whole status.
    Whole(Status),
    /// The changes since the last message.
    Changed(Update),
}

/// The differences between two statuses.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Update {
    /// All folders, in order; none if unchanged.
    pub folders: Option<Vec<Entry>>,
    /// The folders that cannot be synced; none if unchanged.
    pub refused: Option<Vec<Refused>>,
    /// The drives; none if unchanged.
    pub drives: Option<Vec<Drive>>,
    /// The problems; none if unchanged.
    pub problems: Option<Vec<Problem>>,
    /// The settings; none if unchanged.
    pub settings: Option<Settings>,
}

/// A folder in an [`Update`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// Unchanged: the folder at this index of the previous list.
    Same(usize),
    /// A new or changed folder.
    New(Box<Folder>),
}

impl Update {
    /// The update that turns one status into another.
    #[must_use]
    pub fn between(before: &Status, after: &Status) -> Self {
        let entry = |folder: &Folder| match before.folders.iter().position(|one| one == folder) {
            Some(at) => Entry::Same(at),
            None => Entry::New(Box::new(folder.clone())),
        };
        let folders = || after.folders.iter().map(entry).collect();
        Self {
            folders: (before.folders != after.folders).then(folders),
            refused: (before.refused != after.refused).then(|| after.refused.clone()),
            drives: (before.drives != after.drives).then(|| after.drives.clone()),
            problems: (before.problems != after.problems).then(|| after.problems.clone()),
            settings: (before.settings != after.settings).then(|| after.settings.clone()),
        }
    }

    /// Applies the update, as the window does. `before` must be the status that it was computed from.
    #[cfg(test)]
    fn onto(self, before: &Status) -> Status {
        let folder = |entry| match entry {
            Entry::Same(at) => before.folders.get(at).cloned(),
            Entry::New(folder) => Some(*folder),
        };
        let folders = self.folders.map(|all| all.into_iter().filter_map(folder).collect());
        Status {
            folders: folders.unwrap_or_else(|| before.folders.clone()),
            refused: self.refused.unwrap_or_else(|| before.refused.clone()),
            drives: self.drives.unwrap_or_else(|| before.drives.clone()),
            problems: self.problems.unwrap_or_else(|| before.problems.clone()),
            settings: self.settings.unwrap_or_else(|| before.settings.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, any, proptest};

    use super::*;
    use crate::Standing;

    fn drive(id: u8) -> Drive {
        Drive {
            id: id.to_string(),
            name: String::new(),
            path: String::new(),
            file_system: String::new(),
            bytes: 0,
            free: 0,
            standing: Standing::New,
            notes: Vec::new(),
            can_eject: true,
        }
    }

    fn problem(what: u8) -> Problem {
        Problem {
            what: what.to_string(),
            lost: String::new(),
            next: String::new(),
            remedy: String::new(),
            action: None,
        }
    }

    fn refused(path: u8) -> Refused {
        Refused {
            path: path.to_string(),
            why: String::new(),
        }
    }

    /// Draws from so few values that two statuses often have something in common; the same folder may occur twice.
    fn status() -> impl Strategy<Value = Status> {
        let folder = (0..3_u8, 0..2_u64).prop_map(|(name, keys)| Folder {
            keys,
            ..Folder::at(format!("/{name}"))
        });
        let few = || vec(0..2_u8, 0..2);
        let others = (few(), few(), few(), any::<bool>());
        (vec(folder, 0..5), others).prop_map(|(folders, (refusals, drives, problems, notifications))| Status {
            folders,
            refused: refusals.into_iter().map(refused).collect(),
            drives: drives.into_iter().map(drive).collect(),
            problems: problems.into_iter().map(problem).collect(),
            settings: Settings {
                notifications,
                ..Settings::default()
            },
        })
    }

    proptest! {
        #[test]
        fn an_update_leads_to_the_other_status(before in status(), after in status()) {
            let sent = serde_json::to_string(&Update::between(&before, &after)).unwrap();
            let update: Update = serde_json::from_str(&sent).unwrap();
            assert_eq!(update.onto(&before), after);
        }

        #[test]
        fn only_changes_are_sent(before in status(), after in status()) {
            let update = Update::between(&before, &after);
            assert_eq!(update.refused.is_none(), before.refused == after.refused);
            assert_eq!(update.drives.is_none(), before.drives == after.drives);
            assert_eq!(update.problems.is_none(), before.problems == after.problems);
            assert_eq!(update.settings.is_none(), before.settings == after.settings);
            assert_eq!(update.folders.is_none(), before.folders == after.folders);
            for entry in update.folders.into_iter().flatten() {
                if let Entry::New(folder) = entry {
                    assert!(!before.folders.contains(&folder), "{folder:?} was there");
                }
            }
        }
    }
}
