//! Content to and from another computer, by git-annex's P2P protocol.

mod offering;
mod putting;
mod receiving;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annex::copies::Confirmed;
use annex::exchange::content::{Arrivals, CopyOutcome, Terms, Wanted, is_intact};
use annex::exchange::in_one_line;
use annex::serving::Sending;
use annex::settings::Settings;
use annex::{Annex, Error, Reached, Store};
use model::{Key, Uuid};
use p2p::Answer;

use self::offering::Offering;
use self::putting::Senders;
use self::receiving::Receiving;
use super::session::{Ended, Session};
use super::sessions::Use;
use super::{Connection, NEVER, Ssh};
use crate::{Contents, Failed, Travel};

/// How much content is sent between two looks at the limits and at whether it was cancelled, in bytes.
const PART: usize = 256 << 10;

/// Said of a server that does not keep to the protocol.
const WRONG: &str = "the other computer sent a wrong answer";
/// Said of a server that has a longer part of content than all of it.
const TOO_MUCH: &str = "the other computer has more of it than there is. 'git annex fsck' there may tell why";
/// Said of content that may not travel.
const INSECURE: &str = "annex.securehashesonly forbids keys of its backend; nothing was transferred";

impl Ssh {
    pub(super) fn session(&self, here: &Uuid, purpose: Use, cancelled: &AtomicBool) -> Result<Session, Ended> {
        let parameters = [here.as_str(), "--uuid", self.uuid.as_str()];
        let line = self.shell.line("p2pstdio", &self.address.path, &parameters);
        let connection = &self.connection;
        if let Some(session) = connection.take_idle(&line) {
            return Ok(session);
        }
        let open = || {
            let permit = connection.permit(purpose, cancelled).ok_or(Ended::Cancelled)?;
            Session::open(connection.session(&line), line.clone(), &self.uuid, permit, cancelled)
        };
        connection.with_few_sessions(open, |opened| match opened {
            Err(Ended::Broken(why)) => Some(why),
            Ok(_) | Err(Ended::Cancelled) => None,
        })
    }
}

impl Contents for Ssh {
    fn store(&self, from: &Annex, travel: &Travel<'_>) -> Vec<(Key, CopyOutcome)> {
        let secure_only = match Settings::read(from, travel.config) {
            Ok(settings) => settings.securehashesonly,
            Err(error) => return all_failed(travel.wanted, &error.to_string()),
        };
        match self.has.offers {
            true => Offering::new(self, from, travel, secure_only).all(),
            false => Senders::new(self, from, travel, secure_only).all(),
        }
    }

    fn retrieve(&self, into: &Annex, travel: &Travel<'_>) -> Vec<(Key, CopyOutcome)> {
        let settings = match Settings::read(into, travel.config) {
            Ok(settings) => settings,
            Err(error) => return all_failed(travel.wanted, &error.to_string()),
        };
        let terms = Terms {
            reserve: settings.diskreserve,
            verify: true,
            secure_hashes_only: settings.securehashesonly,
        };
        let store = into.store();
        let mut arrivals = Arrivals::new(&store, &self.uuid, terms);
        match arrivals.wait_for_turn(travel.wanted.len(), travel.cancelled) {
            Ok(true) => {}
            Ok(false) => {
                let outcome = |one: &Wanted| (one.key.clone(), CopyOutcome::Cancelled);
                return travel.wanted.iter().map(outcome).collect();
            }
            Err(error) => return all_failed(travel.wanted, &error.to_string()),
        }
        let receiving = Receiving {
            ssh: self,
            arrivals,
            travel,
            outcomes: Vec::new(),
        };
        receiving.all(into.uuid())
    }

    fn has_room(&self, _: u64, _: &BTreeMap<String, String>) -> bool {
        // The server checks that, and refuses.
        true
    }

