//! The transcripts that git-annex's own server left, answered by a repository in memory.

use std::collections::BTreeMap;

use model::{Key, Uuid};
use proptest::prelude::*;
use serde::Deserialize;

use super::{Access, Ending, Server, Step};
use crate::{Behind, Unstored};

#[derive(Deserialize)]
pub(crate) struct Vectors {
    pub(crate) content: BTreeMap<String, String>,
    transcripts: Vec<Transcript>,
}

#[derive(Deserialize)]
struct Transcript {
    label: String,
    #[serde(default)]
    steps: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    c: Option<String>,
    s: Option<String>,
    exit: Option<i32>,
    #[serde(default)]
    closed_by_client: bool,
}

pub(crate) const HELLO: &str = "SHA256E-s6--5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03.txt";

pub(crate) fn vectors() -> Vectors {
    let text = include_str!("../../../../../tests/vectors/p2p.json");
    let mut vectors: Vectors = serde_json::from_str(text).unwrap();
    let hello = vectors.content.remove("hello.txt").unwrap();
    vectors.content.insert(HELLO.to_owned(), hello);
    vectors
}

/// A repository in memory.
#[derive(Default)]
pub(crate) struct Memory {
    /// What the content of each key is, wherever it is.
    truth: BTreeMap<Key, Vec<u8>>,
    here: BTreeMap<Key, Vec<u8>>,
    pub(crate) partial: BTreeMap<Key, Vec<u8>>,
    /// Another connection has the content locked.
    is_locked: bool,
    pub(crate) clock: u64,
    receiving: Option<Key>,
    /// The offered keys whose content has arrived.
    taken: Vec<Key>,
    /// Why the files do not have all that was pushed.
    pub(crate) behind: Option<Behind>,
}

impl Memory {
    pub(crate) fn with(content: &BTreeMap<String, String>) -> Self {
        let truth = content.iter().filter_map(|(key, content)| {
            let key = Key::parse(key.as_bytes()).ok()?;
            Some((key, content.clone().into_bytes()))
        });
        Self {
            truth: truth.collect(),
            ..Self::default()
        }
    }

    /// Forgets the content of a key.
    pub(crate) fn lose(&mut self, key: &Key) {
        self.here.remove(key);
    }

    /// Nothing is here but the content of its key.
    pub(crate) fn check(&self) {
        for (key, content) in &self.here {
            assert_eq!(self.truth.get(key), Some(content), "{key}");
        }
    }

    /// Stores what arrived for a key, if it is its content.
    fn store(&mut self, key: Key) -> bool {
        let content = self.partial.remove(&key).unwrap();
        let is_right = self.truth.get(&key) == Some(&content);
        if is_right {
            self.here.insert(key, content);
        }
        is_right
    }

    pub(crate) fn begin(&mut self) {
        let hello = |key: &&Key| key.as_bytes() == HELLO.as_bytes();
        let (key, content) = self.truth.iter().find(|(key, _)| hello(key)).unwrap();
        self.here = BTreeMap::from([(key.clone(), content.clone())]);
    }

    /// Does what a client asks for until something has to arrive. Returns what was sent, and the exit code at the end.
    pub(crate) fn serve(&mut self, server: &mut Server) -> (Vec<u8>, Option<i32>) {
        let mut sent = Vec::new();
        while let Some(step) = server.next_step() {
            match step {
                Step::CheckPresent(key) => server.answer(self.here.contains_key(&key)),
                Step::Lock(key) => server.locked(self.here.contains_key(&key)),
                Step::Unlock => {}
                Step::Remove { .. } if self.is_locked => return (sent, Some(1)),
                Step::Remove { key, before } => {
                    let is_in_time = before.is_none_or(|before| self.clock < before);
                    if is_in_time {
                        self.here.remove(&key);
                    }
                    server.answer(is_in_time);
                }
                Step::Timestamp => server.timestamp(self.clock),
                Step::Get { key, offset, .. } => {
                    let content = self.here.get(&key);
                    let rest = content
                        .and_then(|content| content.get(offset as usize..))
                        .unwrap_or_default();
                    server.begin_content(rest.len() as u64);
                    sent.extend(server.take_output());
                    sent.extend(rest);
                    server.end_content(content.is_some());
                }
                Step::Put(key) if self.here.contains_key(&key) => server.already_have(),
                Step::Put(key) => server.put_from(self.partial.get(&key).map_or(0, Vec::len) as u64),
                Step::Offer(key) if self.here.contains_key(&key) => server.held(),
                Step::Offer(key) => server.wanted(self.partial.get(&key).map_or(0, Vec::len) as u64),
                Step::Taken { .. } => {
                    self.taken.extend(self.receiving.take());
                    if server.wanted_count() == 0 {
                        for key in std::mem::take(&mut self.taken) {
                            let is_right = self.partial.contains_key(&key) && self.store(key);
                            server.stored(if is_right { Ok(()) } else { Err(Unstored::Wrong) });
                        }
                    }
                }
                Step::Merge => server.merged(self.behind.as_ref()),
                Step::Receive { key, .. } | Step::Take { key, .. } => {
                    self.partial.entry(key.clone()).or_default();
                    self.receiving = Some(key);
                }
                Step::Content(content) => {
                    let key = self.receiving.as_ref().unwrap();
                    self.partial.get_mut(key).unwrap().extend(content);
                }
                Step::Received { .. } => {
                    let key = self.receiving.take().unwrap();
                    let is_right = self.store(key);
                    server.answer(is_right);
                }
                Step::End(ending) => {
                    sent.extend(server.take_output());
                    return (sent, Some(i32::from(ending != Ending::ByClient)));
                }
            }
        }
        sent.extend(server.take_output());
        (sent, None)
    }
}

