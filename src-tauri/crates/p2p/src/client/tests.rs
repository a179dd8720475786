use std::collections::BTreeMap;

use model::{Key, Uuid};
use proptest::prelude::*;

use super::{Answer, Client};
use crate::server::tests::{HELLO, Memory, vectors};
use crate::{Access, Behind, MOST_OFFERS, Server, Unstored};

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

#[test]
fn content_is_locked_until_it_is_unlocked() {
    let mut pair = Pair::new();
    pair.client.lock(&key(HELLO));
    assert_eq!(pair.answers(), [Answer::Done(true)]);
    pair.client.unlock();
    assert_eq!(pair.answers(), []);
    assert!(pair.client.is_idle());
    pair.client.lock(&key("WORM-s1--nowhere"));
    assert_eq!(pair.answers(), [Answer::Done(false)]);
    pair.client.get(&key(HELLO), b"", 0);
    assert_eq!(pair.answers()[0], Answer::Content(6));
}

#[test]
fn everything_is_asked_ahead_and_answered_in_order() {
    let mut pair = Pair::new();
    let (hello, foo) = (key(HELLO), key(FOO));
    let client = &mut pair.client;
    client.get(&hello, b"a file", 4);
    client.get(&foo, b"", 0);
    client.put(&hello, b"a\nfile");
    let part = |byte| Answer::Part(vec![byte]);
    let end = |is_valid| Answer::End {
        is_valid: Some(is_valid),
    };
    let expected = [
        Answer::Content(2),
        part(b'o'),
        part(b'\n'),
        end(true),
        Answer::Content(0),
        end(false),
        Answer::AlreadyHave,
    ];
    assert_eq!(pair.answers(), expected);
    assert!(pair.client.is_idle());
}

#[test]
fn content_is_sent_from_where_it_broke_off() {
    let mut pair = Pair::new();
    let foo = key(FOO);
    pair.memory.partial.insert(foo.clone(), b"fo".to_vec());
    pair.client.put(&foo, b"f");
    assert_eq!(pair.answers(), [Answer::PutFrom(2)]);
    assert_eq!(pair.send(b"o\n", true), [Answer::Done(true)]);
    pair.client.put(&foo, b"f");
    assert_eq!(pair.answers(), [Answer::AlreadyHave]);
    pair.memory.lose(&foo);
    pair.client.put(&foo, b"f");
    assert_eq!(pair.answers(), [Answer::PutFrom(0)]);
    pair.client.give_up();
    pair.client.put(&foo, b"f");
    assert_eq!(pair.answers(), [Answer::PutFrom(0)]);
    assert_eq!(pair.send(b"bar\n", true), [Answer::Done(false)]);
}

/// Keys that are offered, each with what is sent of it if it is wanted.
const OFFERED: [(&str, &[u8]); 3] = [(FOO, b"foo\n"), (HELLO, b"hello\n"), ("SHA256E-s3--unknown", b"bar")];

/// What a server answers to offers, with a part of the first content there.
fn offer(pair: &mut Pair) {
    pair.memory.partial.insert(key(FOO), b"f".to_vec());
    for (name, _) in OFFERED {
        pair.client.offer(&key(name), b"a file");
    }
}

fn send_offered(client: &mut Client, content: &[u8]) {
    client.begin_content(content.len() as u64);
    client.content(content);
    client.end_offered(true);
}

#[test]
fn what_is_offered_is_stored_together() {
    let mut pair = Pair::new();
    offer(&mut pair);
    assert_eq!(
        pair.answers(),
        [Answer::PutFrom(1), Answer::AlreadyHave, Answer::PutFrom(0)]
    );
    send_offered(&mut pair.client, b"oo\n");
    assert_eq!(pair.answers(), [], "the other is still to come");
    assert!(!pair.client.is_idle());
    // Offered and sent at once.
    pair.client.offer(&key(HELLO), b"");
    send_offered(&mut pair.client, b"bar");
    let wrong = Answer::Stored(Err(Unstored::Wrong));
    assert_eq!(pair.answers(), [Answer::AlreadyHave, Answer::Stored(Ok(())), wrong]);
    assert!(pair.client.is_idle());
    pair.client.offer(&key(OFFERED[2].0), b"");
    assert_eq!(pair.answers(), [Answer::PutFrom(0)]);
    pair.client.gone();
    pair.client.get(&key(FOO), b"", 0);
    assert_eq!(pair.answers().first(), Some(&Answer::Content(4)));
}

