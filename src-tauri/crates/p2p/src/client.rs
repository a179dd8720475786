//! The client's side of a connection.

use std::collections::VecDeque;

use model::{Key, Uuid};

use crate::NEWEST;
use crate::input::{Input, Line};
use crate::message::Unstored;
use crate::news::Behind;
use crate::request::{Heard, Request};

/// What a server has said, in the order of what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The first: which repository this is.
    Repository(Uuid),
    /// The version that is spoken from now on.
    Version(i64),
    /// Whether content was stored.
    Done(bool),
    /// So many bytes of content come.
    Content(u64),
    /// More of that content.
    Part(Vec<u8>),
    /// All of it has come. Valid if it did not change on the way, which servers of version 0 do not tell: then the content
    /// must be compared with its key. Not valid, and empty, if it is not there.
    End {
        /// Whether it is valid; none if the server does not tell.
        is_valid: Option<bool>,
    },
    /// The content is there.
    AlreadyHave,
    /// So much of the content is there: [`Client::begin_content`] goes on.
    PutFrom(u64),
    /// It was not done, as the server says.
    Refused(String),
    /// What was offered is not to be sent.
    Unwanted(Unstored),
    /// The content that was offered is stored, or not. Told in the order in which contents were sent, and at any time.
    Stored(Result<(), Unstored>),
    /// What was pushed is merged, or why the files there do not have all of it.
    Merged(Option<Behind>),
    /// The server does not keep to the protocol: nothing more is to be believed.
    Broken,
}

/// What the next line answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Repository,
    Version,
    Done,
    Content,
    Put,
    Offer,
    Merge,
}

/// Where the answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Lines,
    /// So many bytes of content more.
    Content(u64),
    /// `VALID` or `INVALID`.
    Validity,
    Broken,
}

/// One connection with a server, from the client's side.
///
/// Ask as much as you like ahead of the answers: they come in the order of the questions. Only what follows
/// [`Answer::PutFrom`] has to wait for it.
#[derive(Debug)]
pub struct Client {
    input: Input,
    output: Vec<u8>,
    version: i64,
    expected: VecDeque<Expected>,
    /// How many offered files were sent and are not known to be stored.
    unstored: usize,
    state: State,
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// Begins a connection with a server that speaks first, as over ssh, and asks for the newest version.
    #[must_use]
    pub fn new() -> Self {
        let mut client = Self {
            input: Input::default(),
            output: Vec::new(),
            version: 0,
            expected: VecDeque::from([Expected::Repository]),
            unstored: 0,
            state: State::Lines,
        };
        client.ask(&Request::Version(NEWEST), Expected::Version);
        client
    }

    /// Asks for content from `offset` on: [`Answer::Content`]. What the client will say of it is said ahead: servers make
    /// nothing of it, and so no round trip is lost between two contents.
    pub fn get(&mut self, key: &Key, file: &[u8], offset: u64) {
        self.ask(&Request::Get { offset, file, key }, Expected::Content);
        Request::Success.write(&mut self.output);
    }

    /// Asks how much of the content is there: [`Answer::PutFrom`] or [`Answer::AlreadyHave`].
    pub fn put(&mut self, key: &Key, file: &[u8]) {
        self.ask(&Request::Put { file, key }, Expected::Put);
    }

    /// Offers content to a server of ours: [`Answer::PutFrom`], [`Answer::AlreadyHave`] or [`Answer::Unwanted`]. More can be
    /// offered before that, up to [`MOST_OFFERS`](crate::MOST_OFFERS); what is wanted is sent in the order of the offers.
    pub fn offer(&mut self, key: &Key, file: &[u8]) {
        self.ask(&Request::Offer { file, key }, Expected::Offer);
    }

    /// Asks to keep content there until [`Client::unlock`]: [`Answer::Done`]. If it is, ask nothing else before that.
    pub fn lock(&mut self, key: &Key) {
        self.ask(&Request::Lock(key), Expected::Done);
    }

    /// Ends what [`Client::lock`] began. Not answered.
    pub fn unlock(&mut self) {
        Request::Unlock.write(&mut self.output);
    }

    /// Announces content after [`Answer::PutFrom`]. The caller sends `length` bytes next, then the end.
    pub fn begin_content(&mut self, length: u64) {
        Request::Data(length).write(&mut self.output);
    }

    /// Sends a part of content.
    pub fn content(&mut self, part: &[u8]) {
        self.output.extend_from_slice(part);
    }

