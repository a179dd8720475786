//! `notifychanges`: tells a client when refs have moved, and whether the files have all that was pushed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use annex::Annex;
use model::Oid;
use p2p::{Behind, MERGES, News};
use surroundings::{Watch, WatchScope, WatchedPlace};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::command::Command;
use crate::directory::open;
use crate::error::Result;
use crate::git::merge;

/// When to merge again while the files wait, at first and at last: a file that is no longer in the way moves nothing in the git
/// directory, and a lock may be gone before anybody looks.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(30);

/// Tells that it is ready, then the objects that refs lead to now, as often as any move, the first time all; until the client
/// closes its end. A client that asks for it ([`MERGES`]) is also told why the files wait, and when they do not any more.
pub(crate) fn serve(place: &Path, command: &Command) -> Result<u8> {
    let annex = open(place, command)?;
    let tells_merges = command.has_field(MERGES);
    engine::runtime()?.block_on(tell(&annex, tells_merges))
}

async fn tell(annex: &Annex, tells_merges: bool) -> Result<u8> {
    let git_dir = annex.git_dir();
    let at = |path, scope| WatchedPlace { path, scope };
    let places = [
        at(git_dir.to_owned(), WatchScope::Alone),
        at(git_dir.join("refs"), WatchScope::All),
    ];
    let (_watch, mut changes) = Watch::new(places)?;
    let mut closed = end_of_input();
    say(&News::Ready)?;
    let mut known = Refs::new();
    let mut files = Files::default();
    // Where clients may run everything, git takes pushes by itself and calls nobody afterwards. The loop does not wait for the
    // merge: it reports the refs that move by it.
    let mut merging: JoinSet<Attempt> = JoinSet::new();
    loop {
        let now = refs(annex)?;
        let moved = now.iter().filter(|(name, id)| known.get(*name) != Some(*id));
        let moved: Vec<Oid> = moved.map(|(_, id)| *id).collect();
        if merging.is_empty() && files.are_due(&now, &Index::of(annex), Instant::now()) {
            let (annex, refs) = (annex.clone(), now.clone());
            merging.spawn_blocking(move || Attempt {
                behind: merge(&annex),
                refs,
                // The attempt itself may have touched it.
                index: Index::of(&annex),
            });
        }
        if !moved.is_empty() {
            say(&News::Changed(moved))?;
        }
        known = now;
        tokio::select! {
            change = changes.next() => if change.is_none() {
                return Ok(1);
            },
            Some(Ok(attempt)) = merging.join_next(), if !merging.is_empty() => {
                let news = files.tried(attempt, Instant::now());
                if let Some(news) = news.filter(|_| tells_merges) {
                    say(&news)?;
                }
            }
            () = sleep_until(files.again_at), if merging.is_empty() && files.wait() => {}
            _ = &mut closed => return Ok(0),
        }
    }
}

/// All refs, and where they lead.
type Refs = BTreeMap<Vec<u8>, Oid>;

fn refs(annex: &Annex) -> Result<Refs> {
    let all = annex.all_refs()?.into_iter();
    let leads = |(name, id): (Vec<u8>, Vec<u8>)| Some((name, Oid(id.try_into().ok()?)));
    // What is checked out is the name of a branch, and no object.
    Ok(all.filter(|(name, _)| name != b"HEAD").filter_map(leads).collect())
}

/// What can be seen of the index, and whether a git command holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Index {
    file: Option<(u64, u64, SystemTime)>,
    is_locked: bool,
}

impl Index {
    fn of(annex: &Annex) -> Self {
        let path = annex.git_dir().join("index");
        let seen = |found: fs::Metadata| Some((found.ino(), found.size(), found.modified().ok()?));
        Self {
            file: fs::metadata(&path).ok().and_then(seen),
            is_locked: path.with_extension("lock").exists(),
        }
    }
}

/// A merge, and what was there when it was tried.
struct Attempt {
    behind: Option<Behind>,
    refs: Refs,
    index: Index,
}

