//! The status of a folder: a function of the assistant's state and the work in progress.

pub(crate) mod git;
mod notes;
mod problems;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use annex::settings::{Address, RemoteSettings};
use annex::{Annex, Facts};
use assistant::{About, Assistant, Class, Deletions, Direction, Question, Reach, RemoteView, Root};
use contract::{Action, Contact, Folder, Held, Pause, PauseReason, Place, Problem, Progress, State, Way, Work};
use jiff::Timestamp;
use model::{RemoteName, Uuid};
use remotes::Remote;
use surroundings::Why;

use crate::login;
use crate::observations::Damage;
use crate::rules::policy;
use crate::rules::preferred_content;
use crate::views::contacts::contact;
use crate::words::files;
use crate::work::trust::{holders, is_counted};
use crate::work::{FolderState, Underway};
use notes::notes;
use problems::problems;

/// How many nested repositories are named besides the first.
const NAMED: usize = 9;

/// The status of a folder with a running engine.
pub(crate) fn of_folder(assistant: &Assistant, state: &FolderState, pause: Option<Pause>) -> Folder {
    let mut folder = unattended(state);
    folder.pause = pause;
    folder.transfers = state.transfers.all().iter().map(progress).collect();
    let asked = assistant.questions().first().map(|asked| question(asked, state));
    folder.question = asked
        .or_else(|| state.remotes.asks_about().map(|place| place.question()))
        .or_else(|| state.login_question().map(|asked| login::in_words(&asked)));
    folder.problems = problems(assistant, state);
    folder.damaged = state.failures().damaged().map(|_| 1).sum();
    folder.conflicts = state.failures().conflicts();
    if let Some(facts) = state.known_facts() {
        let configured = state.configured();
        let copies = configured.copies(&facts);
        let few = |class: &&Class| has_few_copies(class, copies, &facts);
        folder.few_copies = assistant.classes().iter().filter(few).map(|class| class.keys).sum();
        folder.settings = Some(configured.told(&facts));
    }
    folder.places = places(assistant, state);
    folder.held = held_here(assistant, state);
    folder.full = full(assistant, state, &folder);
    folder.waiting = waiting(assistant, state, &folder);
    folder.notes = notes(state);
    let classes = assistant.classes();
    folder.keys = classes
        .iter()
        .filter(|class| !class.want.is_empty())
        .map(|class| class.keys)
        .sum();
    folder.bytes = classes
        .iter()
        .filter(|class| !class.want.is_empty())
        .map(|class| class.bytes)
        .sum();
    folder.has_looked = assistant.has_looked();
    folder.work = work(assistant);
    folder.state = if folder.question.is_some() || !folder.problems.is_empty() {
        State::NeedsYou
    } else if assistant.is_paused() {
        State::Paused
    } else if !folder.has_looked {
        State::Stopped
    } else if folder.work != Work::Nothing {
        State::Working
    } else if !folder.waiting.is_empty() {
        State::Waiting
    } else {
        State::Safe
    };
    folder.headline = headline(&folder, assistant);
    // Nothing waits for the answer, so it changes nothing above.
    folder.question = folder.question.or_else(|| git::question(state));
    folder
}

fn work(assistant: &Assistant) -> Work {
    let knows_all = assistant.has_looked() && assistant.root() == Root::Same;
    if assistant.goes_on() {
        Work::UnderWay
    } else if !knows_all || assistant.is_working() || assistant.pending_transfers() > 0 {
        Work::HeldUp
    } else {
        Work::Nothing
    }
}

/// The path of a folder for the user, which also identifies it in commands.
pub(crate) fn place(annex: &Annex) -> String {
    let place = annex.work_tree().unwrap_or(annex.git_dir()).to_string_lossy();
    place.trim_end_matches('/').to_owned()
}

/// The status of a folder without an engine.
pub(crate) fn unattended(state: &FolderState) -> Folder {
    let annex = state.annex();
    Folder {
        uuid: annex.uuid().to_string(),
        description: state.description(annex.uuid()),
        headline: "no engine runs here; start one with 'anabranch run'".to_owned(),
        recent: state.log.recent(),
        ..Folder::at(place(annex))
    }
}

