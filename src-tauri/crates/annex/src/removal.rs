//! Removes content from this repository.

use std::time::{Duration, Instant};

use model::Key;

use crate::copies::CopiesProof;
use crate::logs::{Presence, VectorClock};
use crate::store::ContentLock;
use crate::{Annex, Result};

/// How many contents are removed together, for which the index is written once. Each costs some open files, here and where its
/// copies are locked.
const TOGETHER: usize = 64;
/// How long the first of them waits for others at most: nobody can use it meanwhile.
const WAITS: Duration = Duration::from_secs(1);

/// What became of content that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone, and logged as missing.
    Removed,
    /// It was not here.
    Missing,
    /// Somebody relies on it, by a lock or by its retention; nothing was changed.
    Locked,
    /// Whoever wants it removed does not want it any more, or its proof has expired; nothing was logged.
    TooLate,
}

/// What became of content that was to be dropped. The outer error is of this repository, the inner one says why there is no proof.
pub type Dropped<E> = Result<std::result::Result<Removal, E>>;

/// Content that nobody can rely on any more, because it is about to be removed.
struct Doomed<'k> {
    key: &'k Key,
    lock: ContentLock,
    /// Proves that there are enough other copies; none if another program knows.
    proof: Option<CopiesProof>,
}

impl Annex {
    /// Removes the content of a key for another program, unless somebody relies on it. Unlocked files that have it become
    /// pointers first. Whether there are enough other copies is for that program to know, which is asked once more at the last
    /// moment.
    pub fn remove_content(&self, key: &Key, is_in_time: &dyn Fn() -> bool) -> Result<Removal> {
        let lock = match self.lock_to_remove(key)? {
            Ok(lock) => lock,
            Err(removal) => return Ok(removal),
        };
        let doomed = Doomed { key, lock, proof: None };
        let mut outcome = Ok(Removal::TooLate);
        self.remove_all(vec![doomed], &|_| is_in_time(), &mut |_, removal| outcome = removal)?;
        outcome
    }

    /// Removes the contents of keys, each unless somebody relies on it, if `prove` proves that there are enough other copies.
    /// It is called while nobody can rely on the one here. Unlocked files that have the content become pointers first. Tells
    /// of each key as soon as that is known.
    ///
    /// # Errors
    ///
    /// When it could not go on: the keys that nothing was told of may still be here.
    pub fn drop_contents<E>(
        &self,
        keys: &[Key],
        prove: &mut dyn FnMut(&Key) -> std::result::Result<CopiesProof, E>,
        told: &mut dyn FnMut(&Key, Dropped<E>),
    ) -> Result<()> {
        let is_in_time = |doomed: &Doomed<'_>| {
            let covers = |proof: &CopiesProof| proof.covers(doomed.key, self.uuid());
            doomed.proof.as_ref().is_some_and(covers)
        };
        let (mut together, mut began_at) = (Vec::new(), Instant::now());
        for key in keys {
            if together.is_empty() {
                began_at = Instant::now();
            }
            let lock = match self.lock_to_remove(key) {
                Ok(Ok(lock)) => lock,
                Ok(Err(removal)) => {
                    told(key, Ok(Ok(removal)));
                    continue;
                }
                Err(error) => {
                    told(key, Err(error));
                    continue;
                }
            };
            let proof = match prove(key) {
                Ok(proof) => proof,
                Err(why) => {
                    drop(lock);
                    told(key, Ok(Err(why)));
                    continue;
                }
            };
            let is_full = together.len() + 1 >= TOGETHER || began_at.elapsed() > WAITS;
            let is_last = is_full || proof.holds_connection();
            let proof = Some(proof);
            together.push(Doomed { key, lock, proof });
            if is_last {
                let together = std::mem::take(&mut together);
                self.remove_all(together, &is_in_time, &mut |key, removal| told(key, removal.map(Ok)))?;
            }
        }
        self.remove_all(together, &is_in_time, &mut |key, removal| told(key, removal.map(Ok)))
    }

    /// The exclusive lock on content that is to be removed, or why it cannot be removed.
    fn lock_to_remove(&self, key: &Key) -> Result<std::result::Result<ContentLock, Removal>> {
        let store = self.store();
        if store.find(key).is_none() {
            return Ok(Err(Removal::Missing));
        }
        Ok(match store.try_lock_content_exclusive(key)? {
            Some(lock) => Ok(lock),
            None => Err(match store.find(key) {
                Some(_) => Removal::Locked,
                None => Removal::Missing,
            }),
        })
    }

    /// Removes contents, and tells of each. An error that ends it leaves those that nothing was told of.
    fn remove_all(
        &self,
        all: Vec<Doomed<'_>>,
        is_in_time: &dyn Fn(&Doomed<'_>) -> bool,
        told: &mut dyn FnMut(&Key, Result<Removal>),
    ) -> Result<()> {
        let all = in_time(all, is_in_time, told);
        if all.is_empty() {
            return Ok(());
        }
        self.depopulate(&keys_of(&all))?;
        // In a large folder that takes a while.
        let mut gone = in_time(all, is_in_time, told);
        gone.retain(|doomed| match doomed.lock.remove_object() {
            Ok(()) => true,
            Err(error) => {
                told(doomed.key, Err(error));
                false
            }
        });
        // All were removed before the first is waited for, so that the disk is asked once.
        gone.retain(|doomed| match doomed.lock.sync_removal() {
            Ok(()) => true,
            Err(error) => {
                told(doomed.key, Err(error));
                false
            }
        });
        if gone.is_empty() {
            return Ok(());
        }
        let missing: Vec<_> = gone
            .iter()
            .map(|doomed| (doomed.key.clone(), self.uuid().clone(), Presence::Missing))
            .collect();
        self.branch().journal_presence(&missing, VectorClock::now())?;
        // An engine may have taken the first pointers for files whose content had come, and filled them. If they cannot become
        // pointers again, the files keep what they have.
        let _ = self.depopulate(&keys_of(&gone));
        let store = self.store();
        for Doomed { key, lock, proof } in gone {
            let tidied = lock.leave_no_object(&store);
            drop(proof);
            told(key, tidied.map(|()| Removal::Removed));
        }
        Ok(())
    }
}

fn keys_of<'k>(all: &[Doomed<'k>]) -> Vec<&'k Key> {
    all.iter().map(|doomed| doomed.key).collect()
}

/// Those that may still be removed; tells of the others.
fn in_time<'k>(
    all: Vec<Doomed<'k>>,
    is_in_time: &dyn Fn(&Doomed<'_>) -> bool,
    told: &mut dyn FnMut(&Key, Result<Removal>),
) -> Vec<Doomed<'k>> {
    let (in_time, late): (Vec<_>, Vec<_>) = all.into_iter().partition(|doomed| is_in_time(doomed));
    late.iter().for_each(|doomed| told(doomed.key, Ok(Removal::TooLate)));
    in_time
}
