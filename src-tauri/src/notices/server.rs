//! The desktop's notification server, which may come late, end, come again, or never be there.

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use contract::Status;
use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use zbus::names::UniqueName;
use zbus::proxy::CacheProperties;
use zbus::zvariant::Value;
use zbus::{Connection, Message, Proxy, connection};

use super::history::History;
use super::record::Record;
use super::{About, Notice, Said, Urgency};
use crate::acts::Act;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// The name of the program's desktop file and of its icon.
const PROGRAM: &str = "org.anabranch.Desktop";
/// A server that has not answered by then does not: one that hangs must not hold up what comes after. The bus may have
/// to start it first.
const TIME_TO_ANSWER: Duration = Duration::from_secs(10);
/// The end of the program waits at most so long for the last notifications to be taken back.
const PATIENCE: Duration = Duration::from_secs(1);
/// A computer that sleeps stops the timer, but not the clock.
const LONGEST_SLEEP: u64 = 60 * 60;

/// The notifications of this process, shown on a task of their own.
pub(crate) struct Notices {
    said: UnboundedSender<Said>,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Notices {
    /// Follows the status from now on; clicks become acts.
    pub(crate) fn start(status: watch::Receiver<Status>, acts: UnboundedSender<Act>) -> Self {
        let (said, heard) = unbounded_channel();
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            // A bus that cannot be reached is told of by the tray, which needs it more.
            let _ = run(status, acts, heard, ended).await;
        });
        Self { said, end, task }
    }

    /// Takes what the user is to be told of what he asked for.
    pub(crate) fn said(&self) -> UnboundedSender<Said> {
        self.said.clone()
    }

    /// Takes back what is shown: its buttons would do nothing any more.
    pub(crate) async fn end(self) {
        // Without a bus the task has ended already; a server that does not answer keeps what it shows.
        let _ = self.end.send(());
        let abort = self.task.abort_handle();
        if tokio::time::timeout(PATIENCE, self.task).await.is_err() {
            abort.abort();
        }
    }
}

async fn run(
    mut status: watch::Receiver<Status>,
    acts: UnboundedSender<Act>,
    mut said: UnboundedReceiver<Said>,
    mut end: oneshot::Receiver<()>,
) -> zbus::Result<()> {
    let bus = connection::Builder::session()?
        .method_timeout(TIME_TO_ANSWER)
        .build()
        .await?;
    let server: Proxy<'_> = zbus::proxy::Builder::new(&bus)
        .destination(NAME)?
        .path(PATH)?
        .interface(NAME)?
        .cache_properties(CacheProperties::No)
        .build()
        .await?;
    // Listened to before anything is shown, and in one stream: a click comes before the close that follows it.
    let mut signals = server.receive_all_signals().await?;
    let mut owners = server.receive_owner_changed().await?;
    let (record, history) = Record::read(Record::find());
    let mut screen = Screen {
        presence: Presence::find(&bus).await?,
        server,
        acts,
        record,
        history,
        ids: BTreeMap::new(),
        capabilities: None,
    };
    let mut seen = Status::default();
    status.mark_changed();
    loop {
        let due = screen.catch_up(&seen).await;
        tokio::select! {
            changed = status.changed() => {
                if changed.is_err() {
                    break;
                }
                let now = status.borrow_and_update().clone();
                screen.history.observe(&seen, &now, seconds());
                seen = now;
            }
            Some(said) = said.recv() => screen.history.say(said),
            Some(signal) = signals.next() => screen.hear(&signal).await,
            Some(owner) = owners.next() => screen.is_owned(owner),
            () = reached(due) => {}
            _ = &mut end => break,
        }
    }
    screen.clear().await;
    Ok(())
}

/// Whether there is a server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Presence {
    /// Who has the name of the server.
    owner: Option<UniqueName<'static>>,
    /// The bus starts one when it is called.
    can_start: bool,
    /// It was called and did not come; another may.
    has_failed: bool,
}

impl Presence {
    async fn find(bus: &Connection) -> zbus::Result<Self> {
        let bus = zbus::fdo::DBusProxy::new(bus).await?;
        let names = bus.list_activatable_names().await?;
        let owner = match bus.get_name_owner(NAME.try_into()?).await {
            Ok(owner) => Some(owner.into()),
            Err(zbus::fdo::Error::NameHasNoOwner(_)) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            owner,
            can_start: names.iter().any(|name| name.as_str() == NAME),
            has_failed: false,
        })
    }

    fn can_be_called(&self) -> bool {
        (self.owner.is_some() || self.can_start) && !self.has_failed
    }

    /// The name of the server has this owner now, or none. True if another had it before, with all that was shown; a
    /// server that came because it was called keeps what it was called for, and so does one whose coming is told after
    /// it was found.
    fn changes(&mut self, owner: Option<UniqueName<'static>>) -> bool {
        self.has_failed = false;
        let before = std::mem::replace(&mut self.owner, owner);
        before.is_some() && before != self.owner
    }
}

