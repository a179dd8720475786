//! A client of the protocol, and a server that says anything, in any pieces.
//!
//! What is understood does not depend on the pieces; the client keeps no more than the last piece and one line; and what it heard is
//! the same when a server of ours says it again.

#![no_main]

use fuzz::{LONGEST_LINE, live, pieces, repeated, take};
use libfuzzer_sys::fuzz_target;
use model::{Key, Uuid};
use p2p::{Access, Answer, Client, Server};

/// What the client's own tables may take, in bytes.
const TABLES: usize = 4 << 10;

fuzz_target!(|input: &[u8]| {
    let mut input = input;
    let length = take(&mut input);
    let count = take(&mut input);
    let questions: Vec<usize> = (0..count % 32).map(|_| take(&mut input)).collect();
    let whole = hear(input, 0, &questions);
    assert_eq!(whole, hear(input, length, &questions));
    whole.iter().for_each(say_again);
    // This takes long.
    if count / 32 == 0 {
        measure(&repeated(input), length.max(64), &questions);
    }
});

/// A client that has asked.
fn asking(questions: &[usize]) -> Client {
    let mut client = Client::new();
    questions.iter().for_each(|&question| ask(&mut client, question));
    client.take_output();
    client
}

/// All answers; parts of the same content are one. Nothing is believed after the first that is broken.
fn hear(talk: &[u8], length: usize, questions: &[usize]) -> Vec<Answer> {
    let mut client = asking(questions);
    let mut answers = Vec::new();
    for piece in pieces(talk, length) {
        client.add(piece);
        while let Some(answer) = client.next_answer() {
            let is_broken = answer == Answer::Broken;
            match (answers.last_mut(), answer) {
                (Some(Answer::Part(part)), Answer::Part(more)) => part.extend(more),
                (_, answer) => answers.push(answer),
            }
            if is_broken {
                return answers;
            }
        }
    }
    answers
}

/// Hears the same, and looks at what the client keeps after each piece.
fn measure(talk: &[u8], length: usize, questions: &[usize]) {
    let mut client = asking(questions);
    let before = live();
    for piece in pieces(talk, length) {
        client.add(piece);
        while let Some(answer) = client.next_answer() {
            if answer == Answer::Broken {
                return;
            }
        }
        let kept = usize::try_from(live() - before).unwrap_or(0);
        // A buffer may be twice as large as what is in it.
        let may_keep = 2 * (piece.len() + LONGEST_LINE) + TABLES;
        assert!(kept <= may_keep, "{kept} of {may_keep} bytes after {}", piece.len());
    }
}

fn key() -> Key {
    Key::parse(b"WORM-s1--a").expect("it is a key")
}

fn ask(client: &mut Client, question: usize) {
    match question % 7 {
        0 => client.get(&key(), b"a", 0),
        1 => client.put(&key(), b"a"),
        2 => client.offer(&key(), b"a"),
        3 => client.merge(),
        4 => client.end_content(true),
        5 => client.end_offered(true),
        _ => client.gone(),
    }
}

/// Has a server of ours say the same, if it can.
fn say_again(heard: &Answer) {
    let mut server = Server::new(&Uuid::parse("server").expect("it is a word"), Access::All);
    server.take_output();
    let mut client = Client::new();
    client.add(b"AUTH-SUCCESS server\nVERSION 4\n");
    assert_eq!(
        client
            .next_answer()
            .zip(client.next_answer())
            .map(|(_, version)| version),
        Some(Answer::Version(4))
    );
    match heard {
        Answer::Done(yes) => {
            client.end_content(true);
            server.answer(*yes);
        }
        Answer::Content(length) => {
            client.get(&key(), b"a", 0);
            server.begin_content(*length);
        }
        Answer::AlreadyHave => {
            client.put(&key(), b"a");
            server.already_have();
        }
        Answer::PutFrom(offset) => {
            client.put(&key(), b"a");
            server.put_from(*offset);
        }
        Answer::Unwanted(why) => {
            client.offer(&key(), b"a");
            server.unwanted(why);
        }
        Answer::Stored(stored) => {
            client.end_offered(true);
            server.stored(stored.clone());
        }
        Answer::Merged(behind) => {
            client.merge();
            server.merged(behind.as_ref());
        }
        Answer::Repository(_)
        | Answer::Version(_)
        | Answer::Part(_)
        | Answer::End { .. }
        | Answer::Refused(_)
        | Answer::Broken => return,
    }
    client.add(&server.take_output());
    assert_eq!(client.next_answer().as_ref(), Some(heard));
}
