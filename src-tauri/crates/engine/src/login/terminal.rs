//! Questions asked at a terminal.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};

use contract::{Secret, Typed};
use remotes::askpass::{Question, Unanswered};
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

use super::in_words;
use crate::Error;

/// What a terminal sends for ctrl-C.
const INTERRUPT: u8 = 3;
/// The longest answer, in bytes.
const LONGEST: u64 = 4096;

/// Asks a question of a login at the terminal of this process.
pub(crate) fn ask(question: &Question) -> Result<String, Unanswered> {
    let terminal = terminal().map_err(|_| Unanswered::Nobody)?;
    let words = in_words(question);
    let answer = match words.typed {
        Some(typed) => typed_at(&terminal, &words.text, typed),
        None => agreed_at(&terminal, &words).map(|agrees| match question.prompt.agreed() {
            Some(agreed) if agrees => agreed.to_owned(),
            Some(_) | None => String::new(),
        }),
    };
    // Nobody who has typed nothing has answered.
    let is_answer =
        |answer: &String| !answer.is_empty() || words.typed.is_none() && question.prompt.agreed() == Some("");
    answer.ok().filter(is_answer).ok_or(Unanswered::Declined)
}

/// Lets the user type the answer to a question: at the terminal, or as the first line of what is piped in.
///
/// # Errors
///
/// If there is no answer.
pub(crate) fn enter(question: &contract::Question) -> Result<Secret, Error> {
    let typed = question.typed.unwrap_or(Typed::Text);
    let entered = match io::stdin().is_terminal() {
        true => terminal().and_then(|terminal| typed_at(&terminal, &question.text, typed)),
        false => line(io::stdin().lock()),
    };
    match entered {
        Ok(text) if !text.is_empty() => Ok(Secret::new(text)),
        Ok(_) => Err(Error::Refused(
            "you entered nothing, so nothing was answered".to_owned(),
        )),
        Err(error) => Err(Error::Refused(format!("the answer could not be read: {error}"))),
    }
}

fn terminal() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/tty")
}

fn typed_at(mut terminal: &File, text: &str, typed: Typed) -> io::Result<String> {
    let ask = || {
        let mut terminal = terminal;
        write!(terminal, "{text}\n> ")?;
        line(terminal)
    };
    match typed {
        Typed::Text => ask(),
        Typed::Secret => {
            let answer = hidden(terminal, ask);
            writeln!(terminal)?;
            answer
        }
    }
}

/// True for yes.
fn agreed_at(mut terminal: &File, question: &contract::Question) -> io::Result<bool> {
    loop {
        write!(
            terminal,
            "{}\n{} (yes), or {} (no)? ",
            question.text, question.yes, question.no
        )?;
        match line(terminal)?.trim() {
            "yes" => return Ok(true),
            "no" | "" => return Ok(false),
            _ => {}
        }
    }
}

/// Lets `ask` read a line that the terminal does not show. If the user interrupts it, so is this process, once the terminal
/// shows what is typed again.
fn hidden(terminal: &File, ask: impl FnOnce() -> io::Result<String>) -> io::Result<String> {
    let before = tcgetattr(terminal)?;
    let mut hiding = before.clone();
    hiding.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
    // So ctrl-C ends the line.
    hiding.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
    tcsetattr(terminal, OptionalActions::Flush, &hiding)?;
    let text = ask();
    tcsetattr(terminal, OptionalActions::Flush, &before)?;
    match text {
        Ok(text) if text.as_bytes().contains(&INTERRUPT) => {
            kill_process(getpid(), Signal::INT)?;
            Err(io::ErrorKind::Interrupted.into())
        }
        text => text,
    }
}

/// The first line, without its end.
fn line(from: impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    // A terminal gives one line at a time.
    BufReader::new(from.take(LONGEST)).read_until(b'\n', &mut line)?;
    let mut text = String::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData)?;
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(text)
}