#[test]
fn a_server_that_is_read_only_takes_no_offer() {
    let mut pair = Pair::new();
    pair.server = Server::new(&uuid("server"), Access::ReadOnly);
    pair.client = Client::new();
    pair.client.offer(&key(FOO), b"");
    let answers = pair.answers();
    let Some(Answer::Unwanted(Unstored::Failed(why))) = answers.last() else {
        panic!("{answers:?}")
    };
    assert!(why.contains("read-only"), "{why}");
    assert!(pair.client.is_idle());
}

#[test]
fn a_server_says_why_its_files_wait_until_they_have_caught_up() {
    let mut pair = Pair::new();
    let behind = Behind::new("letter was changed there");
    pair.memory.behind = Some(behind.clone());
    pair.client.merge();
    pair.client.put(&key(HELLO), b"");
    assert_eq!(pair.answers(), [Answer::Merged(Some(behind)), Answer::AlreadyHave]);
    pair.memory.behind = None;
    pair.client.merge();
    assert_eq!(pair.answers(), [Answer::Merged(None)]);
    assert!(pair.client.is_idle());
}

#[test]
fn a_server_that_is_read_only_merges_nothing() {
    let mut pair = Pair::new();
    pair.server = Server::new(&uuid("server"), Access::ReadOnly);
    pair.client = Client::new();
    pair.client.merge();
    let answers = pair.answers();
    let Some(Answer::Refused(why)) = answers.last() else {
        panic!("{answers:?}")
    };
    assert!(why.contains("read-only"), "{why}");
}

#[test]
fn only_so_much_can_be_offered() {
    let mut pair = Pair::new();
    for _ in 0..=MOST_OFFERS {
        pair.client.offer(&key(FOO), b"");
    }
    assert_eq!(pair.answers().len(), MOST_OFFERS);
    pair.client.get(&key(HELLO), b"", 0);
    assert_eq!(pair.answers(), [], "it has ended");
}

