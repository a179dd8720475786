//! What a click in the menu or on a notification does. It is a value: one that comes late
//! does what it says, or nothing.

use std::path::Path;
use std::process::Stdio;

use contract::{Answer, Command, Reply, Request, Setting, Status};
use engine::Client;
use jiff::{ToSpan as _, ZonedDateTime};
use serde::{Deserialize, Serialize};
use tauri::AppHandle;
use tokio::sync::mpsc::UnboundedSender;

use crate::notices::Said;
use crate::windows::{self, Page};

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Act {
    OpenWindow,
    OpenPage(Page),
    /// Shows a folder's files.
    OpenFolder(String),
    /// Asks a folder's engine.
    Ask(String, Command),
    /// Asks the program as a whole.
    Request(Request),
    PauseAll(Span),
    ResumeAll,
    /// Limits contents, both ways, to so many bytes a second.
    Limit(Option<u64>),
    Quit,
}

/// How long a pause lasts from the click on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Span {
    Minutes(u32),
    /// Until the next morning, as the window has it.
    UntilTomorrow,
    UntilResumed,
}

/// When tomorrow begins, for whoever pauses until then: when people get up.
const MORNING: i8 = 7;

impl Span {
    /// When it ends by itself, seconds since the epoch.
    fn until(self, now: &ZonedDateTime) -> Option<u64> {
        let end = match self {
            Self::UntilResumed => return None,
            Self::Minutes(minutes) => now.checked_add(i64::from(minutes).minutes()).ok()?,
            Self::UntilTomorrow => {
                // Whoever is still up after midnight means the morning of the same date.
                let days = i64::from(now.hour() >= MORNING).days();
                let date = now.date().checked_add(days).ok()?;
                date.at(MORNING, 0, 0, 0)
                    .to_zoned_datetime(now.time_zone().clone())
                    .ok()?
            }
        };
        u64::try_from(end.timestamp().as_second()).ok()
    }
}

/// What acts are done with.
pub(crate) struct Doer<'a> {
    pub(crate) app: &'a AppHandle,
    pub(crate) client: Client,
    /// What the user is to be told.
    pub(crate) said: UnboundedSender<Said>,
}

impl Doer<'_> {
    /// Begins an act; false if it is the end.
    pub(crate) fn begin(&self, act: Act, status: &Status) -> bool {
        match act {
            Act::OpenWindow => windows::open(self.app),
            Act::OpenPage(page) => windows::open_at(self.app, page),
            Act::OpenFolder(path) => drop(tokio::spawn(show(path, self.said.clone()))),
            Act::Ask(folder, command) => self.ask(folder, command),
            Act::Request(request) => self.request([request]),
            Act::PauseAll(span) => {
                let until = span.until(&ZonedDateTime::now());
                self.ask_all(status, &Command::Pause { until });
            }
            Act::ResumeAll => self.ask_all(status, &Command::Resume),
            Act::Limit(limit) => self.request([
                Request::Set(Setting::LimitUp(limit)),
                Request::Set(Setting::LimitDown(limit)),
            ]),
            Act::Quit => return false,
        }
        true
    }

    fn ask_all(&self, status: &Status, command: &Command) {
        for folder in &status.folders {
            self.ask(folder.path.clone(), command.clone());
        }
    }

    /// An answer shows in the folder's status; a refusal is told.
    fn ask(&self, folder: String, command: Command) {
        let (client, said) = (self.client.clone(), self.said.clone());
        tokio::spawn(async move {
            if let Reply::Refused(why) = client.ask(&folder, command).await {
                tell(&said, folder, why);
            }
        });
    }

    /// One request after the other, until one is refused.
    fn request(&self, requests: impl IntoIterator<Item = Request> + Send + 'static) {
        let (client, said) = (self.client.clone(), self.said.clone());
        let requests: Vec<Request> = requests.into_iter().collect();
        tokio::spawn(async move {
            for request in requests {
                let is_eject = matches!(request, Request::Eject { .. });
                let answer = client.request(request).await;
                let is_refused = matches!(answer, Answer::Refused(_));
                if let Some((title, body)) = told(is_eject, answer) {
                    tell(&said, title.to_owned(), body);
                }
                if is_refused {
                    return;
                }
            }
        });
    }
}

