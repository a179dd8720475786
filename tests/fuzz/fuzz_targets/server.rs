//! A server of the protocol, and a client that says anything, in any pieces.
//!
//! The answers do not depend on the pieces; the server keeps no more than the last piece, one line, and the offers; and what it
//! was asked is the same when a client of ours asks for it again.

#![no_main]

use fuzz::{LONGEST_LINE, live, pieces, repeated, take};
use libfuzzer_sys::fuzz_target;
use model::Uuid;
use p2p::{Access, Behind, Client, MOST_OFFERS, Server, Step, Unstored};

/// What the server's own tables may take, in bytes, besides what is in them.
const TABLES: usize = 4 << 10;
/// What an offer takes in them, besides its line.
const OFFER: usize = 512;

fuzz_target!(|input: &[u8]| {
    let mut input = input;
    let (length, access, answers) = (take(&mut input), take(&mut input), take(&mut input));
    // This takes long.
    let measures = access / 3 % 8 == 0;
    let access = [Access::All, Access::AppendOnly, Access::ReadOnly][access % 3];
    let whole = converse(input, 0, access, answers);
    let in_pieces = converse(input, length, access, answers);
    assert_eq!(whole.steps, in_pieces.steps);
    assert_eq!(whole.said, in_pieces.said);
    whole.steps.iter().for_each(ask_again);
    if measures {
        measure(&repeated(input), length.max(64), access, answers);
    }
});

/// All that a conversation came to.
#[derive(Default)]
struct Conversation {
    /// Parts of the same content are one.
    steps: Vec<Step>,
    said: Vec<u8>,
}

fn converse(talk: &[u8], length: usize, access: Access, answers: usize) -> Conversation {
    let mut all = Conversation::default();
    let mut server = Server::new(&uuid(), access);
    let mut asked = 0;
    for piece in pieces(talk, length) {
        server.add(piece);
        while let Some(step) = next(&mut server, &mut asked, answers, &mut |said| all.said.extend(said)) {
            match (all.steps.last_mut(), step) {
                (_, Step::End(_)) => return all,
                (Some(Step::Content(content)), Step::Content(more)) => content.extend(more),
                (_, step) => all.steps.push(step),
            }
        }
    }
    server.close();
    while let Some(step) = next(&mut server, &mut asked, answers, &mut |said| all.said.extend(said)) {
        if matches!(step, Step::End(_)) {
            return all;
        }
        all.steps.push(step);
    }
    panic!("a connection that is closed ends");
}

/// Holds the same conversation, and looks at what the server keeps after each piece.
fn measure(talk: &[u8], length: usize, access: Access, answers: usize) {
    let before = live();
    let mut server = Server::new(&uuid(), access);
    let mut asked = 0;
    let mut most_wanted = 0;
    for piece in pieces(talk, length) {
        server.add(piece);
        while let Some(step) = next(&mut server, &mut asked, answers, &mut drop) {
            if matches!(step, Step::End(_)) {
                return;
            }
        }
        let wanted = server.wanted_count();
        assert!(wanted <= MOST_OFFERS);
        most_wanted = most_wanted.max(wanted);
        let kept = usize::try_from(live() - before).unwrap_or(0);
        // A buffer may be twice as large as what is in it.
        let may_keep = 2 * (piece.len() + LONGEST_LINE) + most_wanted * OFFER + 2 * wanted * LONGEST_LINE + TABLES;
        assert!(kept <= may_keep, "{kept} of {may_keep} bytes after {}", piece.len());
    }
}

/// Takes a step and answers it somehow. What is said goes to `said`.
fn next(server: &mut Server, asked: &mut usize, answers: usize, said: &mut dyn FnMut(Vec<u8>)) -> Option<Step> {
    let step = server.next_step();
    said(server.take_output());
    let step = step?;
    // Each kind of answer comes at some time.
    let (yes, number) = ((answers >> (*asked % 8)) & 1 == 1, answers as u64);
    *asked += usize::from(!matches!(step, Step::Content(_)));
    match &step {
        Step::CheckPresent(_) | Step::Remove { .. } | Step::Received { .. } => server.answer(yes),
        Step::Lock(_) => server.locked(yes),
        Step::Timestamp => server.timestamp(number),
        Step::Get { .. } => {
            server.begin_content(1);
            server.content(b"x");
            server.end_content(yes);
        }
        Step::Put(_) if yes => server.already_have(),
        Step::Put(_) => server.put_from(number),
        Step::Offer(_) if yes => server.wanted(number),
        Step::Offer(_) if number.is_multiple_of(3) => server.held(),
        Step::Offer(_) => server.unwanted(&Unstored::Full),
        Step::Taken { .. } => server.stored(if yes { Ok(()) } else { Err(Unstored::Busy) }),
        Step::Merge => server.merged((!yes).then(|| Behind::new("it waits")).as_ref()),
        Step::Unlock | Step::Receive { .. } | Step::Take { .. } | Step::Content(_) | Step::End(_) => {}
    }
    said(server.take_output());
    Some(step)
}

/// Has a client of ours ask for the same, if it can.
fn ask_again(asked: &Step) {
    let mut client = Client::new();
    let mut expected = asked.clone();
    match &mut expected {
        Step::Get { key, file, offset } => {
            client.get(key, file, *offset);
            shown(file);
        }
        Step::Put(key) => client.put(key, b""),
        Step::Offer(key) => client.offer(key, b""),
        Step::Merge => client.merge(),
        _ => return,
    }
    let mut server = Server::new(&uuid(), Access::All);
    server.add(&client.take_output());
    assert_eq!(server.next_step(), Some(expected));
}

/// Makes of a file name what a client sends of it.
fn shown(file: &mut [u8]) {
    for byte in file {
        if byte.is_ascii_whitespace() || *byte == 0x0b {
            *byte = b'%';
        }
    }
}

fn uuid() -> Uuid {
    Uuid::parse("server").expect("it is a word")
}