    fn confirm(&self, here: &Annex, key: &Key, cancelled: &AtomicBool) -> Result<Option<Confirmed>, Failed> {
        let asked = || {
            let mut session = self.session(here.uuid(), Use::Content, cancelled)?;
            session.client().lock(key);
            let answer = session.next(cancelled)?;
            Ok((session, answer))
        };
        let (session, answer) = asked().map_err(|ended| match ended {
            Ended::Broken(why) => Failed::Broken(why),
            Ended::Cancelled => Failed::Away,
        })?;
        if let Answer::Refused(why) = answer {
            return Err(Failed::Refused(refused(&why)));
        }
        let Answer::Done(is_locked) = answer else {
            return Err(Failed::Broken(WRONG.to_owned()));
        };
        if !is_locked {
            self.connection.keep_idle(session);
            return Ok(None);
        }
        Ok(Some(Confirmed::Kept(Box::new(Lock {
            connection: Arc::clone(&self.connection),
            session: Some(session),
        }))))
    }

    fn set_aside(&self, _: &Key) -> Result<(), Failed> {
        Err(Failed::Refused(format!(
            "it is on another computer. Run 'git annex fsck' in {} there",
            self.address.path
        )))
    }

    fn is_there(&self) -> bool {
        self.connection.is_alive()
    }
}

/// Content that is locked on the other computer. Should the connection break, it stays there for some minutes all the same.
struct Lock {
    connection: Arc<Connection>,
    session: Option<Session>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(mut session) = self.session.take() {
            session.client().unlock();
            if session.flush(&NEVER).is_ok() {
                self.connection.keep_idle(session);
            }
        }
    }
}

fn all_failed(wanted: &[Wanted], why: &str) -> Vec<(Key, CopyOutcome)> {
    wanted.iter().map(|one| (one.key.clone(), failed(why))).collect()
}

fn failed(why: &str) -> CopyOutcome {
    CopyOutcome::Failed(Error::Refused(why.to_owned()))
}

impl Ended {
    /// What it means for a content that was not transferred.
    fn outcome(&self) -> CopyOutcome {
        match self {
            Self::Cancelled => CopyOutcome::Cancelled,
            Self::Broken(why) => failed(why),
        }
    }
}

fn file_of(wanted: &Wanted) -> Vec<u8> {
    wanted
        .path
        .as_ref()
        .map(|path| path.as_bytes().to_vec())
        .unwrap_or_default()
}

/// Sends content from `offset` on, after it was announced.
fn copy(content: &Sending, session: &mut Session, key: &Key, offset: u64, travel: &Travel<'_>) -> Result<(), Ended> {
    session.flush(travel.cancelled)?;
    let (size, mut there) = (content.size(), offset);
    let mut block = vec![0; PART.min(usize::try_from(size - offset).unwrap_or(PART))];
    while there < size {
        let most = usize::try_from(size - there).map_or(block.len(), |left| left.min(block.len()));
        let length = content.read_at(there, &mut block[..most]).unwrap_or(0);
        if length == 0 {
            // It was shortened meanwhile, or cannot be read. The server waits for bytes that do not exist.
            return Err(Ended::Broken(format!("the content of {key} changed while it was sent")));
        }
        session.send(&block[..length], travel.cancelled)?;
        there += length as u64;
        content.report(there);
        let moved = length as u64;
        (travel.progress)(key, Reached { there, moved });
        if travel.cancelled.load(Ordering::Relaxed) {
            return Err(Ended::Cancelled);
        }
    }
    Ok(())
}

fn refused(why: &str) -> String {
    let why = in_one_line(why);
    format!("the other computer refused: {why}")
}

/// Why the server did not keep what was sent: it was wrong here already, or for a reason of its own.
fn not_stored(store: &Store<'_>, key: &Key) -> CopyOutcome {
    match is_intact(store, key) {
        Some(false) => CopyOutcome::Corrupt,
        Some(true) | None => failed(
            "the other computer could not store it. Its disk may be full, or it may be receiving it from elsewhere",
        ),
    }
}