/// What the user is told of an answer: a title, and the whole.
fn told(is_eject: bool, answer: Answer) -> Option<(&'static str, String)> {
    match answer {
        // All else shows in the status, but a drive that is gone does not.
        Answer::Done(words) if is_eject => Some(("The drive was ejected", words)),
        Answer::Done(_)
        | Answer::Found(_)
        | Answer::Suggested(_)
        | Answer::Computers(_)
        | Answer::Looked(_)
        | Answer::Key(_) => None,
        // It may also be that the user has thought better of it.
        Answer::Refused(why) if is_eject => Some(("The drive was not ejected", why)),
        Answer::Refused(why) => Some(("Anabranch could not do that", why)),
    }
}

/// Tells the user, and whoever started this.
pub(crate) fn tell(said: &UnboundedSender<Said>, title: String, body: String) {
    crate::say(&format!("{title}: {body}"));
    // Nobody listens only while the program ends.
    let _ = said.send(Said { title, body });
}

/// Shows a directory or file with the desktop's program for it; if nothing is there any more, what is above it.
pub(crate) async fn show(path: String, said: UnboundedSender<Said>) {
    let there = Path::new(&path).ancestors().find(|path| path.exists());
    let there = there.unwrap_or(Path::new(&path));
    let mut open = tokio::process::Command::new("xdg-open");
    // What is said to our own windows is not said to those of others.
    open.env_remove(crate::GTK_GRAPHICS);
    open.arg(there).stdin(Stdio::null()).stdout(Stdio::null());
    let why = match open.status().await {
        Ok(status) if status.success() => return,
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    let body = format!("{path}: xdg-open: {why}");
    tell(&said, "Anabranch could not open that".to_owned(), body);
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::{Offset, TimeZone};
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[test]
    fn a_pause_ends_when_it_was_said() {
        let at = |zone: &TimeZone, day, hour, minute| {
            let local = date(2026, 11, day).at(hour, minute, 0, 0);
            local.to_zoned_datetime(zone.clone()).unwrap()
        };
        let utc = TimeZone::UTC;
        let east = TimeZone::fixed(Offset::from_seconds(5 * 3600 + 1800).unwrap());
        let table = [
            (at(&utc, 24, 17, 10), Span::Minutes(30), Some(at(&utc, 24, 17, 40))),
            (at(&utc, 24, 23, 40), Span::Minutes(60), Some(at(&utc, 25, 0, 40))),
            (at(&utc, 24, 0, 0), Span::UntilTomorrow, Some(at(&utc, 24, 7, 0))),
            (at(&utc, 24, 6, 59), Span::UntilTomorrow, Some(at(&utc, 24, 7, 0))),
            (at(&utc, 24, 7, 0), Span::UntilTomorrow, Some(at(&utc, 25, 7, 0))),
            (at(&utc, 24, 23, 59), Span::UntilTomorrow, Some(at(&utc, 25, 7, 0))),
            (at(&east, 24, 8, 0), Span::UntilTomorrow, Some(at(&utc, 25, 1, 30))),
            (at(&utc, 24, 17, 10), Span::UntilResumed, None),
        ];
        for (now, span, end) in table {
            let end = end.map(|end| u64::try_from(end.timestamp().as_second()).unwrap());
            assert_eq!(span.until(&now), end, "{span:?} at {now:?}");
        }
    }
    #[test]
    fn what_is_told_of_an_answer_is_whole_and_true() {
        let words =
            "STICK is safe to unplug: it is unmounted and switched off. 2 files that belong on it are not on it.";
        let done = || Answer::Done(words.to_owned());
        let stays = || Answer::Refused("the drive stays, as you asked".to_owned());
        let table = [
            (true, done(), Some(("The drive was ejected", words))),
            (false, done(), None),
            (
                true,
                stays(),
                Some(("The drive was not ejected", "the drive stays, as you asked")),
            ),
            (
                false,
                Answer::Refused("no room".to_owned()),
                Some(("Anabranch could not do that", "no room")),
            ),
        ];
        for (is_eject, answer, expected) in table {
            let told = told(is_eject, answer.clone());
            let told = told.as_ref().map(|(title, body)| (*title, body.as_str()));
            assert_eq!(told, expected, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_shown_is_told_of() {
        let (said, mut heard) = unbounded_channel();
        show("/no/such/folder".to_owned(), said).await;
        let told = heard.recv().await.unwrap();
        assert_eq!(told.title, "Anabranch could not open that");
        assert!(told.body.starts_with("/no/such/folder: xdg-open: "), "{told:?}");
    }
}