/// git-annex dies of a negative offset after it has announced the content; here it is an unknown command.
const UNDETERMINED: &str = "line 'GET -1 f";

#[test]
fn every_transcript_is_answered_as_git_annex_answered_it() {
    let vectors = vectors();
    let mut memory = Memory::with(&vectors.content);
    let mut answered = 0;
    for transcript in &vectors.transcripts {
        let label = &transcript.label;
        if label.starts_with(UNDETERMINED) || transcript.steps.is_empty() {
            continue;
        }
        let said: Vec<&str> = transcript.steps.iter().filter_map(|turn| turn.s.as_deref()).collect();
        let clock = said.iter().find_map(|said| said.strip_prefix("TIMESTAMP "));
        memory.clock = clock.map_or(1000, |clock| clock.trim().parse().unwrap());
        memory.is_locked = label.starts_with("REMOVE attempted during") || label.starts_with("REMOVE after that kill");
        memory.begin();
        let uuid = said[0].trim().strip_prefix("AUTH-SUCCESS ").unwrap();
        let access = match label {
            label if label.contains("READONLY") => Access::ReadOnly,
            label if label.contains("APPENDONLY") => Access::AppendOnly,
            _ => Access::All,
        };
        let mut server = Server::new(&Uuid::parse(uuid).unwrap(), access);
        let (mut sent, mut exit) = memory.serve(&mut server);
        for turn in &transcript.steps {
            if let Some(line) = turn.c.as_ref().filter(|_| exit.is_none()) {
                server.add(line.as_bytes());
                (sent, exit) = memory.serve(&mut server);
            }
            if turn.closed_by_client && exit.is_none() {
                server.close();
                let last;
                (last, exit) = memory.serve(&mut server);
                assert_eq!(String::from_utf8_lossy(&last), "", "{label}");
            }
            if let Some(said) = &turn.s {
                // What it said only when the connection was closed.
                if sent.is_empty() && !said.is_empty() {
                    server.close();
                    (sent, exit) = memory.serve(&mut server);
                }
                assert_eq!(String::from_utf8_lossy(&std::mem::take(&mut sent)), *said, "{label}");
            }
            if let Some(code) = turn.exit {
                assert_eq!(exit, Some(code), "{label}");
            }
        }
        answered += 1;
    }
    assert_eq!(answered, 101);
}

/// A line of a client, or something like it.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let foo = "SHA256E-s4--b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c.txt";
    let line = prop::sample::select(vec![
        format!("PUT f {foo}\n"),
        format!("GET 0 f {HELLO}\n"),
        format!("LOCKCONTENT {HELLO}\n"),
        format!("REMOVE {HELLO}\n"),
        format!("CHECKPRESENT {HELLO}\n"),
        "DATA 4\n".to_owned(),
        "DATA 18446744073709551615\n".to_owned(),
        "foo\n".to_owned(),
        "VALID\n".to_owned(),
        "SUCCESS\n".to_owned(),
        "UNLOCKCONTENT\n".to_owned(),
        "VERSION 4\n".to_owned(),
        "VERSION 0\n".to_owned(),
        "DATA-PRESENT\n".to_owned(),
        format!("OFFER f {foo}\n"),
        "GONE\n".to_owned(),
        "MERGE\n".to_owned(),
    ]);
    prop_oneof![8 => line.prop_map(String::into_bytes), 1 => any::<Vec<u8>>()]
}

proptest! {
    /// Whatever arrives, and in whatever parts, the answers are the same, and every connection comes to its end.
    #[test]
    fn how_lines_arrive_makes_no_difference(lines in prop::collection::vec(anything(), 0..20), length in 1_usize..50) {
        let content = vectors().content;
        let all = lines.concat();
        let run = |parts: &mut dyn Iterator<Item = &[u8]>| {
            let mut memory = Memory::with(&content);
            memory.begin();
            let mut server = Server::new(&Uuid::parse("u").unwrap(), Access::All);
            let mut sent = Vec::new();
            for part in parts {
                server.add(part);
                let (more, exit) = memory.serve(&mut server);
                sent.extend(more);
                if exit.is_some() {
                    return (sent, exit);
                }
            }
            server.close();
            let (more, exit) = memory.serve(&mut server);
            sent.extend(more);
            (sent, exit)
        };
        let whole = run(&mut std::iter::once(&all[..]));
        prop_assert!(whole.1.is_some());
        prop_assert_eq!(run(&mut all.chunks(length)), whole);
    }
}