fn headline(folder: &Folder, assistant: &Assistant) -> String {
    match folder.state {
        State::NeedsYou => match (&folder.question, folder.problems.first()) {
            (Some(_), _) => "a question waits for your answer".to_owned(),
            (None, Some(problem)) => problem.what.clone(),
            (None, None) => "something needs you".to_owned(),
        },
        State::Stopped => "scanning all files".to_owned(),
        State::Paused => match folder.pause.map(|pause| pause.reason) {
            Some(PauseReason::Battery) => "paused while this computer runs on battery".to_owned(),
            Some(PauseReason::Asked) | None => "paused".to_owned(),
        },
        State::Working => match assistant.pending_transfers() {
            0 => "scanning for changes".to_owned(),
            count => format!("transferring {}", files(count as u64)),
        },
        State::Waiting => folder.waiting.first().cloned().unwrap_or_else(|| "waiting".to_owned()),
        State::Safe => format!("up to date ({})", files(folder.keys)),
    }
}

fn progress((id, transfer): &(String, Underway)) -> Progress {
    let what = match transfer.files {
        1 => transfer.what.clone(),
        files => format!("{files} files"),
    };
    Progress {
        id: id.clone(),
        place: transfer.remote.to_string(),
        direction: match transfer.direction {
            Direction::Get => contract::Direction::Receiving,
            Direction::Send => contract::Direction::Sending,
        },
        what,
        done: transfer.done.load(Ordering::Relaxed),
        total: transfer.total,
    }
}

/// The id of a question, for an answer that may come late.
pub(crate) fn name_of_question(question: &Question) -> String {
    match question.about() {
        About::Removed => "removed".to_owned(),
        About::Deleted(commit) => format!("deleted-{commit}"),
        About::Remote(remote) => format!("unverified-{remote}"),
    }
}

fn question(question: &Question, state: &FolderState) -> contract::Question {
    let id = name_of_question(question);
    match question {
        Question::ManyDeleted(deletions) => contract::Question {
            id,
            text: deleted_elsewhere(deletions),
            yes: "Delete them here too".to_owned(),
            no: "Keep them and bring them back".to_owned(),
            typed: None,
        },
        Question::Unverified(remote) => contract::Question {
            id,
            text: unverified(remote, state),
            yes: "It is the right place".to_owned(),
            no: "Remove it from this folder".to_owned(),
            typed: None,
        },
        Question::ManyRemoved { removed, of } => contract::Question {
            id,
            text: format!(
                "{removed} of {of} files are gone from this folder. Did you delete them on purpose? Nothing was \
                 deleted anywhere else."
            ),
            yes: "Delete them".to_owned(),
            no: "Bring them back".to_owned(),
            typed: None,
        },
    }
}

/// Describes the special remote that git-annex enabled, and what it blocks.
fn unverified(name: &RemoteName, state: &FolderState) -> String {
    let remotes = state.remotes.settings();
    let remote = remotes.get(name);
    let (kind, place) = match remote.map(|remote| &remote.address) {
        Some(Address::Special { kind, place }) => (kind.as_ref(), place.as_ref()),
        Some(Address::Path(_) | Address::Ssh(_) | Address::Http(_) | Address::Unknown(_)) | None => (None, None),
    };
    let kind = kind.map(|kind| format!(", of type {kind}")).unwrap_or_default();
    let place = place.map(|place| format!(", at {place}")).unwrap_or_default();
    format!(
        "Somebody who made this folder's repository set up the place {name}{kind}{place}, and git-annex enabled it by \
         itself. Is it where you expect it? Until you answer, Anabranch sends nothing from this folder to any place, \
         because it could get into the wrong hands."
    )
}

/// Describes who deleted how many files, where and when, as far as known.
fn deleted_elsewhere(deletions: &Deletions) -> String {
    let Deletions {
        removed,
        of,
        who,
        place,
        at,
        commit: _,
    } = deletions;
    let who = who
        .as_deref()
        .filter(|who| !who.trim().is_empty())
        .unwrap_or("Somebody");
    let place = place.as_ref().map(|place| format!(" in {place}")).unwrap_or_default();
    let at = at.and_then(|at| Timestamp::from_second(i64::try_from(at).ok()?).ok());
    let at = at.map(|at| at.strftime(" on %-d %B %Y at %H:%M UTC").to_string());
    let at = at.unwrap_or_default();
    format!(
        "{who} deleted {removed} of the {of} files of this folder{place}{at}. Should they be deleted here too? Until \
         you answer, nothing is deleted here, and later changes from there wait too."
    )
}