    /// Ends content, which is valid unless it changed on the way: [`Answer::Done`].
    pub fn end_content(&mut self, is_valid: bool) {
        if self.version >= 1 {
            Request::Validity(is_valid).write(&mut self.output);
        }
        self.expected.push_back(Expected::Done);
    }

    /// Ends content that was offered: [`Answer::Stored`].
    pub fn end_offered(&mut self, is_valid: bool) {
        Request::Validity(is_valid).write(&mut self.output);
        self.unstored += 1;
    }

    /// Says, instead of sending it, that content which was offered is not to be had. Not answered.
    pub fn gone(&mut self) {
        Request::Gone.write(&mut self.output);
    }

    /// Says, instead of sending it, that the content is not to be had. Not answered.
    pub fn give_up(&mut self) {
        Request::GiveUp.write(&mut self.output);
    }

    /// Asks a server of ours to merge what was pushed: [`Answer::Merged`].
    pub fn merge(&mut self) {
        self.ask(&Request::Merge, Expected::Merge);
    }

    /// True if everything that was asked is answered.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.expected.is_empty() && self.unstored == 0 && self.state == State::Lines
    }

    /// Adds what has arrived. Take all answers before adding more.
    pub fn add(&mut self, bytes: &[u8]) {
        self.input.add(bytes);
    }

    /// How much is to be sent, in bytes.
    #[must_use]
    pub fn output_size(&self) -> usize {
        self.output.len()
    }

    /// What is to be sent now.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// The next answer; none if more has to arrive first.
    pub fn next_answer(&mut self) -> Option<Answer> {
        match self.state {
            State::Broken => Some(Answer::Broken),
            State::Content(0) if self.version >= 1 => {
                self.state = State::Validity;
                self.next_line()
            }
            State::Content(0) => {
                self.state = State::Lines;
                Some(Answer::End { is_valid: None })
            }
            State::Content(left) => {
                let part = self.input.content(left);
                self.state = State::Content(left - part.len() as u64);
                (!part.is_empty()).then_some(Answer::Part(part))
            }
            State::Validity | State::Lines => self.next_line(),
        }
    }

    fn ask(&mut self, request: &Request<'_>, expected: Expected) {
        request.write(&mut self.output);
        self.expected.push_back(expected);
    }

    fn next_line(&mut self) -> Option<Answer> {
        let heard = match self.input.line() {
            Line::Part => return None,
            Line::TooLong => None,
            Line::Whole(line) => Heard::parse(&line),
        };
        let answer = heard.and_then(|heard| match self.state {
            State::Validity => self.validity(&heard),
            State::Lines | State::Content(_) | State::Broken => self.answer(heard),
        });
        if answer.is_none() {
            self.state = State::Broken;
        }
        answer.or(Some(Answer::Broken))
    }

    fn validity(&mut self, heard: &Heard) -> Option<Answer> {
        self.state = State::Lines;
        let is_valid = matches!(heard, Heard::Validity(true));
        matches!(heard, Heard::Validity(_)).then_some(Answer::End {
            is_valid: Some(is_valid),
        })
    }

    /// What a line says as the answer to what was asked; none if it is no answer to that.
    fn answer(&mut self, heard: Heard) -> Option<Answer> {
        if let Heard::Stored(stored) = heard {
            self.unstored = self.unstored.checked_sub(1)?;
            return Some(Answer::Stored(stored));
        }
        let expected = self.expected.pop_front()?;
        Some(match (expected, heard) {
            (Expected::Repository, Heard::AuthSuccess(uuid)) => Answer::Repository(uuid),
            (Expected::Version, Heard::Version(version)) if version <= NEWEST => {
                self.version = version;
                Answer::Version(version)
            }
            (Expected::Done, Heard::Outcome(yes)) => Answer::Done(yes),
            (Expected::Content, Heard::Data(length)) => {
                self.state = State::Content(length);
                Answer::Content(length)
            }
            (Expected::Put, Heard::PutFrom(offset)) | (Expected::Offer, Heard::Wanted(offset)) => {
                Answer::PutFrom(offset)
            }
            (Expected::Put, Heard::AlreadyHave) | (Expected::Offer, Heard::Held) => Answer::AlreadyHave,
            (Expected::Offer, Heard::Unwanted(why)) => Answer::Unwanted(why),
            (Expected::Merge, Heard::Merged(behind)) => Answer::Merged(behind),
            // The server would take what was said ahead for something else.
            (Expected::Repository | Expected::Content, Heard::Error(_)) => return None,
            (_, Heard::Error(why)) => Answer::Refused(why),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
