use std::collections::BTreeMap;

use model::{Key, Uuid};
use proptest::prelude::*;

use super::{Answer, Client};
use crate::server::tests::{HELLO, Memory, vectors};
use crate::{Access, Server};

const FOO: &str = "SHA256E-s4--b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c.txt";

fn key(text: &str) -> Key {
    Key::parse(text.as_bytes()).unwrap()
}

fn uuid(text: &str) -> Uuid {
    Uuid::parse(text).unwrap()
}

/// A client, and a server with a repository in memory.
struct Pair {
    client: Client,
    server: Server,
    memory: Memory,
}

impl Pair {
    fn new() -> Self {
        let mut memory = Memory::with(&vectors().content);
        memory.begin();
        let mut pair = Self {
            client: Client::new(),
            server: Server::new(&uuid("server"), Access::All),
            memory,
        };
        assert_eq!(pair.answers(), [Answer::Repository(uuid("server")), Answer::Version(4)]);
        pair
    }

    /// All answers to what was asked, which is sent at once; they come byte by byte.
    fn answers(&mut self) -> Vec<Answer> {
        self.server.add(&self.client.take_output());
        let (sent, _) = self.memory.serve(&mut self.server);
        let mut answers = Vec::new();
        for byte in sent {
            self.client.add(&[byte]);
            answers.extend(std::iter::from_fn(|| self.client.next_answer()));
        }
        answers
    }

    fn send(&mut self, content: &[u8], is_valid: bool) -> Vec<Answer> {
        self.client.begin_content(content.len() as u64);
        let mut sent = self.client.take_output();
        sent.extend_from_slice(content);
        self.client.end_content(is_valid);
        sent.extend(self.client.take_output());
        self.server.add(&sent);
        self.answers()
    }
}

fn done(yes: bool) -> Answer {
    Answer::Done { yes, also: Vec::new() }
}

#[test]
fn everything_is_asked_ahead_and_answered_in_order() {
    let mut pair = Pair::new();
    let (hello, foo) = (key(HELLO), key(FOO));
    pair.memory.clock = 7;
    let client = &mut pair.client;
    client.bypass(&[uuid("a"), uuid("b")]);
    client.check_present(&hello);
    client.check_present(&foo);
    client.get(&hello, b"a file", 4);
    client.get(&foo, b"", 0);
    client.timestamp();
    client.put(&hello, b"a\nfile");
    client.remove(&foo, Some(1));
    client.remove(&foo, None);
    let part = |byte| Answer::Part(vec![byte]);
    let end = |is_valid| Answer::End {
        is_valid: Some(is_valid),
    };
    let expected = [
        Answer::Yes(true),
        Answer::Yes(false),
        Answer::Content(2),
        part(b'o'),
        part(b'\n'),
        end(true),
        Answer::Content(0),
        end(false),
        Answer::Timestamp(7),
        Answer::AlreadyHave(Vec::new()),
        done(false),
        done(true),
    ];
    assert_eq!(pair.answers(), expected);
}

#[test]
fn content_is_sent_from_where_it_broke_off() {
    let mut pair = Pair::new();
    let foo = key(FOO);
    pair.memory.partial.insert(foo.clone(), b"fo".to_vec());
    pair.client.put(&foo, b"f");
    assert_eq!(pair.answers(), [Answer::PutFrom(2)]);
    assert_eq!(pair.send(b"o\n", true), [done(true)]);
    pair.client.lock(&foo);
    assert_eq!(pair.answers(), [Answer::Yes(true)]);
    pair.client.unlock();
    pair.client.remove(&foo, None);
    pair.client.put(&foo, b"f");
    assert_eq!(pair.answers(), [done(true), Answer::PutFrom(0)]);
    pair.client.give_up();
    pair.client.put(&foo, b"f");
    assert_eq!(pair.answers(), [Answer::PutFrom(0)]);
    pair.client.data_present();
    assert_eq!(pair.answers(), [done(false)]);
    pair.client.put(&foo, b"f");
    assert_eq!(pair.answers(), [Answer::PutFrom(0)]);
    assert_eq!(pair.send(b"bar\n", true), [done(false)]);
}

