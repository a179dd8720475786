//! Moves a file to the front of the queue for one destination.

use assistant::Direction;
use model::{RemoteName, RepoPath};

use crate::Error;
use crate::observations::Reader;
use crate::views::contacts::Contacts;
use crate::views::status::{is_kept_away, takes_nothing};
use crate::work::FolderState;

/// Moves a file to the front of the queue for a place, or for this folder. Returns text that tells when it will be
/// transferred.
pub(crate) fn prioritize(
    state: &FolderState,
    path: &RepoPath,
    place: Option<&str>,
    contacts: &Contacts,
) -> Result<String, Error> {
    let failed = |source| Error::Observations {
        path: state.annex().own_dir(),
        source,
    };
    let refused = |why: String| Err(Error::Refused(why));
    let here = state.annex().uuid();
    let remotes = state.remotes.settings();
    let remote = match place {
        None => None,
        Some(place) => match RemoteName::parse(place).and_then(|name| remotes.get(&name)) {
            Some(remote) => Some(remote),
            None => return refused(format!("this folder knows no place {place}")),
        },
    };
    let (to, destination) = match remote {
        None => ("this folder", Some(here)),
        Some(remote) => (remote.name.as_str(), remote.uuid.as_ref()),
    };
    let reader = Reader::open(&state.annex().own_dir()).map_err(failed)?;
    let facts = reader.file(path).map_err(failed)?;
    let Some(facts) = facts else {
        return refused(format!("{path} has no content in the annex, as of the last scan"));
    };
    let Some(destination) = destination.filter(|uuid| facts.want.contains(*uuid)) else {
        return refused(format!("{to} does not want {path}"));
    };
    if facts.have.contains(destination) {
        return refused(format!("{to} has {path} already"));
    }
    if let Some(remote) = remote.filter(|remote| !state.supports(remote)) {
        return refused(format!(
            "Anabranch does not support {}, so it sends nothing there",
            remote.name
        ));
    }
    if let Some((remote, why)) = remote.and_then(|remote| Some((remote, takes_nothing(remote)?))) {
        return refused(format!("{} gets no content: {why}", remote.name));
    }
    let is_barred = match remote {
        None => is_kept_away(state, &facts.have, &facts.barred),
        Some(remote) => facts.barred.contains(&(remote.name.clone(), Direction::Send)),
    };
    if is_barred {
        return refused(format!("a rule keeps {path} from {to}; change the rule first"));
    }
    state.retries().forget_key(&facts.key, destination);
    state.priorities().put_first(destination, &facts.key, state.clock.now());
    let is_there = match remote {
        None => remotes.values().any(|holder| {
            let has = holder.uuid.as_ref().is_some_and(|uuid| facts.have.contains(uuid));
            let may_give = holder.gives_contents() && !facts.barred.contains(&(holder.name.clone(), Direction::Get));
            has && may_give && contacts.is_there(&holder.name)
        }),
        Some(remote) => contacts.is_there(&remote.name),
    };
    let goes = match remote {
        None => "to come here".to_owned(),
        Some(_) => format!("to go to {to}"),
    };
    Ok(match remote {
        Some(_) if !facts.have.contains(here) => {
            format!("it is the next {goes} once it has arrived here, unless Anabranch is stopped before")
        }
        Some(_) if !is_there => {
            format!("it is the next {goes} once that is connected, unless Anabranch is stopped before")
        }
        None if !is_there => {
            format!("it is the next {goes} once a place that has it is connected, unless Anabranch is stopped before")
        }
        Some(_) | None if contacts.is_paused => {
            format!("it is the next {goes} once you resume this folder")
        }
        Some(_) | None => format!("it is the next {goes}"),
    })
}

#[cfg(test)]
mod tests {
    use model::{Key, RepoPath};

    use super::prioritize;
    use crate::views::contacts::Contacts;
    use crate::views::lists::tests::{Scene, scene, some};

    /// The text while the remote is away or connected, or the folder is paused.
    fn said(scene: &Scene, path: &[u8], place: Option<&str>, when: &str) -> Result<String, String> {
        let path = RepoPath::parse(path).unwrap();
        let there = (when != "away").then_some(&scene.remote.0);
        let contacts = Contacts::with(there, when == "paused");
        prioritize(&scene.state, &path, place, &contacts).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_that_cannot_be_transferred_is_refused_with_a_reason() {
        let scene = scene();
        scene.observe(some());
        let name = scene.remote.0.as_str();
        let refused: [(&[u8], _, &str); 5] = [
            (b"barred/z", Some(name), "a rule keeps barred/z from there"),
            (b"a", Some(name), "there has a already"),
            (b"b-/x", None, "this folder has b-/x already"),
            (
                b"unknown",
                None,
                "unknown has no content in the annex, as of the last scan",
            ),
            (b"b-/x", Some("moon"), "this folder knows no place moon"),
        ];
        for (path, place, words) in refused {
            let why = said(&scene, path, place, "there").unwrap_err();
            assert!(why.starts_with(words), "{why}");
        }
        annex::settings::set(
            scene.state.annex(),
            &format!("remote.{name}.annex-readonly"),
            Some("true"),
        )
        .unwrap();
        scene.state.list_remotes();
        let why = said(&scene, b"b-/x", Some(name), "there").unwrap_err();
        assert!(why.starts_with("there gets no content: annex-"), "{why}");
        assert!(scene.state.priorities().is_empty());
    }

    #[test]
    fn a_prioritized_file_is_remembered_and_the_reply_tells_when_it_is_sent() {
        let scene = scene();
        scene.observe(some());
        let name = scene.remote.0.as_str();
        let path = RepoPath::parse(b"b-/x").unwrap();
        let key: Key = scene.state.reader().unwrap().file(&path).unwrap().unwrap().key;
        // The number of its consecutive failures.
        let retries = || {
            let failures = std::cell::Cell::new(0);
            let count = |count| {
                failures.set(count);
                std::time::Duration::from_secs(60)
            };
            let way = (scene.state.annex().uuid(), &scene.remote.1);
            scene.state.retries().note(&key, way, model::Timestamp(0), count);
            failures.get()
        };
        assert_eq!((retries(), retries()), (1, 2));
        let later = "it is the next to go to there once that is connected, unless Anabranch is stopped before";
        assert_eq!(said(&scene, b"b-/x", Some(name), "away").as_deref(), Ok(later));
        assert!(scene.state.priorities().is_first(&scene.remote.1, &key));
        assert_eq!(retries(), 1, "it is tried at once");
        let here = said(&scene, b"b/c/d/y.jpg", None, "away").unwrap();
        assert!(
            here.starts_with("it is the next to come here once a place that has it"),
            "{here}"
        );
        let now = said(&scene, b"b-/x", Some(name), "there");
        assert_eq!(now.as_deref(), Ok("it is the next to go to there"));
        let paused = said(&scene, b"b/c/d/y.jpg", None, "paused");
        assert_eq!(
            paused.as_deref(),
            Ok("it is the next to come here once you resume this folder")
        );
    }
}
