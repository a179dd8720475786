//! `p2pstdio`: one connection with a client, over standard input and output.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use annex::SMALL;
use annex::exchange::content::Wanted;
use model::Uuid;
use p2p::{Ending, Server, Step};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::access::Access;
use crate::command::{Command, text};
use crate::contents::{Contents, path, unstored};
use crate::directory::open;
use crate::error::{Error, Result};
use crate::git;

/// How much is read at a time.
const BLOCK: usize = 256 << 10;

/// Content up to this size is sent together with what follows.
const WHOLE: u64 = 64 << 10;

/// How long what has arrived may wait to be shown in the work tree while more arrives.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a client may be silent while it sends content. After that its connection is taken for dead, which nobody else
/// would tell us. What has arrived is kept for its next connection.
const SILENCE: Duration = Duration::from_secs(60);

/// Serves a client until it closes the connection.
pub(crate) fn serve(access: &Access, place: &Path, command: &Command) -> Result<u8> {
    let [client] = &command.parameters[..] else {
        return Err(Error::Refused("p2pstdio needs the uuid of the client".to_owned()));
    };
    let client = text(client);
    let client = Uuid::parse(&client).ok_or_else(|| Error::Refused(format!("{client:?} is not a uuid")))?;
    let annex = open(place, command)?;
    if !access.is_read_only() {
        // git may have taken pushes without this program. If a file here is in the way, its owner has to deal with it. A client
        // that wants to know asks.
        let _ = git::merge(&annex);
    }
    let store = annex.store();
    let mut contents = Contents::new(&annex, &store, &client)?;
    let mut server = Server::new(annex.uuid(), access.of_protocol());
    let ended = converse(&mut server, &mut contents);
    // Of what came before a connection broke, the client cannot be told any more.
    contents.stored();
    contents.settle();
    match ended? {
        Ending::ByClient => Ok(0),
        Ending::Cut => Ok(1),
        Ending::Connect | Ending::NotifyChange => Err(Error::Refused(
            "over ssh, git and notifications have connections of their own".to_owned(),
        )),
        Ending::TooMuch => Err(Error::Refused(
            "the client sent a line that is too long, or offered too much".to_owned(),
        )),
    }
}

fn converse(server: &mut Server, contents: &mut Contents<'_>) -> Result<Ending> {
    let stdin = io::stdin();
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut block = vec![0; BLOCK];
    loop {
        while let Some(step) = server.next_step() {
            if let Some(ending) = act(server, contents, step, &mut out)? {
                out.write_all(&server.take_output())?;
                return Ok(ending);
            }
            if server.output_size() >= BLOCK {
                out.write_all(&server.take_output())?;
            }
        }
        out.write_all(&server.take_output())?;
        // The client waits once nothing more is wanted. If it falls silent before, nothing that arrived is held back, nor
        // are the locks for it kept.
        if let Some(due) = contents.due()
            && (server.wanted_count() == 0 || due <= Instant::now() || !arrives_before(stdin.as_fd(), due)?)
        {
            for stored in contents.stored() {
                server.stored(stored);
            }
            out.write_all(&server.take_output())?;
        }
        if let Some(since) = contents.waiting_since()
            && !arrives_before(stdin.as_fd(), since + PATIENCE)?
        {
            contents.settle();
        }
        if contents.is_receiving() && !arrives_before(stdin.as_fd(), Instant::now() + SILENCE)? {
            return Ok(Ending::Cut);
        }
        match rustix::io::read(&stdin, &mut block[..]) {
            Ok(0) => server.close(),
            Ok(length) => server.add(&block[..length]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
    }
}

/// Does one step; the ending after the last one.
fn act(server: &mut Server, contents: &mut Contents<'_>, step: Step, out: &mut File) -> Result<Option<Ending>> {
    match step {
        Step::CheckPresent(key) => server.answer(contents.has(&key)),
        Step::Lock(key) => server.locked(contents.lock(&key)),
        Step::Unlock => contents.unlock(),
        Step::Remove { key, before } => server.answer(contents.remove(&key, before)?),
        Step::Timestamp => server.timestamp(clock()),
        Step::Get { key, file, offset } => match contents.send(&key, &file) {
            Some(sending) => {
                let length = sending.size().saturating_sub(offset);
                let is_complete = if length <= WHOLE {
                    let content = sending.read(offset)?;
                    server.begin_content(content.len() as u64);
                    server.content(&content);
                    sending.is_unchanged()
                } else {
                    server.begin_content(length);
                    out.write_all(&server.take_output())?;
                    copy(&sending, offset, length, out)?
                };
                if !is_complete && !server.tells_validity() {
                    return Err(Error::Refused(format!("{key} changed while it was sent")));
                }
                server.end_content(is_complete);
            }
            None => {
                server.begin_content(0);
                server.end_content(false);
            }
        },
        Step::Put(key) => {
            contents.wait_for_others(&key, SILENCE * 2);
            match contents.has(&key) {
                true => server.already_have(),
                false => server.put_from(contents.partial(&key)),
            }
        }
        Step::Receive {
            key,
            file,
            offset,
            length,
        } => contents.receive(&key, &file, offset, length),
        Step::Offer(key) => {
            // Nobody locks what is small.
            if key.size().is_none_or(|size| size > SMALL) {
                contents.wait_for_others(&key, SILENCE * 2);
            }
            match contents.wants(&key) {
                Ok(offset) => server.wanted(offset),
                Err(outcome) => match unstored(&outcome) {
                    None => server.held(),
                    Some(why) => server.unwanted(&why),
                },
            }
        }
        Step::Take {
            key,
            file,
            offset,
            length,
        } => {
            let path = path(&file);
            contents.take(&Wanted { key, path }, offset, length, server.wanted_count());
        }
        Step::Merge => server.merged(contents.merge().as_ref()),
        Step::Content(part) => contents.add(&part),
        Step::Taken { is_valid } => contents.taken(is_valid),
        Step::Received { is_valid } => server.answer(contents.received(is_valid)),
        Step::End(ending) => return Ok(Some(ending)),
    }
    Ok(None)
}

/// Sends what a client asked for, all of it, whatever becomes of the file meanwhile. False if it is not what it was.
fn copy(sending: &annex::serving::Sending, offset: u64, length: u64, out: &mut File) -> Result<bool> {
    const PART: u64 = 4 << 20;
    let mut at = offset;
    let end = offset + length;
    while at < end {
        match sending.copy_to(at, PART.min(end - at), out)? {
            0 => {
                io::copy(&mut io::Read::take(io::repeat(0), end - at), out)?;
                return Ok(false);
            }
            more => at += more,
        }
        sending.report(at);
    }
    Ok(sending.is_unchanged())
}

/// True if something arrives before that moment; also if the client closes the connection.
fn arrives_before(input: std::os::fd::BorrowedFd<'_>, until: Instant) -> Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::from_borrowed_fd(input, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
    }
}

/// Whole seconds of a clock that nobody sets.
pub(crate) fn clock() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.try_into().unwrap_or(0)
}