fn places(assistant: &Assistant, state: &FolderState) -> Vec<Place> {
    let settings = state.remotes.settings();
    let views: Vec<RemoteView<'_>> = assistant.remotes().collect();
    let facts = state.known_facts();
    let reached = state.remotes.reached();
    let stands_for = |name: &RemoteName| -> Vec<Way> {
        let others = views.iter().filter(|view| view.instead == Some(name));
        let way = |other: &RemoteView<'_>| Way {
            name: other.name.to_string(),
            contact: contact(other, settings.get(other.name).map(|settings| &settings.address)),
        };
        others.map(way).collect()
    };
    let place = |(name, settings): (&model::RemoteName, &RemoteSettings)| {
        let view = views.iter().find(|view| view.name == name);
        if view.is_some_and(|view| view.instead.is_some()) {
            return None;
        }
        let uuid = settings.uuid.as_ref();
        let way = (name.clone(), Direction::Send);
        let wanted = |class: &&Class| {
            let wants = uuid.is_some_and(|uuid| class.want.contains(uuid) && !class.have.contains(uuid));
            wants && !class.barred.contains(&way)
        };
        // Keys that may not be sent there are not waited for.
        let classes = || assistant.classes().iter().filter(|_| settings.takes_contents());
        let lacking = || classes().filter(wanted);
        let wants = view.map_or(0, |_| lacking().map(|class| class.keys).sum());
        Some(Place {
            name: name.to_string(),
            contact: match view {
                Some(view) => contact(view, Some(&settings.address)),
                None => unsupported(settings, state),
            },
            has_commits: view.is_none_or(|view| !view.lacks_heads),
            takes_nothing: reached.get(name).and_then(Remote::git_only).map(git_only).or_else(|| {
                let why = takes_nothing(settings).or_else(|| kept_by_rules(state, &settings.name));
                why.map(|why| format!("gets no content: {why}"))
            }),
            wants,
            wants_bytes: view.map_or(0, |_| lacking().map(|class| class.bytes).sum()),
            checked: uuid.and_then(|uuid| state.checked(uuid)),
            keeps: uuid
                .filter(|_| state.supports(settings))
                .zip(facts.as_deref())
                .map(|(uuid, facts)| preferred_content::told(facts, uuid)),
            held: uuid.and_then(|uuid| held(state, uuid, wants)),
            round_trip: reached.get(name).and_then(Remote::round_trip).map(milliseconds),
            other_ways: stands_for(name),
        })
    };
    settings.iter().filter_map(place).collect()
}

fn milliseconds(round_trip: Duration) -> u32 {
    u32::try_from(round_trip.as_millis()).unwrap_or(u32::MAX)
}

/// The cancelled transfers, among the keys that a repository wants and lacks.
fn held(state: &FolderState, uuid: &Uuid, wants: u64) -> Option<Held> {
    let held = state.priorities().held(uuid, state.clock.now())?;
    let files = held.files.min(wants);
    (files > 0).then_some(Held { files, ..held })
}

fn held_here(assistant: &Assistant, state: &FolderState) -> Option<Held> {
    let lacking = assistant.classes().iter().filter(|class| is_lacking(class, state));
    held(state, state.annex().uuid(), lacking.map(|class| class.keys).sum())
}

/// True if some repository wants the keys of a class and there are fewer copies than required. Only trusted
/// repositories count. The numbers that `.gitattributes` sets for single files are ignored.
pub(crate) fn has_few_copies(class: &Class, copies: u32, facts: &Facts) -> bool {
    let wanted = usize::try_from(copies).unwrap_or(usize::MAX);
    let counted = class.have.iter().filter(|uuid| is_counted(facts, uuid));
    !class.want.is_empty() && counted.count() < wanted
}

/// The places that have no space left for keys that they want.
fn full(assistant: &Assistant, state: &FolderState, folder: &Folder) -> Vec<String> {
    let lacks_room = |place: &Place, direction| {
        RemoteName::parse(&place.name).is_some_and(|name| state.failures().lacks_room(&name, direction))
    };
    let sending = folder.places.iter().filter(|place| place.wants > 0);
    let sending = sending.filter(|place| lacks_room(place, Direction::Send));
    let mut full: Vec<String> = sending.map(|place| place.name.clone()).collect();
    let mut places = folder.places.iter();
    if places.any(|place| lacks_room(place, Direction::Get))
        && assistant.classes().iter().any(|class| is_lacking(class, state))
    {
        full.push(folder.path.clone());
    }
    full
}

pub(crate) fn unsupported(settings: &RemoteSettings, state: &FolderState) -> Contact {
    if !state.rules().policy.allows_git(&settings.name) {
        return Contact::Unsupported("a rule forbids any exchange with it".to_owned());
    }
    Contact::Unsupported(match settings.sync {
        false => "annex-sync is off for it".to_owned(),
        true => state
            .unusable(settings)
            .unwrap_or_else(|| "annex-private is set for it".to_owned()),
    })
}

