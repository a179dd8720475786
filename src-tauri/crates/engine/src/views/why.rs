//! Tells where one file is, where it should be, and what it is waiting for.

use std::collections::BTreeSet;

use annex::Standing;
use annex::settings::RemoteSettings;
use assistant::Direction;
use contract::{Contact, Holder, Missing, Why};
use model::{RepoPath, Uuid};

use super::contacts::Contacts;
use super::status::{is_kept_away, takes_nothing, unsupported};
use crate::Error;
use crate::observations::{Described, FileFacts, Reader, are_unmade};
use crate::work::FolderState;
use crate::work::trust::holders;

/// Reads the observations about a file. `contacts` is none if no engine runs.
pub(crate) fn why(state: &FolderState, contacts: Option<&Contacts>, path: &RepoPath) -> Result<Why, Error> {
    let failed = |source| Error::Observations {
        path: state.annex().own_dir(),
        source,
    };
    let reader = Reader::open(&state.annex().own_dir()).or_else(|error| {
        // The next engine makes them again.
        match contacts.is_none() && are_unmade(&state.annex().own_dir(), &error) {
            true => Reader::empty(),
            false => Err(error),
        }
    });
    let reader = reader.map_err(failed)?;
    let file = reader.file(path).map_err(failed)?;
    let described = reader.described().map_err(failed)?;
    let mut why = observed(state, contacts, path, file, &described)?;
    if contacts.is_none() && described.tree.is_some() && is_behind(state, &described) {
        why.sentence.push_str(
            "; an engine last scanned this folder before its latest commits, so 'anabranch sync' may know more",
        );
    }
    let waiting = state.waiting();
    let waits = match waiting.iter().find(|waiting| waiting.path == path.as_bytes()) {
        Some(waiting) => format!("Anabranch cannot update it yet ({})", waiting.why),
        // Only the engine that tried knows the reason.
        None if state.annex().lacks_change(path)? => {
            "Anabranch has a change of it from elsewhere, but has not applied it yet".to_owned()
        }
        None => return Ok(why),
    };
    let sentence = format!("{waits}; {}", why.sentence);
    Ok(Why { sentence, ..why })
}

/// True if some commits are not observed yet.
fn is_behind(state: &FolderState, described: &Described) -> bool {
    let heads = state.refs().heads;
    (described.tree, described.annex) != (heads.tree, heads.annex)
}

fn observed(
    state: &FolderState,
    contacts: Option<&Contacts>,
    path: &RepoPath,
    file: Option<FileFacts>,
    described: &Described,
) -> Result<Why, Error> {
    // This reads the descriptions too.
    state.settings()?;
    let standing = state.annex().standing(path);
    let standing = standing.unwrap_or_else(|error| Standing::Unreadable(error.to_string()));
    let Some(mut facts) = file else {
        let outside = || match standing == Standing::Tracked && is_behind(state, described) {
            true if contacts.is_none() => {
                "Anabranch does not know yet which places have its content; 'anabranch sync' finds out".to_owned()
            }
            true => {
                "it was committed just now: Anabranch is still finding out which places have its content".to_owned()
            }
            false => outside(&standing),
        };
        return Ok(Why {
            path: path.to_string(),
            key: None,
            have: Vec::new(),
            want: Vec::new(),
            missing: Vec::new(),
            sentence: left_out(state, path).unwrap_or_else(outside),
        });
    };
    let known = state.known_facts().unwrap_or_default();
    facts.have = holders(&facts.have, &known);
    let names = |set: &BTreeSet<Uuid>| set.iter().map(|uuid| state.description(uuid)).collect::<Vec<_>>();
    let holder = |uuid: &Uuid| Holder {
        place: state.description(uuid),
        checked: state.checked(uuid),
    };
    let waits = Waits {
        state,
        contacts,
        remotes: state.remotes.settings().into_values().collect(),
        facts: &facts,
    };
    let lacking: BTreeSet<Uuid> = facts.want.difference(&facts.have).cloned().collect();
    let missing = lacking.iter().map(|uuid| Missing {
        place: state.description(uuid),
        reason: waits.reason(uuid),
    });
    Ok(Why {
        path: path.to_string(),
        key: Some(facts.key.to_string()),
        have: facts.have.iter().map(holder).collect(),
        want: names(&facts.want),
        missing: missing.collect(),
        sentence: match left_out(state, path).or_else(|| unread(&standing)) {
            Some(here) => format!("{here}; before that, {}", waits.sentence(lacking)),
            None => waits.sentence(lacking),
        },
    })
}

/// Why the last scan or ingest left a file out.
fn left_out(state: &FolderState, path: &RepoPath) -> Option<String> {
    state
        .log
        .left_out(path)
        .map(|why| format!("Anabranch does not sync it: {why}"))
}

