//! `notifychanges`: tells a client when refs have moved.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use annex::Annex;
use surroundings::{Watch, WatchScope, WatchedPlace};
use tokio::sync::oneshot;

use crate::command::Command;
use crate::directory::open;
use crate::error::Result;
use crate::git::{follow_up, merge};

/// Prints `READY`, then `CHANGED` with the objects that refs lead to now, as often as any do, the first time all; until the
/// client closes its end.
pub(crate) fn serve(place: &Path, command: &Command) -> Result<u8> {
    let annex = open(place, command)?;
    engine::runtime()?.block_on(tell(&annex))
}

async fn tell(annex: &Annex) -> Result<u8> {
    let git_dir = annex.git_dir();
    let at = |path, scope| WatchedPlace { path, scope };
    let places = [
        at(git_dir.to_owned(), WatchScope::Alone),
        at(git_dir.join("refs"), WatchScope::All),
    ];
    let (_watch, mut changes) = Watch::new(places)?;
    let mut closed = end_of_input();
    say("READY\n")?;
    let mut known = BTreeMap::new();
    loop {
        let now: BTreeMap<_, _> = annex
            .all_refs()?
            .into_iter()
            .filter(|(name, _)| name != b"HEAD")
            .collect();
        let moved = now
            .iter()
            .filter(|(name, id)| !id.is_empty() && known.get(*name) != Some(*id));
        let moved: Vec<String> = moved.map(|(_, id)| hex(id)).collect();
        let is_for_merging = |name: &Vec<u8>| name.starts_with(b"refs/heads/synced/");
        if now
            .iter()
            .any(|(name, id)| is_for_merging(name) && known.get(name) != Some(id))
        {
            let annex = annex.clone();
            // Where clients may run everything, git takes pushes by itself and calls nobody afterwards. The loop does not wait
            // for the merge: it reports the refs that move by it.
            tokio::task::spawn_blocking(move || follow_up(merge(&annex)));
        }
        if !moved.is_empty() {
            say(&format!("CHANGED {}\n", moved.join(" ")))?;
        }
        known = now;
        tokio::select! {
            change = changes.next() => if change.is_none() {
                return Ok(1);
            },
            _ = &mut closed => return Ok(0),
        }
    }
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    out.write_all(line.as_bytes())?;
    Ok(out.flush()?)
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
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