/// Files that only these places have, as "2 files are only in A and B".
fn only_in(count: u64, holders: &[String]) -> String {
    let are = if count == 1 { "is" } else { "are" };
    let names = match holders {
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => holders.concat(),
    };
    format!("{} {are} only in {names}", files(count))
}

/// What a place gets of which only the git part is used.
fn git_only(why: &str) -> String {
    format!("git only: it gets names and history of all files, but no content ({why})")
}

/// Why no content is sent to a place, if the rules bar all of it.
fn kept_by_rules(state: &FolderState, name: &RemoteName) -> Option<&'static str> {
    let rules = state.rules();
    let why = match rules.mistake {
        Some(_) => "Anabranch cannot read the rules",
        None => "a rule forbids it",
    };
    rules.policy.is_closed(name, Direction::Send).then_some(why)
}

/// Why no content is sent to a place, if git's settings forbid it.
pub(crate) fn takes_nothing(settings: &RemoteSettings) -> Option<&'static str> {
    let why = match settings {
        settings if settings.takes_contents() => return None,
        RemoteSettings { ignore: true, .. } => "annex-ignore is set for it",
        RemoteSettings { readonly: true, .. } => "annex-readonly is set for it",
        RemoteSettings { push: false, .. } => "annex-push is off for it",
        RemoteSettings { .. } => "git pushes to another address than it fetches from (pushurl or pushInsteadOf)",
    };
    Some(why)
}

/// Why the last transfer to a place failed, if it did; to be appended to a sentence.
fn because(state: &FolderState, name: &str) -> String {
    let why = RemoteName::parse(name).and_then(|name| {
        let failures = state.failures();
        failures.reason(&name, Direction::Send).map(|why| format!(": {why}"))
    });
    why.unwrap_or_default()
}

/// Why the last push to a place failed, if it did; to be appended to a sentence.
fn trouble(assistant: &Assistant, name: &str) -> String {
    let mut remotes = assistant.remotes().filter(|view| view.name.as_str() == name);
    let why = remotes.next().and_then(|view| view.trouble);
    why.map(|why| format!(": {why}")).unwrap_or_default()
}

/// Explains that a place is on another branch, so that its files and those here never meet.
fn other_branch((here, there): &(String, String), name: &str) -> String {
    format!(
        "{name} is on the branch {there} and this folder on {here}, so neither gets the other's files. Nothing is lost. \
         Run 'git checkout {there}' here, or 'git checkout {here}' there"
    )
}

/// Explains that transfers were cancelled, and when they resume, in words that do not become outdated.
fn cancelled(held: Held) -> String {
    let were = match held.files {
        1 => "was cancelled and resumes",
        _ => "were cancelled and resume",
    };
    format!("{were} within an hour, or as soon as you sync")
}