/// What servers of other kinds, and of other versions, say.
#[test]
fn a_server_is_understood_or_not_believed() {
    let heard = |ask: &dyn Fn(&mut Client), lines: &str| {
        let mut client = Client::new();
        client.add(b"AUTH-SUCCESS u\nVERSION 0\n");
        assert_eq!(client.next_answer(), Some(Answer::Repository(uuid("u"))));
        assert_eq!(client.next_answer(), Some(Answer::Version(0)));
        ask(&mut client);
        client.add(lines.as_bytes());
        let mut answers: Vec<Answer> = std::iter::from_fn(|| client.next_answer()).take(4).collect();
        answers.dedup();
        answers
    };
    let also = || vec![uuid("a"), uuid("b")];
    let (hello, foo) = (key(HELLO), key(FOO));
    let refused = |why: &str| Answer::Refused(why.to_owned());
    let put = |client: &mut Client| client.put(&foo, b"");
    let get = |client: &mut Client| client.get(&hello, b"", 0);
    let check = |client: &mut Client| client.check_present(&hello);
    let remove = |client: &mut Client| client.remove(&hello, None);
    assert_eq!(heard(&put, "ALREADY-HAVE-PLUS a b\n"), [Answer::AlreadyHave(also())]);
    assert_eq!(heard(&put, "PUT-FROM 3 a b\n"), [Answer::PutFrom(3)]);
    assert_eq!(heard(&put, "ERROR read-only\n"), [refused("read-only")]);
    assert_eq!(
        heard(&remove, "SUCCESS-PLUS a b\n"),
        [Answer::Done {
            yes: true,
            also: also()
        }]
    );
    assert_eq!(
        heard(&remove, "FAILURE-PLUS a b\n"),
        [Answer::Done {
            yes: false,
            also: also()
        }]
    );
    let end = Answer::End { is_valid: None };
    assert_eq!(
        heard(&get, "DATA 1\nx"),
        [Answer::Content(1), Answer::Part(b"x".to_vec()), end]
    );
    for (ask, lines) in [
        (&get as &dyn Fn(&mut Client), "ERROR no\n"),
        (&get, "DATA -1\n"),
        (&get, "SUCCESS\n"),
        (&check, "SUCCESS-PLUS a\n"),
        (&check, "YES\n"),
        (&check, "\n"),
        (&remove, "SUCCESS-PLUS ../..\n"),
        (&put, "PUT-FROM x\n"),
        (&put, "DATA 3\n"),
    ] {
        assert_eq!(heard(ask, lines), [Answer::Broken], "{lines:?}");
    }
    // Something that was not asked for.
    assert_eq!(heard(&check, "SUCCESS\nSUCCESS\n"), [Answer::Yes(true), Answer::Broken]);
    let mut client = Client::new();
    client.add(b"AUTH-SUCCESS u\nVERSION 5\n");
    client.next_answer();
    assert_eq!(client.next_answer(), Some(Answer::Broken));
}

proptest! {
    /// Whatever a server sends, the client comes to its end.
    #[test]
    fn nothing_is_too_strange(said in any::<Vec<u8>>(), asked in prop::collection::vec(0..6_usize, 0..5)) {
        let mut client = Client::new();
        client.add(b"AUTH-SUCCESS u\nVERSION 4\n");
        let hello = key(HELLO);
        for asked in asked {
            match asked {
                0 => client.check_present(&hello),
                1 => client.get(&hello, b"f", 0),
                2 => client.put(&hello, b"f"),
                3 => client.remove(&hello, None),
                4 => client.timestamp(),
                _ => client.lock(&hello),
            }
        }
        client.add(&said);
        let _: BTreeMap<usize, Answer> = std::iter::from_fn(|| client.next_answer()).take(said.len() + 9).enumerate().collect();
    }
}