/// Why the current version of an annexed file is not committed; none if it is.
fn unread(standing: &Standing) -> Option<String> {
    match standing {
        Standing::BeingWritten
        | Standing::EditedPointer
        | Standing::Changed
        | Standing::Deleted
        | Standing::Special(_)
        | Standing::Directory
        | Standing::Unreadable(_) => Some(outside(standing)),
        // If the last commit no longer has it, the observations are about to follow.
        Standing::Tracked
        | Standing::New
        | Standing::Gone
        | Standing::Ignored { .. }
        | Standing::Nested(_)
        | Standing::Passing => None,
    }
}

/// Describes a path that is not annexed.
fn outside(standing: &Standing) -> String {
    match standing {
        Standing::Tracked => "git itself stores it, so it travels with every commit".to_owned(),
        Standing::Changed => "it was changed here, and the change is not committed yet".to_owned(),
        Standing::New => "it is new: an engine adds it at its next scan".to_owned(),
        Standing::BeingWritten => {
            "a program has it open for writing; Anabranch adds it as soon as that program closes it".to_owned()
        }
        Standing::EditedPointer => {
            "a program changed it before its content arrived. It holds a placeholder and that change, so Anabranch \
             does not sync it. Copy the change to another file, then run 'git restore' \
                                    on this one"
                .to_owned()
        }
        Standing::Deleted => "it was deleted here, and the deletion is not committed yet".to_owned(),
        Standing::Gone => "this folder has no file of that name".to_owned(),
        Standing::Ignored { by, line } => format!("it is ignored, by line {line} of {}", by.display()),
        Standing::Nested(repository) => {
            let repository = repository.display();
            format!("{repository} is a git repository of its own, so Anabranch syncs nothing new in it")
        }
        Standing::Directory => "it is a directory; ask about a file in it".to_owned(),
        Standing::Special(kind) => format!("it is not a regular file but {kind}, which Anabranch cannot sync"),
        Standing::Passing => {
            "the file system keeps it for a program that has it open, and removes it by itself; Anabranch does not \
             sync it"
                .to_owned()
        }
        Standing::Unreadable(why) => format!("Anabranch cannot read it: {why}"),
    }
}

/// Determines what a key is waiting for.
struct Waits<'a> {
    state: &'a FolderState,
    contacts: Option<&'a Contacts>,
    remotes: Vec<RemoteSettings>,
    facts: &'a FileFacts,
}