/// Why something is still waiting, one sentence each. Empty if and only if everything is up to date.
fn waiting(assistant: &Assistant, state: &FolderState, folder: &Folder) -> Vec<String> {
    let mut reasons = Vec::new();
    for place in &folder.places {
        let name = &place.name;
        let away = match &place.contact {
            Contact::Unsupported(_) => continue,
            Contact::Away(why) => Some(why.as_str()),
            Contact::Unknown | Contact::Here => None,
        };
        match (place.wants, place.has_commits, away) {
            (0, true, _) => {}
            (0, false, Some(why)) => reasons.push(format!(
                "{name} does not have all changes: it is not connected \
                                                           ({why})"
            )),
            (0, false, None) => reasons.push(format!(
                "{name} does not have all changes yet{}",
                trouble(assistant, name)
            )),
            (wants, _, Some(why)) => reasons.push(format!(
                "{} left to copy to {name}: it is not connected ({why})",
                files(wants)
            )),
            (wants, _, None) => {
                let held = place.held.map(|held| match held.files == wants {
                    true => format!(": {} {}", if wants == 1 { "it" } else { "they" }, cancelled(held)),
                    false => format!("; {} of them {}", held.files, cancelled(held)),
                });
                reasons.push(format!(
                    "{} left to copy to {name}{}{}",
                    files(wants),
                    because(state, name),
                    held.unwrap_or_default()
                ));
            }
        }
    }
    let reached: BTreeSet<Uuid> = state
        .remotes
        .reached()
        .values()
        .filter_map(|remote| remote.uuid().cloned())
        .collect();
    let facts = state.known_facts().unwrap_or_default();
    for class in assistant.classes().iter().filter(|class| is_lacking(class, state)) {
        let have = holders(&class.have, &facts);
        let holders: Vec<String> = have.iter().map(|uuid| state.description(uuid)).collect();
        reasons.push(if have.is_empty() {
            format!("there is no known copy of {}", files(class.keys))
        } else if have.is_disjoint(&reached) {
            format!("{}, which Anabranch cannot reach now", only_in(class.keys, &holders))
        } else if !gives(state, class) {
            format!(
                "{}, and git's settings let no content come from there (annex-ignore or annex-pull)",
                only_in(class.keys, &holders)
            )
        } else {
            let failures = state.failures();
            let mut failed = failures
                .reasons_to_get()
                .map(|(name, why)| format!("; receiving from {name} failed: {why}"));
            let why = failed.next().unwrap_or_default();
            match class.keys {
                1 => format!("1 file left to receive{why}"),
                count => format!("{count} files left to receive{why}"),
            }
        });
    }
    reasons.extend(folder.held.map(|held| {
        let were = cancelled(held);
        format!("{} on the way to this folder {were}", files(held.files))
    }));
    let unmerged = assistant
        .remotes()
        .filter(|view| view.unfetched && matches!(view.reach, Some(Reach::Here(_))));
    reasons.extend(unmerged.map(|view| format!("Anabranch could not fetch the changes of {} yet", view.name)));
    for view in assistant.remotes() {
        let branches = state.remotes.other_branch(view.name);
        reasons.extend(branches.map(|branches| other_branch(&branches, view.name.as_str())));
    }
    // During a pause, files are postponed because their ingest was stopped.
    if assistant.is_postponed() && !assistant.is_paused() {
        let mut postponed = assistant.postponed();
        let first = postponed.next().map(ToString::to_string).unwrap_or_default();
        reasons.push(match postponed.count() {
            0 => format!("a program is still writing {first}"),
            1 => format!("programs are still writing {first} and 1 more file"),
            others => format!("programs are still writing {first} and {others} more files"),
        });
    }
    reasons
}

/// True if, by git's settings, content may be received from some place that has the keys.
fn gives(state: &FolderState, class: &Class) -> bool {
    let remotes = state.remotes.settings();
    let has = |remote: &&RemoteSettings| remote.uuid.as_ref().is_some_and(|uuid| class.have.contains(uuid));
    remotes.values().filter(has).any(RemoteSettings::gives_contents)
}

/// True if the keys of a class are wanted and missing here, unless rules bar receiving them from every place that has
/// them.
pub(crate) fn is_lacking(class: &Class, state: &FolderState) -> bool {
    let here = state.annex().uuid();
    class.want.contains(here) && !class.have.contains(here) && !is_kept_away(state, &class.have, &class.barred)
}

/// True if rules bar receiving a key from every place that has it.
pub(crate) fn is_kept_away(
    state: &FolderState,
    have: &BTreeSet<Uuid>,
    barred: &BTreeSet<(RemoteName, Direction)>,
) -> bool {
    let remotes = state.remotes.settings();
    let mut holders = remotes
        .values()
        .filter(|remote| remote.uuid.as_ref().is_some_and(|uuid| have.contains(uuid)))
        .peekable();
    holders.peek().is_some() && holders.all(|holder| barred.contains(&(holder.name.clone(), Direction::Get)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use annex::Facts;
    use assistant::{Class, ClassId};
    use model::Uuid;
    use model::expression::Trust;

    use super::has_few_copies;

    #[test]
    fn only_copies_in_trusted_repositories_count() {
        let uuids =
            |names: &[&str]| -> BTreeSet<Uuid> { names.iter().map(|name| Uuid::parse(name).unwrap()).collect() };
        let class = |keys, have: &[&str], want: &[&str]| Class {
            id: ClassId(1),
            have: uuids(have),
            want: uuids(want),
            barred: BTreeSet::new(),
            spare: None,
            keys,
            bytes: 0,
        };
        let classes = [
            class(1, &[], &["a"]),
            class(10, &["a"], &["a"]),
            class(100, &["a", "b"], &["a"]),
            class(1000, &["a", "lost"], &["a"]),
            // No repository wants it, or no file uses it any more.
            class(10_000, &[], &[]),
        ];
        let facts = Facts {
            trust: [(Uuid::parse("lost").unwrap(), Trust::Dead)].into(),
            ..Facts::default()
        };
        for (copies, few) in [(1, 1), (2, 1011), (3, 1111)] {
            let found = classes.iter().filter(|class| has_few_copies(class, copies, &facts));
            assert_eq!(found.map(|class| class.keys).sum::<u64>(), few, "{copies}");
        }
    }
}
