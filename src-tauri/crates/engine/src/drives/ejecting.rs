//! Ejects a drive: brings it up to date, unmounts it, and switches it off if possible.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use contract::{Answer, Place};
use surroundings::{Ejected, NotEjected};
use tokio::sync::watch;

use super::Drives;
use super::standing::{self, Kept};
use super::survey;

/// How long to wait before retrying an unmount: our own work on the drive may still be ending.
const AGAIN: Duration = Duration::from_millis(300);
const TRIES: usize = 20;
/// The longest time to wait until an unmount is noticed.
const NOTICED: Duration = Duration::from_secs(2);

/// Marks a drive as being ejected, for as long as the mark lives.
struct Mark<'d> {
    drives: &'d Drives,
    id: String,
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.drives.shared().ejecting.remove(&self.id);
        self.drives.changed.send_replace(());
    }
}

impl Drives {
    /// Waits until nothing is left to do for a drive, then unmounts it. `kept` returns the state of the folders,
    /// `changed` announces changes of it. Ends early if the drive is to stay (see [`Drives::keep`]).
    pub(crate) async fn eject<K: Future<Output = Vec<Kept>>>(
        &self,
        id: &str,
        kept: impl Fn() -> K,
        mut changed: watch::Receiver<()>,
    ) -> Answer {
        let (stay, mut stays) = watch::channel(false);
        if self.shared().ejecting.contains_key(id) {
            return Answer::Refused("it is being ejected already".to_owned());
        }
        self.shared().ejecting.insert(id.to_owned(), stay);
        let _mark = Mark {
            drives: self,
            id: id.to_owned(),
        };
        self.changed.send_replace(());
        let (drive, missing) = loop {
            changed.borrow_and_update();
            let folders = kept().await;
            let (mounted, one) = match self.find(id, &folders) {
                Ok(found) => found,
                Err(error) => return Answer::Refused(error.to_string()),
            };
            let own = |kept: &&Kept| {
                one.drive
                    .points
                    .iter()
                    .any(|point| Path::new(&kept.folder.path).starts_with(point))
            };
            if let Some(kept) = folders.iter().find(own) {
                return Answer::Refused(format!(
                    "{} is on the drive itself, and Anabranch syncs it, so the drive is in use; nothing was changed. \
                     Stop syncing that folder first",
                    kept.folder.path
                ));
            }
            if *stays.borrow_and_update() {
                return kept_in();
            }
            let places = standing::places_on(&one, &mounted, &folders);
            if standing::left_to_do(&places).is_none() {
                let missing = missing(&places);
                break (one.drive, missing);
            }
            tokio::select! {
                _ = changed.changed() => {}
                _ = stays.wait_for(|stays| *stays) => return kept_in(),
            }
        };
        let mut ejected = self.around.eject(&drive).await;
        for _ in 1..TRIES {
            if ejected != Err(NotEjected::Busy) {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                _ = stays.wait_for(|stays| *stays) => return kept_in(),
            }
            ejected = self.around.eject(&drive).await;
        }
        if ejected.is_ok() {
            self.gone(&drive.device).await;
        }
        let name = survey::name_of(&drive);
        let point = drive
            .points
            .first()
            .map(|point| point.display().to_string())
            .unwrap_or_default();
        answer(&name, &point, ejected, &missing)
    }

    /// Waits until the drive is no longer listed, so that the answer agrees with what is shown.
    async fn gone(&self, device: &OsStr) {
        let mut around = self.around.clone();
        let gone = async {
            while around.current().iter().any(|drive| drive.device == device) {
                if around.changed().await.is_none() {
                    return;
                }
            }
        };
        // A timeout is no error: the drive is unmounted, but may have been mounted again just now.
        let _ = tokio::time::timeout(NOTICED, gone).await;
    }

    /// Cancels ejecting a drive, and tells whether the drive stays. If an unmount has begun, waits for its end.
    pub(crate) async fn keep(&self, id: &str, kept: &[Kept]) -> Answer {
        let ejecting = self.shared().ejecting.get(id).map(|stay| {
            stay.send_replace(true);
            stay.subscribe()
        });
        if let Some(mut ejecting) = ejecting {
            while ejecting.changed().await.is_ok() {}
        }
        // This is not an error: the click came late.
        Answer::Done(match self.find(id, kept) {
            Ok(_) => "the drive stays".to_owned(),
            Err(_) => "the drive is not mounted any more; plug it in again to use it".to_owned(),
        })
    }
}