/// What is shown, and where.
struct Screen<'a> {
    server: Proxy<'a>,
    presence: Presence,
    /// What it can do; none if it was not asked yet.
    capabilities: Option<Capabilities>,
    acts: UnboundedSender<Act>,
    record: Record,
    history: History,
    /// The server's numbers of what is shown.
    ids: BTreeMap<About, u32>,
}

/// What a server can do, as far as it matters here.
#[derive(Debug, Clone, Copy)]
struct Capabilities {
    actions: bool,
    /// The body is read as markup.
    markup: bool,
}

impl Screen<'_> {
    /// Shows and takes back what there is to now; returns when to come again.
    async fn catch_up(&mut self, status: &Status) -> Option<u64> {
        if !self.presence.can_be_called() {
            // What ended meanwhile must not be taken for what lasts since then by the next start.
            self.record.keep(&self.history);
            return None;
        }
        let at = seconds();
        let (step, next) = self.history.next(status, at);
        for about in &step.withdraw {
            self.close(about).await;
        }
        if let Some(notice) = step.show {
            match self.notify(&notice).await {
                Ok(id) => drop(self.ids.insert(notice.about, id)),
                Err(error) => {
                    self.presence.has_failed = self.presence.owner.is_none();
                    if is_late(&error) {
                        // It may show this one yet; what it is asked first next time shows no other.
                        self.capabilities = None;
                    }
                    if self.history.is_refused(notice.about, at) {
                        crate::say(&format!("a notification could not be shown: {}", why(&error)));
                    }
                    // It may refuse this one and take others.
                    return Some(at);
                }
            }
        }
        self.history = next;
        self.record.keep(&self.history);
        step.again_at
    }

    async fn notify(&mut self, notice: &Notice) -> zbus::Result<u32> {
        let capabilities = match self.capabilities {
            Some(known) => known,
            None => {
                let names: Vec<String> = self.server.call("GetCapabilities", &()).await?;
                let has = |name: &str| names.iter().any(|other| other == name);
                let found = Capabilities {
                    actions: has("actions"),
                    markup: has("body-markup"),
                };
                *self.capabilities.insert(found)
            }
        };
        let urgency: u8 = match notice.urgency {
            Urgency::Low => 0,
            Urgency::Normal => 1,
            Urgency::Critical => 2,
        };
        // Danger stays; for all else the server knows how long.
        let expires: i32 = match notice.urgency {
            Urgency::Critical => 0,
            Urgency::Low | Urgency::Normal => -1,
        };
        let hints = HashMap::from([
            ("urgency", Value::U8(urgency)),
            ("category", Value::from(notice.category)),
            ("desktop-entry", Value::from(PROGRAM)),
        ]);
        let replaces = self.ids.get(&notice.about).copied().unwrap_or_default();
        let (body, actions) = (body(notice, capabilities), actions(notice, capabilities));
        let call = (
            "Anabranch",
            replaces,
            PROGRAM,
            notice.title.as_str(),
            body,
            actions,
            hints,
            expires,
        );
        self.server.call("Notify", &call).await
    }

    async fn hear(&mut self, signal: &Message) {
        let (header, body) = (signal.header(), signal.body());
        match header.member().map(|member| member.as_str()) {
            Some("ActionInvoked") => {
                if let Ok((id, key)) = body.deserialize::<(u32, &str)>() {
                    self.is_clicked(id, key).await;
                }
            }
            Some("NotificationClosed") => {
                if let Ok((id, _reason)) = body.deserialize::<(u32, u32)>()
                    && let Some(about) = self.about(id)
                {
                    self.ids.remove(&about);
                    self.history.is_closed(&about);
                }
            }
            Some(_) | None => {}
        }
    }

    async fn is_clicked(&mut self, id: u32, key: &str) {
        let Some(about) = self.about(id) else { return };
        let actions = self.history.shown(&about).map(|notice| notice.actions.as_slice());
        let chosen = key
            .parse()
            .ok()
            .and_then(|number: usize| actions.unwrap_or_default().get(number));
        if let Some((_, Some(act))) = chosen {
            // Whoever would do it has ended only if the program does.
            let _ = self.acts.send(act.clone());
        }
        // Not all servers close what was clicked.
        self.close(&about).await;
        self.history.is_closed(&about);
    }

    fn about(&self, id: u32) -> Option<About> {
        let mut ids = self.ids.iter();
        ids.find(|(_, own)| **own == id).map(|(about, _)| about.clone())
    }

    /// A server came or went.
    fn is_owned(&mut self, owner: Option<UniqueName<'static>>) {
        self.history.forget_refusals();
        if self.presence.changes(owner) {
            self.capabilities = None;
            self.ids.clear();
            self.history.is_deserted();
        }
    }

    async fn close(&mut self, about: &About) {
        if let Some(id) = self.ids.remove(about) {
            // It fails when it is closed already, or the server is gone.
            let _: zbus::Result<()> = self.server.call("CloseNotification", &id).await;
        }
    }

    async fn clear(&mut self) {
        let all: Vec<About> = self.ids.keys().cloned().collect();
        for about in all {
            self.close(&about).await;
        }
    }
}

