//! The server's side of a connection.

use std::collections::VecDeque;

use model::{Key, Uuid};

use crate::input::{Input, Line};
use crate::message::{Message, Reply, Unstored};
use crate::news::Behind;
use crate::{MOST_OFFERS, NEWEST};

/// Said to a client that may not write.
const READ_ONLY: &str = "this repository is read-only; write access denied";

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    All,
    /// Everything but remove content.
    AppendOnly,
    /// Nothing that changes the repository.
    ReadOnly,
}

/// What the client asks for next. Most have to be answered, by the method that is named there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Is the content of the key here? [`Server::answer`].
    CheckPresent(Key),
    /// Keep the content of the key from being removed until [`Step::Unlock`]. [`Server::locked`].
    Lock(Key),
    /// The lock ends.
    Unlock,
    /// Remove the content of the key, but not once the clock of [`Step::Timestamp`] has passed `before`. [`Server::answer`].
    Remove {
        /// The key.
        key: Key,
        /// The last moment, if there is one.
        before: Option<u64>,
    },
    /// What does the clock say? [`Server::timestamp`].
    Timestamp,
    /// Send the content of the key from `offset` on: [`Server::begin_content`], then that content itself, then
    /// [`Server::end_content`].
    Get {
        /// The key.
        key: Key,
        /// A file that has it, for people; may be empty.
        file: Vec<u8>,
        /// How much of it the client has.
        offset: u64,
    },
    /// How much of the content of the key is here? [`Server::already_have`] or [`Server::put_from`].
    Put(Key),
    /// The content of the key comes, from `offset` on. Not answered.
    Receive {
        /// The key.
        key: Key,
        /// A file that has it, for people; may be empty.
        file: Vec<u8>,
        /// What [`Server::put_from`] said.
        offset: u64,
        /// How many bytes come.
        length: u64,
    },
    /// Is the content of the key wanted? [`Server::wanted`], [`Server::held`] or [`Server::unwanted`].
    Offer(Key),
    /// The content of a key that was offered comes, from `offset` on. Not answered.
    Take {
        /// The key.
        key: Key,
        /// A file that has it, for people; may be empty.
        file: Vec<u8>,
        /// What [`Server::wanted`] said.
        offset: u64,
        /// How many bytes come.
        length: u64,
    },
    /// More of the content that comes. Not answered.
    Content(Vec<u8>),
    /// All of it was sent. Is it stored now? [`Server::answer`].
    Received {
        /// False if the client knows that it is not what the key says.
        is_valid: bool,
    },
    /// All of the content that was offered was sent. Once it is stored, or cannot be: [`Server::stored`], in the same order. More
    /// may come before, but the client waits once nothing more is wanted ([`Server::wanted_count`]).
    Taken {
        /// False if the client knows that it is not what the key says.
        is_valid: bool,
    },
    /// Merge what was pushed. [`Server::merged`].
    Merge,
    /// The connection is over.
    End(Ending),
}

/// How a connection came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client closed it, or said that it has failed.
    ByClient,
    /// It broke in the middle of content; what has arrived of that is good for another time.
    Cut,
    /// The client asked for git's protocol, which other kinds of connections relay.
    Connect,
    /// The client asked to be told of changes, which other kinds of connections do.
    NotifyChange,
    /// A line was too long to be one, or too much was offered.
    TooMuch,
}

/// What the last message leads to expect.
#[derive(Debug)]
enum State {
    /// A new request.
    Idle,
    /// The answer to a step.
    Asked,
    /// `UNLOCKCONTENT`.
    Locked,
    /// The answer to [`Step::Put`].
    Putting { file: Vec<u8>, key: Key },
    /// `DATA`.
    Offered { file: Vec<u8>, key: Key, offset: u64 },
    /// The answer to [`Step::Offer`].
    Offering(Offer),
    /// So many bytes more.
    Receiving { left: u64, is_offered: bool },
    /// `VALID` or `INVALID`.
    Unjudged { is_offered: bool },
    /// Whether the client has stored what it got.
    Sent,
    /// Nothing more.
    Over(Ending),
}