/// Whatever becomes of the bytes on the way, nothing is stored that is not the content of its key.
#[test]
fn bytes_that_change_or_are_cut_off_on_the_way_do_no_harm() {
    let talk = {
        let mut pair = Pair::new();
        offer(&mut pair);
        send_offered(&mut pair.client, b"oo\n");
        send_offered(&mut pair.client, b"bar");
        pair.client.take_output()
    };
    let serve = |talk: &[u8]| {
        let mut pair = Pair::new();
        pair.memory.partial.insert(key(FOO), b"f".to_vec());
        pair.server.add(talk);
        let mut said = pair.memory.serve(&mut pair.server).0;
        pair.server.close();
        said.extend(pair.memory.serve(&mut pair.server).0);
        pair.memory.check();
        said
    };
    let whole = serve(&talk);
    for length in 0..talk.len() {
        serve(&talk[..length]);
        for flip in [1, 0x20, 0x80] {
            let mut changed = talk.clone();
            changed[length] ^= flip;
            serve(&changed);
        }
    }
    // The same for what the server says.
    let hear = |said: &[u8]| {
        let mut pair = Pair::new();
        offer(&mut pair);
        send_offered(&mut pair.client, b"oo\n");
        send_offered(&mut pair.client, b"bar");
        pair.client.add(said);
        let answers = std::iter::from_fn(|| pair.client.next_answer());
        let mut answers: Vec<Answer> = answers.take(2 * said.len() + 2).collect();
        answers.dedup();
        (answers, pair.client.is_idle())
    };
    let (right, is_idle) = hear(&whole);
    assert!(
        is_idle && right.last() == Some(&Answer::Stored(Err(Unstored::Wrong))),
        "{right:?}"
    );
    for length in 0..whole.len() {
        assert!(!hear(&whole[..length]).1, "{length}");
        for flip in [1, 0x20, 0x80] {
            let mut changed = whole.clone();
            changed[length] ^= flip;
            let (answers, is_idle) = hear(&changed);
            let stored = answers
                .iter()
                .filter(|answer| **answer == Answer::Stored(Ok(())))
                .count();
            let is_seen = is_idle || answers.last() == Some(&Answer::Broken) || length + 1 == whole.len();
            assert!(stored <= 1 && is_seen, "{answers:?}");
        }
    }
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
    let (hello, foo) = (key(HELLO), key(FOO));
    let refused = |why: &str| Answer::Refused(why.to_owned());
    let put = |client: &mut Client| client.put(&foo, b"");
    let get = |client: &mut Client| client.get(&hello, b"", 0);
    let offer = |client: &mut Client| client.offer(&foo, b"");
    let sent = |client: &mut Client| send_offered(client, b"foo\n");
    let merge = |client: &mut Client| client.merge();
    let unwanted = |why| Answer::Unwanted(why);
    assert_eq!(heard(&put, "ALREADY-HAVE-PLUS a b\n"), [Answer::AlreadyHave]);
    assert_eq!(heard(&put, "PUT-FROM 3 a b\n"), [Answer::PutFrom(3)]);
    assert_eq!(heard(&put, "ERROR read-only\n"), [refused("read-only")]);
    assert_eq!(heard(&offer, "ERROR unknown command\n"), [refused("unknown command")]);
    assert_eq!(heard(&merge, "ERROR unknown command\n"), [refused("unknown command")]);
    assert_eq!(heard(&offer, "UNWANTED BUSY\n"), [unwanted(Unstored::Busy)]);
    assert_eq!(heard(&offer, "UNWANTED FULL\n"), [unwanted(Unstored::Full)]);
    let no = Unstored::Failed("no".to_owned());
    assert_eq!(heard(&offer, "UNWANTED FAILED no\n"), [unwanted(no.clone())]);
    assert_eq!(heard(&sent, "UNSTORED FAILED no\n"), [Answer::Stored(Err(no))]);
    let end = Answer::End { is_valid: None };
    assert_eq!(
        heard(&get, "DATA 1\nx"),
        [Answer::Content(1), Answer::Part(b"x".to_vec()), end]
    );
    for (ask, lines) in [
        (&get as &dyn Fn(&mut Client), "ERROR no\n"),
        (&get, "DATA -1\n"),
        (&get, "SUCCESS\n"),
        (&put, "YES\n"),
        (&put, "\n"),
        (&put, "WANTED 3\n"),
        (&offer, "PUT-FROM 3\n"),
        (&offer, "WANTED -1\n"),
        (&offer, "UNWANTED\n"),
        (&offer, "UNWANTED OTHER\n"),
        (&offer, "STORED\n"),
        (&sent, "STORED x\n"),
        (&put, "PUT-FROM x\n"),
        (&put, "MERGED\n"),
        (&merge, "MERGED x\n"),
        (&merge, "BEHIND\n"),
        (&merge, "SUCCESS\n"),
        (&put, "DATA 3\n"),
    ] {
        assert_eq!(heard(ask, lines), [Answer::Broken], "{lines:?}");
    }
    // Something that was not asked for.
    assert_eq!(
        heard(&put, "ALREADY-HAVE\nALREADY-HAVE\n"),
        [Answer::AlreadyHave, Answer::Broken]
    );
    assert_eq!(
        heard(&sent, "STORED\nSTORED\n"),
        [Answer::Stored(Ok(())), Answer::Broken]
    );
    let mut client = Client::new();
    client.add(b"AUTH-SUCCESS u\nVERSION 5\n");
    client.next_answer();
    assert_eq!(client.next_answer(), Some(Answer::Broken));
}

proptest! {
    /// Whatever a server sends, the client comes to its end.
    #[test]
    fn nothing_is_too_strange(said in any::<Vec<u8>>(), asked in prop::collection::vec(0..4_usize, 0..5)) {
        let mut client = Client::new();
        client.add(b"AUTH-SUCCESS u\nVERSION 4\n");
        let hello = key(HELLO);
        for asked in asked {
            match asked {
                0 => client.get(&hello, b"f", 0),
                1 => client.put(&hello, b"f"),
                2 => client.offer(&hello, b"f"),
                _ => send_offered(&mut client, b"hello\n"),
            }
        }
        client.add(&said);
        let _: BTreeMap<usize, Answer> = std::iter::from_fn(|| client.next_answer()).take(said.len() + 9).enumerate().collect();
    }
}