impl Waits<'_> {
    fn sentence(&self, lacking: BTreeSet<Uuid>) -> String {
        let names = |set: &BTreeSet<Uuid>| {
            let names: Vec<String> = set.iter().map(|uuid| self.state.description(uuid)).collect();
            names.join(", ")
        };
        let (kept, lacking): (BTreeSet<Uuid>, BTreeSet<Uuid>) =
            lacking.into_iter().partition(|uuid| self.is_kept_back(uuid));
        let held = match self.facts.have.is_empty() {
            true => "there is no known copy of its content".to_owned(),
            false => format!("its content is in {}", names(&self.facts.have)),
        };
        let next = match (lacking.is_empty(), kept.is_empty()) {
            (true, true) => "and no other place wants it".to_owned(),
            (true, false) => format!("and a rule keeps it from {}", names(&kept)),
            (false, true) => format!("and it still has to go to {}", names(&lacking)),
            (false, false) => format!(
                "and it still has to go to {}; a rule keeps it from {}",
                names(&lacking),
                names(&kept)
            ),
        };
        format!("{held}, {next}")
    }

    /// The remotes that lead to this repository.
    fn of(&self, uuid: &Uuid) -> impl Iterator<Item = &RemoteSettings> {
        let is_it = |remote: &&RemoteSettings| remote.uuid.as_ref() == Some(uuid);
        self.remotes.iter().filter(is_it)
    }

    fn is_here(&self, uuid: &Uuid) -> bool {
        uuid == self.state.annex().uuid()
    }

    fn is_kept_back(&self, uuid: &Uuid) -> bool {
        if self.is_here(uuid) {
            return is_kept_away(self.state, &self.facts.have, &self.facts.barred);
        }
        let mut ways = self
            .of(uuid)
            .map(|remote| (remote.name.clone(), Direction::Send))
            .peekable();
        ways.peek().is_some() && ways.all(|way| self.facts.barred.contains(&way))
    }

    /// Why a repository that wants the key does not have it.
    fn reason(&self, uuid: &Uuid) -> String {
        if self.is_kept_back(uuid) {
            return "a rule keeps it away".to_owned();
        }
        if self.facts.have.is_empty() {
            return "there is no known copy".to_owned();
        }
        let Some(contacts) = self.contacts else {
            return "no engine runs here".to_owned();
        };
        if contacts.is_paused {
            return "this folder is paused".to_owned();
        }
        let reached = |remote: &RemoteSettings| {
            let contact = contacts.get(&remote.name).cloned();
            contact.unwrap_or_else(|| unsupported(remote, self.state))
        };
        if self.is_here(uuid) {
            return self.reason_here(&reached);
        }
        let ways: Vec<_> = self.of(uuid).map(|remote| (remote, reached(remote))).collect();
        let here = ways.iter().find(|(_, contact)| *contact == Contact::Here);
        let Some((remote, contact)) = here.or(ways.first()) else {
            return "no remote of this folder leads there; another place has to pass it on".to_owned();
        };
        match contact {
            Contact::Away(why) => format!("it is not connected ({why})"),
            Contact::Unsupported(why) => why.clone(),
            Contact::Unknown => "Anabranch is connecting to it".to_owned(),
            Contact::Here if !self.facts.have.contains(self.state.annex().uuid()) => {
                "this folder does not have it yet".to_owned()
            }
            Contact::Here => match takes_nothing(remote) {
                Some(why) => format!("it gets no content: {why}"),
                None => self.on_its_way(remote, Direction::Send),
            },
        }
    }

    fn reason_here(&self, reached: &dyn Fn(&RemoteSettings) -> Contact) -> String {
        let mut holders = self.facts.have.iter().flat_map(|uuid| self.of(uuid));
        match holders.find(|remote| reached(remote) == Contact::Here) {
            Some(remote) => self.on_its_way(remote, Direction::Get),
            None => "no place that has it is connected".to_owned(),
        }
    }

    fn on_its_way(&self, remote: &RemoteSettings, direction: Direction) -> String {
        let destination = match direction {
            Direction::Get => Some(self.state.annex().uuid()),
            Direction::Send => remote.uuid.as_ref(),
        };
        let (key, now) = (&self.facts.key, self.state.clock.now());
        let priorities = self.state.priorities().clone();
        if let Some(until) = destination.and_then(|uuid| priorities.held_until(uuid, key, now)) {
            let minutes = until.since(now).as_secs().div_ceil(60);
            let minutes = if minutes == 1 {
                "1 minute".to_owned()
            } else {
                format!("{minutes} minutes")
            };
            return format!(
                "it was cancelled; it resumes in {minutes}, or as soon as you move it to the front or sync"
            );
        }
        if destination.is_some_and(|uuid| priorities.is_first(uuid, key)) {
            return "it is on its way, at the front of the queue".to_owned();
        }
        match self.state.failures().reason(&remote.name, direction) {
            Some(why) => format!("it is on its way; the last try failed: {why}"),
            None => "it is on its way".to_owned(),
        }
    }
}

#[cfg(test)]
mod beside;
#[cfg(test)]
mod tests {
    use assistant::{Assistant, Away, Effect, Event, Outcome, Reach};
    use model::{Key, Timestamp};

    use super::*;
    use crate::observations::Cancelled;
    use crate::views::lists::tests::{Scene, scene, some};

    fn found(scene: &Scene, contacts: Option<&Contacts>, path: &[u8]) -> (String, Vec<(String, String)>) {
        let path = RepoPath::parse(path).unwrap();
        let found = why(&scene.state, contacts, &path).unwrap();
        let missing = found.missing.into_iter().map(|one| (one.place, one.reason));
        (found.sentence, missing.collect())
    }

    /// The view of an assistant that has probed the remote.
    fn having_found(scene: &Scene, reach: Reach, is_paused: bool) -> Contacts {
        let now = Timestamp(1);
        let mut assistant = Assistant::new(scene.state.annex().uuid().clone(), 7, now);
        let effects = assistant.handle(now, Event::RemotesListed(scene.state.list_remotes()));
        for effect in effects {
            if let Effect::Probe { id, .. } = effect {
                let reach = reach.clone();
                assistant.handle(
                    now,
                    Event::Probed {
                        id,
                        reach,
                        round_trip: None,
                    },
                );
            }
        }
        if is_paused {
            assistant.handle(now, Event::Paused);
        }
        Contacts::of(&assistant, &scene.state.remotes.settings())
    }

    #[test]
    fn a_file_that_is_missing_nowhere_waits_for_nothing() {
        let scene = scene();
        scene.observe(some());
        let (sentence, missing) = found(&scene, None, b"a");
        assert!(sentence.ends_with("and no other place wants it"), "{sentence}");
        assert_eq!(missing, []);
        let (sentence, missing) = found(&scene, None, b"unknown");
        assert_eq!(sentence, "this folder has no file of that name");
        assert_eq!(missing, []);
    }