/// The words below the title; where there are no buttons, with where to go.
fn body(notice: &Notice, capabilities: Capabilities) -> String {
    let words = match capabilities.actions || notice.elsewhere.is_empty() {
        true => notice.body.clone(),
        false => format!("{} {}", notice.body, notice.elsewhere),
    };
    match capabilities.markup {
        true => words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        false => words,
    }
}

/// The buttons: the number of each, and its words.
fn actions(notice: &Notice, capabilities: Capabilities) -> Vec<String> {
    if !capabilities.actions {
        return Vec::new();
    }
    let numbered = notice.actions.iter().enumerate();
    numbered
        .flat_map(|(number, (label, _))| [number.to_string(), label.clone()])
        .collect()
}

/// True if the server has not answered in time.
fn is_late(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::InputOutput(error) if error.kind() == ErrorKind::TimedOut)
}

fn why(error: &zbus::Error) -> String {
    if is_late(error) {
        return "the notification server does not answer".to_owned();
    }
    error.to_string()
}

/// Seconds since the epoch.
fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock before the epoch stands at it.
    since.unwrap_or_default().as_secs()
}

async fn reached(due: Option<u64>) {
    match due {
        Some(due) => {
            let wait = due.saturating_sub(seconds()).clamp(1, LONGEST_SLEEP);
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> Notice {
        Notice {
            about: About::Answer(0),
            urgency: Urgency::Normal,
            category: "transfer",
            title: "Tom & <Ann>".to_owned(),
            body: "Tom & <Ann>.".to_owned(),
            elsewhere: "Look there.".to_owned(),
            actions: vec![("Look…".to_owned(), Some(Act::OpenWindow)), ("Later".to_owned(), None)],
            count: 1,
        }
    }

    #[test]
    fn what_was_shown_goes_with_the_server_that_showed_it() {
        let absent = Presence {
            owner: None,
            can_start: false,
            has_failed: false,
        };
        let can_start = Presence {
            can_start: true,
            ..absent.clone()
        };
        // Comes, is told of again, is replaced, goes, comes.
        let steps = [
            (Some(":1.5"), false),
            (Some(":1.5"), false),
            (Some(":1.6"), true),
            (None, true),
            (Some(":1.7"), false),
        ];
        for (mut presence, without) in [(absent, false), (can_start, true)] {
            assert_eq!(presence.can_be_called(), without);
            for (owner, is_deserted) in steps {
                presence.has_failed = true;
                assert!(!presence.can_be_called());
                let name = owner.map(|owner| owner.try_into().unwrap());
                assert_eq!(presence.changes(name), is_deserted, "{owner:?}");
                assert_eq!(presence.can_be_called(), owner.is_some() || without);
            }
        }
    }

    #[test]
    fn what_is_sent_is_what_the_server_can_show() {
        let table = [
            (true, true, "Tom &amp; &lt;Ann&gt;.", &["0", "Look…", "1", "Later"][..]),
            (true, false, "Tom & <Ann>.", &["0", "Look…", "1", "Later"]),
            (false, true, "Tom &amp; &lt;Ann&gt;. Look there.", &[]),
            (false, false, "Tom & <Ann>. Look there.", &[]),
        ];
        for (can_act, markup, words, buttons) in table {
            let capabilities = Capabilities {
                actions: can_act,
                markup,
            };
            assert_eq!(body(&notice(), capabilities), words);
            assert_eq!(actions(&notice(), capabilities), buttons);
        }
    }
}