/// A key that was offered, and what is wanted of it.
#[derive(Debug)]
struct Offer {
    file: Vec<u8>,
    key: Key,
    offset: u64,
}

/// One connection with a client, from the server's side.
///
/// Add what arrives ([`Server::add`], [`Server::close`]) and take all steps before adding more: then no more is kept than
/// was added last, and one line. [`Server::take_output`] has what is to be sent, before anything else is waited for.
#[derive(Debug)]
pub struct Server {
    input: Input,
    is_closed: bool,
    output: Vec<u8>,
    access: Access,
    version: i64,
    state: State,
    /// The wanted keys whose content has not arrived.
    wanted: VecDeque<Offer>,
}

impl Server {
    /// Begins a connection whose client is known already, as over ssh: the server speaks first.
    #[must_use]
    pub fn new(uuid: &Uuid, access: Access) -> Self {
        let mut server = Self {
            input: Input::default(),
            is_closed: false,
            output: Vec::new(),
            access,
            version: 0,
            state: State::Idle,
            wanted: VecDeque::new(),
        };
        server.say(&Reply::AuthSuccess(uuid));
        server
    }

    /// Adds what has arrived.
    pub fn add(&mut self, bytes: &[u8]) {
        self.input.add(bytes);
    }

    /// Says that nothing more will arrive.
    pub fn close(&mut self) {
        self.is_closed = true;
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

    /// The next step; none if more has to arrive, or the last step to be answered, before there is one.
    pub fn next_step(&mut self) -> Option<Step> {
        loop {
            match &mut self.state {
                State::Asked | State::Putting { .. } | State::Offering(_) => return None,
                State::Over(ending) => return Some(Step::End(*ending)),
                State::Receiving { left: 0, is_offered } => {
                    let is_offered = *is_offered;
                    if self.version >= 1 || is_offered {
                        self.state = State::Unjudged { is_offered };
                        continue;
                    }
                    self.state = State::Asked;
                    return Some(Step::Received { is_valid: true });
                }
                State::Receiving { left, .. } => {
                    let content = self.input.content(*left);
                    *left -= content.len() as u64;
                    if !content.is_empty() {
                        return Some(Step::Content(content));
                    }
                    if !self.is_closed {
                        return None;
                    }
                    self.say(&Reply::Failure);
                    self.state = State::Over(Ending::Cut);
                }
                State::Idle | State::Locked | State::Offered { .. } | State::Unjudged { .. } | State::Sent => {
                    let step = match self.input.line() {
                        Line::Whole(line) => self.step(Message::parse(&line)),
                        Line::Part if !self.is_closed => return None,
                        Line::Part => self.closed(),
                        Line::TooLong => {
                            self.state = State::Over(Ending::TooMuch);
                            None
                        }
                    };
                    if step.is_some() {
                        return step;
                    }
                }
            }
        }
    }

    /// Answers whether it is so, or was done.
    pub fn answer(&mut self, yes: bool) {
        self.say(&if yes { Reply::Success } else { Reply::Failure });
        self.state = State::Idle;
    }

    /// Answers whether the content is locked now.
    pub fn locked(&mut self, yes: bool) {
        self.answer(yes);
        if yes {
            self.state = State::Locked;
        }
    }

    /// Answers what the clock says.
    pub fn timestamp(&mut self, seconds: u64) {
        self.say(&Reply::Timestamp(seconds));
        self.state = State::Idle;
    }

    /// Answers that the content is here.
    pub fn already_have(&mut self) {
        self.say(&Reply::AlreadyHave);
        self.state = State::Idle;
    }

    /// Answers that so much of the content is here.
    pub fn put_from(&mut self, offset: u64) {
        self.say(&Reply::PutFrom(offset));
        if let State::Putting { file, key } = std::mem::replace(&mut self.state, State::Idle) {
            self.state = State::Offered { file, key, offset };
        }
    }

    /// Answers that content which is offered is wanted from `offset` on.
    pub fn wanted(&mut self, offset: u64) {
        self.say(&Reply::Wanted(offset));
        if let State::Offering(offer) = std::mem::replace(&mut self.state, State::Idle) {
            self.wanted.push_back(Offer { offset, ..offer });
        }
    }

    /// Answers that content which is offered is here.
    pub fn held(&mut self) {
        self.say(&Reply::Held);
        self.state = State::Idle;
    }

    /// Answers that content which is offered cannot be taken.
    pub fn unwanted(&mut self, why: &Unstored) {
        self.say(&Reply::Unwanted(why));
        self.state = State::Idle;
    }

    /// Answers that what was pushed is merged, or why the files here do not have all of it.
    pub fn merged(&mut self, behind: Option<&Behind>) {
        self.say(&Reply::Merged(behind));
        self.state = State::Idle;
    }

    /// Says what became of content that was offered.
    pub fn stored(&mut self, stored: Result<(), Unstored>) {
        self.say(&match &stored {
            Ok(()) => Reply::Stored,
            Err(why) => Reply::Unstored(why),
        });
    }

    /// How much content is wanted and has not begun to come.
    #[must_use]
    pub fn wanted_count(&self) -> usize {
        self.wanted.len()
    }

    /// Announces content: so many bytes have to be sent next. None, and then not valid, if it is not here.
    pub fn begin_content(&mut self, length: u64) {
        self.say(&Reply::Data(length));
    }

    /// Sends a part of content.
    pub fn content(&mut self, part: &[u8]) {
        self.output.extend_from_slice(part);
    }

    /// Ends content, which is valid unless it changed on the way.
    pub fn end_content(&mut self, is_valid: bool) {
        if self.version >= 1 {
            self.say(&if is_valid { Reply::Valid } else { Reply::Invalid });
        }
        self.state = State::Sent;
    }

    /// True if the client can be told that content which was sent is not valid.
    #[must_use]
    pub fn tells_validity(&self) -> bool {
        self.version >= 1
    }

    fn say(&mut self, reply: &Reply<'_>) {
        reply.write(&mut self.output);
    }

    /// What a message leads to; none stands for a line that is no message.
    fn step(&mut self, message: Option<Message>) -> Option<Step> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Locked => {
                if message != Some(Message::UnlockContent) {
                    self.say(&Reply::Error("expected UNLOCKCONTENT"));
                }
                Some(Step::Unlock)
            }
            State::Offered { file, key, offset } => self.offered(message, file, key, offset),
            State::Unjudged { is_offered } => {
                let is_valid = message == Some(Message::Valid);
                if is_offered {
                    return Some(Step::Taken { is_valid });
                }
                if !is_valid && message != Some(Message::Invalid) {
                    self.say(&Reply::Error("expected VALID or INVALID"));
                }
                self.state = State::Asked;
                Some(Step::Received { is_valid })
            }
            State::Sent => {
                self.sent(message.as_ref());
                None
            }
            State::Idle
            | State::Asked
            | State::Putting { .. }
            | State::Offering(_)
            | State::Receiving { .. }
            | State::Over(_) => {
                let Some(message) = message else {
                    self.say(&Reply::Error("unknown command"));
                    return None;
                };
                self.request(message)
            }
        }
    }

    fn request(&mut self, message: Message) -> Option<Step> {
        let step = match message {
            Message::Version(version) => {
                self.version = version.min(NEWEST);
                self.say(&Reply::Version(self.version));
                return None;
            }
            Message::Bypass => return None,
            Message::CheckPresent(key) => Step::CheckPresent(key),
            Message::LockContent(key) => Step::Lock(key),
            Message::Remove(key) if self.may(Access::All) => Step::Remove { key, before: None },
            Message::RemoveBefore(before, key) if self.may(Access::All) => Step::Remove {
                key,
                before: Some(before),
            },
            Message::GetTimestamp => Step::Timestamp,
            Message::Get { offset, file, key } => Step::Get { key, file, offset },
            Message::Put { file, key } if self.may(Access::AppendOnly) => {
                self.state = State::Putting { file, key: key.clone() };
                return Some(Step::Put(key));
            }
            Message::Merge if self.may(Access::AppendOnly) => Step::Merge,
            Message::Remove(_) | Message::RemoveBefore(..) | Message::Put { .. } | Message::Merge => return None,
            Message::Offer { .. } if self.wanted.len() >= MOST_OFFERS => return self.end(Ending::TooMuch),
            Message::Offer { .. } if self.access == Access::ReadOnly => {
                self.say(&Reply::Unwanted(&Unstored::Failed(READ_ONLY.to_owned())));
                return None;
            }
            Message::Offer { file, key } => {
                let step = Step::Offer(key.clone());
                self.state = State::Offering(Offer { file, key, offset: 0 });
                return Some(step);
            }
            Message::Gone if self.wanted.pop_front().is_some() => return None,
            Message::Data(length) if !self.wanted.is_empty() => return self.take(length),
            Message::Error => return self.end(Ending::ByClient),
            Message::Connect => return self.end(Ending::Connect),
            Message::NotifyChange => return self.end(Ending::NotifyChange),
            Message::UnlockContent
            | Message::Gone
            | Message::Data(_)
            | Message::DataPresent
            | Message::Valid
            | Message::Invalid
            | Message::Success { .. }
            | Message::Failure { .. }
            | Message::Misplaced => {
                self.say(&Reply::Error("unexpected command"));
                return None;
            }
        };
        self.state = State::Asked;
        Some(step)
    }

    /// True if the client may do what needs so much access; otherwise it is told that it may not.
    fn may(&mut self, needed: Access) -> bool {
        let why = match (self.access, needed) {
            (Access::ReadOnly, Access::All | Access::AppendOnly) => READ_ONLY,
            (Access::AppendOnly, Access::All) => "this repository is append-only; removal denied",
            (Access::All, _) | (Access::AppendOnly, Access::AppendOnly) | (_, Access::ReadOnly) => return true,
        };
        self.say(&Reply::Error(why));
        false
    }

    fn take(&mut self, length: u64) -> Option<Step> {
        let Offer { file, key, offset } = self.wanted.pop_front()?;
        self.state = State::Receiving {
            left: length,
            is_offered: true,
        };
        Some(Step::Take {
            key,
            file,
            offset,
            length,
        })
    }

    fn offered(&mut self, message: Option<Message>, file: Vec<u8>, key: Key, offset: u64) -> Option<Step> {
        if let Some(Message::Data(length)) = message {
            self.state = State::Receiving {
                left: length,
                is_offered: false,
            };
            return Some(Step::Receive {
                key,
                file,
                offset,
                length,
            });
        }
        if message == Some(Message::DataPresent) && self.version >= 4 {
            self.state = State::Asked;
            return Some(Step::CheckPresent(key));
        }
        if message != Some(Message::Error) {
            self.say(&Reply::Error("expected DATA"));
        }
        None
    }

    fn sent(&mut self, message: Option<&Message>) {
        let version = self.version;
        let is_outcome = matches!(
            message,
            Some(Message::Success { is_plus } | Message::Failure { is_plus }) if !is_plus || version >= 2
        );
        if !is_outcome && message != Some(&Message::Error) {
            self.say(&Reply::Error(match self.version >= 2 {
                true => "expected SUCCESS or SUCCESS-PLUS or FAILURE or FAILURE-PLUS",
                false => "expected SUCCESS or FAILURE",
            }));
        }
    }

    /// What the end of the input leads to.
    fn closed(&mut self) -> Option<Step> {
        match std::mem::replace(&mut self.state, State::Over(Ending::ByClient)) {
            State::Locked => Some(Step::Unlock),
            State::Unjudged { is_offered: true } => None,
            State::Unjudged { is_offered: false } => {
                self.state = State::Asked;
                Some(Step::Received { is_valid: false })
            }
            State::Idle
            | State::Asked
            | State::Putting { .. }
            | State::Offered { .. }
            | State::Offering(_)
            | State::Receiving { .. }
            | State::Sent
            | State::Over(_) => None,
        }
    }

    fn end(&mut self, ending: Ending) -> Option<Step> {
        self.state = State::Over(ending);
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;