    #[test]
    fn content_in_a_dead_repository_does_not_count() {
        let scene = scene();
        scene.observe(some());
        let setting = format!("remote.{}.annex-trustlevel", scene.remote.0);
        annex::settings::set(scene.state.annex(), &setting, Some("dead")).unwrap();
        scene.state.list_remotes();
        let (sentence, missing) = found(&scene, None, b"b/c/d/y.jpg");
        assert!(
            sentence.starts_with("there is no known copy of its content"),
            "{sentence}"
        );
        let nobody = "there is no known copy".to_owned();
        assert!(missing.contains(&("here".to_owned(), nobody)), "{missing:?}");
    }

    #[test]
    fn each_place_that_lacks_a_file_has_its_reason() {
        let scene = scene();
        scene.observe(some());
        // Its description is not known yet.
        let there = scene.remote.1.to_string();
        let here = || Reach::Here(Some(scene.remote.1.clone()));
        let absent = having_found(&scene, Reach::Away(Away::Absent), false);
        let (present, paused) = (having_found(&scene, here(), false), having_found(&scene, here(), true));
        let table: [(&[u8], Option<&Contacts>, &str, &str); 7] = [
            (b"barred/z", Some(&present), &there, "a rule keeps it away"),
            (b"b-/x", None, &there, "no engine runs here"),
            (b"b-/x", Some(&paused), &there, "this folder is paused"),
            (
                b"b-/x",
                Some(&absent),
                &there,
                "it is not connected (its drive or folder is missing)",
            ),
            (b"b-/x", Some(&present), &there, "it is on its way"),
            (b"b/c/d/y.jpg", Some(&present), "here", "it is on its way"),
            (
                b"b/c/d/y.jpg",
                Some(&absent),
                "here",
                "no place that has it is connected",
            ),
        ];
        for (path, contacts, place, reason) in table {
            let (_, missing) = found(&scene, contacts, path);
            assert_eq!(
                missing,
                [(place.to_owned(), reason.to_owned())],
                "{}",
                path.escape_ascii()
            );
        }
        let key = Key::parse(b"SHA256E-s10--1").unwrap();
        let failed = [(key, Outcome::Full("no room".to_owned()))];
        let mut failures = scene.state.failures();
        failures.transferred(&scene.remote.0, Direction::Send, &scene.remote.1, &failed);
        drop(failures);
        let (_, missing) = found(&scene, Some(&present), b"b-/x");
        assert_eq!(missing[0].1, "it is on its way; the last try failed: no room");
        let file = scene.state.reader().unwrap().file(&RepoPath::parse(b"b-/x").unwrap());
        let key = file.unwrap().unwrap().key;
        scene
            .state
            .priorities()
            .put_first(&scene.remote.1, &key, scene.state.clock.now());
        let (_, missing) = found(&scene, Some(&present), b"b-/x");
        assert_eq!(missing[0].1, "it is on its way, at the front of the queue");
        scene.state.priorities().hold(Cancelled {
            destination: scene.remote.1.clone(),
            keys: std::sync::Arc::new([key].into()),
            asked_at: Timestamp(u64::MAX),
            until: scene.state.clock.now() + std::time::Duration::from_secs(3600),
            shown: 0,
        });
        let (_, missing) = found(&scene, Some(&present), b"b-/x");
        let words = "it was cancelled; it resumes in 60 minutes, or as soon as you move it to the front or sync";
        assert_eq!(missing[0].1, words);
    }

    #[test]
    fn each_place_that_has_a_file_tells_when_it_was_last_checked() {
        let scene = scene();
        scene.observe(some());
        let uuid = scene.remote.1.clone();
        let at = annex::VectorClock::parse(b"1700000000.5s").unwrap();
        let branch = scene.state.annex().branch();
        branch.record_value("activity.log", &uuid, "Fsck", at).unwrap();
        let found = why(&scene.state, None, &RepoPath::parse(b"a").unwrap()).unwrap();
        let mut checked: Vec<_> = found.have.into_iter().map(|one| (one.place, one.checked)).collect();
        checked.sort();
        assert_eq!(
            checked,
            [(uuid.to_string(), Some(1_700_000_000)), ("here".to_owned(), None)]
        );
    }

    #[test]
    fn a_file_barred_by_a_rule_is_not_on_its_way() {
        let scene = scene();
        scene.observe(some());
        let (sentence, _) = found(&scene, None, b"barred/z");
        let there = &scene.remote.1;
        assert_eq!(
            sentence,
            format!("its content is in here, and a rule keeps it from {there}")
        );
    }
}