/// Whether the files have all that was pushed.
struct Files {
    tried: Option<Attempt>,
    again_at: Instant,
    pause: Duration,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            tried: None,
            again_at: Instant::now(),
            pause: SOON,
        }
    }
}

impl Files {
    /// True if something was pushed since the last attempt; or if the files wait, and what they wait for may be over.
    fn are_due(&self, refs: &Refs, index: &Index, now: Instant) -> bool {
        let before = |name: &[u8]| self.tried.as_ref()?.refs.get(name);
        let is_new = |(name, id): (&Vec<u8>, &Oid)| name.starts_with(b"refs/heads/synced/") && before(name) != Some(id);
        let is_over = |tried: &Attempt| tried.refs != *refs || tried.index != *index || self.again_at <= now;
        refs.iter().any(is_new) || self.wait() && self.tried.as_ref().is_some_and(is_over)
    }

    fn wait(&self) -> bool {
        self.behind().is_some()
    }

    fn behind(&self) -> Option<&Behind> {
        self.tried.as_ref()?.behind.as_ref()
    }

    /// Takes note of an attempt; returns what is new about the files.
    fn tried(&mut self, attempt: Attempt, now: Instant) -> Option<News> {
        let is_news = self.behind() != attempt.behind.as_ref();
        let news = is_news.then(|| News::Merged(attempt.behind.clone()));
        self.tried = Some(attempt);
        self.pause = match is_news {
            true => SOON,
            false => LATER.min(self.pause * 2),
        };
        self.again_at = now + self.pause;
        news
    }
}

fn say(news: &News) -> Result<()> {
    let mut out = std::io::stdout();
    out.write_all(news.line().as_bytes())?;
    Ok(out.flush()?)
}

/// Ready when the client has closed its end.
fn end_of_input() -> oneshot::Receiver<()> {
    let (end, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while std::io::stdin().read(&mut buffer).is_ok_and(|length| length > 0) {}
        // Nobody waits any more if the program is about to end.
        let _ = end.send(());
    });
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refs(all: &[(&str, u8)]) -> Refs {
        let all = all.iter();
        all.map(|(name, id)| (name.as_bytes().to_vec(), Oid([*id; 20])))
            .collect()
    }

    fn attempt(behind: Option<&str>, refs: &Refs) -> Attempt {
        Attempt {
            behind: behind.map(Behind::new),
            refs: refs.clone(),
            index: Index::default(),
        }
    }

    #[test]
    fn files_are_tried_again_when_what_they_wait_for_may_be_over() {
        let (now, index) = (Instant::now(), Index::default());
        let mut files = Files::default();
        let before = refs(&[("refs/heads/main", 1)]);
        assert!(!files.are_due(&before, &index, now), "nothing was pushed");
        let pushed = refs(&[("refs/heads/main", 1), ("refs/heads/synced/main", 2)]);
        assert!(files.are_due(&pushed, &index, now));

        let held = files.tried(attempt(Some("a file is in the way"), &pushed), now);
        assert_eq!(held, Some(News::Merged(Some(Behind::new("a file is in the way")))));
        assert!(!files.are_due(&pushed, &index, now), "nothing has changed");
        assert!(files.are_due(&pushed, &index, now + SOON));
        let held_by_git = Index {
            is_locked: true,
            ..Index::default()
        };
        assert!(files.are_due(&pushed, &held_by_git, now));
        let committed = refs(&[("refs/heads/main", 3), ("refs/heads/synced/main", 2)]);
        assert!(files.are_due(&committed, &index, now));
        assert_eq!(
            files.tried(attempt(Some("a file is in the way"), &committed), now),
            None,
            "it was told"
        );
        assert!(!files.are_due(&committed, &index, now + SOON), "less often");
        assert!(files.are_due(&committed, &index, now + LATER));

        let merged = refs(&[("refs/heads/main", 2)]);
        assert!(files.are_due(&merged, &index, now), "somebody else merged it");
        assert_eq!(files.tried(attempt(None, &merged), now), Some(News::Merged(None)));
        assert!(!files.are_due(&merged, &held_by_git, now + LATER), "nothing waits");
    }
}