fn kept_in() -> Answer {
    Answer::Refused("the drive stays, as you asked".to_owned())
}

/// Describes what is missing on the drive; empty if nothing is.
fn missing(places: &[(&Kept, &Place)]) -> String {
    let files: u64 = places.iter().map(|(_, place)| place.wants).sum();
    let lacks_commits = places.iter().any(|(_, place)| !place.has_commits);
    match (files, lacks_commits) {
        (0, false) => String::new(),
        (0, true) => " The last changes are not on it; Anabranch sends them when it is back.".to_owned(),
        (1, _) => " 1 file that belongs on it is not on it; Anabranch sends it when it is back.".to_owned(),
        (files, _) => format!(" {files} files that belong on it are not on it; Anabranch sends them when it is back."),
    }
}

fn answer(name: &str, point: &str, ejected: Result<Ejected, NotEjected>, missing: &str) -> Answer {
    let refused = |why: String| Answer::Refused(format!("{why} Nothing is lost.{missing}"));
    match ejected {
        Ok(Ejected::SwitchedOff) => Answer::Done(format!(
            "{name} is safe to unplug: it is unmounted and switched off.{missing}"
        )),
        Ok(Ejected::Unmounted) => Answer::Done(format!("{name} is safe to unplug: it is unmounted.{missing}")),
        Err(NotEjected::NoService) => refused(format!(
            "Nothing more is being written to {name}, but without UDisks2 Anabranch cannot unmount it. Eject it in \
             the file manager, or run: umount '{point}'."
        )),
        Err(NotEjected::Busy) => refused(format!(
            "{name} is still in use by another program, so Anabranch did not unmount it. Close the files that are \
             open on it and try again."
        )),
        Err(NotEjected::Slow) => refused(format!(
            "{name} is still writing. Leave it plugged in until it has finished, then try again."
        )),
        Err(NotEjected::Refused(why)) => refused(format!("{name} could not be unmounted: {why}.")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn keeping_a_drive_waits_until_its_unmount_has_ended() {
        let (_mounts, table) = watch::channel(Arc::from([]));
        let drives = Drives::watch(table, watch::channel(()).0);
        let late = || Answer::Done("the drive is not mounted any more; plug it in again to use it".to_owned());
        assert_eq!(drives.keep("STICK", &[]).await, late(), "nobody ejects it");

        let id = "STICK".to_owned();
        let (stay, stays) = watch::channel(false);
        drives.shared().ejecting.insert(id.clone(), stay);
        let unmounting = Mark { drives: &drives, id };
        let mut keeping = std::pin::pin!(drives.keep("STICK", &[]));
        tokio::select! {
            biased;
            said = &mut keeping => panic!("{said:?} while it is being unmounted"),
            () = std::future::ready(()) => assert!(*stays.borrow()),
        }
        drop(unmounting);
        assert_eq!(keeping.await, late());
    }

    #[test]
    fn every_answer_tells_whether_anything_is_lost_or_missing() {
        let said = |ejected, missing| {
            let answer = answer("STICK", "/media/me/STICK", ejected, missing);
            let is_done = matches!(answer, Answer::Done(_));
            let (Answer::Done(words) | Answer::Refused(words)) = answer else {
                panic!("{answer:?}")
            };
            (is_done, words)
        };
        let (done, words) = said(Ok(Ejected::SwitchedOff), "");
        assert!(done && words.contains("safe to unplug"), "{words}");
        let (done, words) = said(Ok(Ejected::Unmounted), " 2 files are not on it.");
        assert!(done && words.ends_with("2 files are not on it."), "{words}");
        for why in [
            NotEjected::NoService,
            NotEjected::Busy,
            NotEjected::Slow,
            NotEjected::Refused("no".to_owned()),
        ] {
            let (done, words) = said(Err(why), "");
            assert!(
                !done && words.contains("Nothing is lost") && words.contains("STICK"),
                "{words}"
            );
        }
        let (_, words) = said(Err(NotEjected::NoService), "");
        assert!(words.contains("umount '/media/me/STICK'"), "{words}");
    }
}
