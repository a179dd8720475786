//! Decides which file changes matter to a folder, and what they affect.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{RemoteName, RepoPath, Uuid};
use remotes::{Git, Listening, Remote};
use surroundings::{Changes, Delivery, History, Mount, Watch, WatchScope, WatchedPlace, mount_of};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Ended;
use crate::Error;
use crate::rules::policy;
use crate::watched_symlink::WatchedSymlink;
use crate::work::FolderState;

/// The part of a folder that a changed path affects.
pub(crate) enum Concern {
    /// The top of the folder.
    Top,
    /// A file of the folder.
    File(RepoPath),
    /// Refs, journal, index or configuration of the repository.
    Git,
    /// Refs of a remote.
    Remote(RemoteName),
}

/// The number of a connection, and the uuid of the repository at its end; each may have none.
type Heard = (Option<u64>, Option<Uuid>);

fn heard_at(remote: &Remote) -> Heard {
    (remote.connection(), remote.uuid().cloned())
}

/// The watches of one folder.
pub(crate) struct Watching {
    watch: Watch,
    work_tree: Option<PathBuf>,
    git_dir: PathBuf,
    /// The watched remotes.
    remotes: BTreeMap<RemoteName, Followed>,
    /// How changes are heard of at remotes on other computers, over which connection, and of which repositories.
    hearing: BTreeMap<RemoteName, (Heard, Hearing)>,
    /// False in a one-shot run, which needs no news.
    listens: bool,
    /// The mounts in the folder, by path and mount id.
    mounted: BTreeSet<(PathBuf, u64)>,
    rules: WatchedSymlink,
}

/// A remote whose refs are watched.
struct Followed {
    git_dir: PathBuf,
    /// Forwards the reports of its own watch; none if the folder's watch covers it.
    own: Option<JoinSet<()>>,
}

impl Watching {
    /// Starts watching; `mounts` is the list of mounts from before.
    pub(crate) fn start(state: &FolderState, mounts: &[Mount]) -> Result<(Self, Changes), Error> {
        let (top, git_dir) = (state.real().top.clone(), state.real().git_dir.clone());
        let journal = git_dir.join("annex").join("journal");
        annex::Directory::make_below(&git_dir, &journal)?;
        let mut places = git_places(&git_dir);
        places.extend([journal, git_dir.join("anabranch")].map(|path| WatchedPlace {
            path,
            scope: WatchScope::Alone,
        }));
        places.extend(top.iter().map(|top| WatchedPlace {
            path: top.clone(),
            scope: WatchScope::WorkTree,
        }));
        let (watch, changes) = Watch::new(places).map_err(|error| Error::Refused(error.to_string()))?;
        let mut watching = Self {
            watch,
            work_tree: top,
            rules: WatchedSymlink::new(git_dir.join("anabranch").join(policy::FILE)),
            git_dir,
            remotes: BTreeMap::new(),
            hearing: BTreeMap::new(),
            listens: true,
            mounted: BTreeSet::new(),
        };
        watching.mounted = watching.mounted_inside(mounts);
        watching.follow_rules(watching.rules.find());
        Ok((watching, changes))
    }

    /// A handle to wait with until changes are reported.
    pub(crate) fn delivery(&self) -> Delivery {
        self.watch.delivery()
    }

    /// What changes in the work tree, for git.
    pub(super) fn history(&self) -> Option<History> {
        self.watch.history()
    }

    /// The file with the rules.
    pub(crate) fn rules(&self) -> &WatchedSymlink {
        &self.rules
    }

    /// Watches the target of the file with the rules, if it is a link to `target`.
    pub(crate) fn follow_rules(&mut self, target: Option<PathBuf>) {
        let own = [Some(&self.git_dir), self.work_tree.as_ref()];
        self.rules.follow(target, &self.watch, |directory| {
            own.into_iter().flatten().any(|own| directory.starts_with(own))
        });
    }

    /// True if a changed path affects the target of the file with the rules.
    pub(crate) fn is_of_rules(&self, path: &Path) -> bool {
        self.rules.leads_to(path)
    }

    /// Watches the refs of these remotes, and no others. A remote on the network, or served by a program, has a watch
    /// of its own that reports to `end`: if its file system hangs, only that watch waits. Returns the git directories
    /// whose own watch has ended.
    pub(super) fn follow(
        &mut self,
        reached: &BTreeMap<RemoteName, Remote>,
        mounts: &[Mount],
        end: &mpsc::UnboundedSender<Ended>,
    ) -> Vec<PathBuf> {
        if self.listens {
            self.listen(reached, end);
        }
        let mut before = std::mem::take(&mut self.remotes);
        let mut shared: BTreeSet<PathBuf> = shared_by(&before);
        for (name, remote) in reached {
            let Some(git_dir) = remote.git().and_then(|git| git.watched()) else {
                continue;
            };
            let is_same = before.get(name).is_some_and(|followed| followed.git_dir == git_dir);
            let same = if is_same { before.remove(name) } else { None };
            let followed = same.unwrap_or_else(|| {
                let waits = mount_of(mounts, git_dir).is_some_and(Mount::changes_unseen);
                Followed {
                    git_dir: git_dir.to_owned(),
                    own: waits.then(|| watch_alone(git_dir, end.clone())),
                }
            });
            self.remotes.insert(name.clone(), followed);
        }
        let now = shared_by(&self.remotes);
        // Errors are ignored: a watch that has ended is noticed when its changes end.
        for place in now.difference(&shared).flat_map(|directory| git_places(directory)) {
            let _ = self.watch.add_soon(place);
        }
        shared.retain(|directory| !now.contains(directory));
        for place in shared.iter().flat_map(|directory| git_places(directory)) {
            let _ = self.watch.remove(&place.path);
        }
        let alone = before.into_values().filter(|followed| followed.own.is_some());
        alone.map(|followed| followed.git_dir).collect()
    }

    /// From now on, does not listen to remotes on other computers.
    pub(super) fn listen_to_none(&mut self) {
        self.listens = false;
        self.hearing.clear();
    }

    /// Listens to the connected remotes on other computers. Those that tell nothing are asked now and then.
    fn listen(&mut self, reached: &BTreeMap<RemoteName, Remote>, end: &mpsc::UnboundedSender<Ended>) {
        self.hearing.retain(|name, (heard, hearing)| {
            reached.get(name).is_some_and(|remote| heard_at(remote) == *heard) && !hearing.is_over()
        });
        for (name, remote) in reached {
            let is_watched = |git: &&dyn Git| git.watched().is_some();
            let Some(git) = remote
                .git()
                .filter(|git| !is_watched(git) && !self.hearing.contains_key(name))
            else {
                continue;
            };
            let (ends, teller) = (end.clone(), name.clone());
            let heard = move |moved_to| {
                // The loop may have ended.
                let _ = ends.send(Ended::Heard(teller.clone(), moved_to));
            };
            let hearing = match git.listen(Box::new(heard)) {
                Some(listening) => Hearing::Told(listening),
                None => Hearing::Asked(ask_again(name.clone(), end.clone())),
            };
            self.hearing.insert(name.clone(), (heard_at(remote), hearing));
        }
    }

    /// A remote that has stopped telling of its changes is asked as long as the connection stands: it may tell none, however
    /// often it is listened to.
    pub(super) fn ask_instead(&mut self, name: &RemoteName, end: &mpsc::UnboundedSender<Ended>) {
        if let Some((_, hearing)) = self.hearing.get_mut(name)
            && matches!(hearing, Hearing::Told(_))
            && hearing.is_over()
        {
            *hearing = Hearing::Asked(ask_again(name.clone(), end.clone()));
        }
    }

    /// Watches and scans file systems mounted in the folder since the last call.
    pub(crate) fn follow_mounts(&mut self, mounts: &[Mount]) {
        let now = self.mounted_inside(mounts);
        for (point, _) in now.difference(&self.mounted) {
            // Errors are ignored: a watch that has ended is noticed when its changes end.
            let _ = self.watch.mounted(point);
        }
        self.mounted = now;
    }

    fn mounted_inside(&self, mounts: &[Mount]) -> BTreeSet<(PathBuf, u64)> {
        let Some(top) = &self.work_tree else {
            return BTreeSet::new();
        };
        let is_inside = |mount: &&Mount| mount.point != *top && mount.point.starts_with(top);
        let inside = mounts.iter().filter(is_inside);
        inside.map(|mount| (mount.point.clone(), mount.id)).collect()
    }

    /// Tells what a changed path affects; none if it does not matter.
    pub(crate) fn concern(&self, path: &Path) -> Option<Concern> {
        if let Ok(inside) = path.strip_prefix(&self.git_dir) {
            return matters(inside).then_some(Concern::Git);
        }
        for (name, followed) in &self.remotes {
            if let Ok(inside) = path.strip_prefix(&followed.git_dir) {
                return matters(inside).then(|| Concern::Remote(name.clone()));
            }
        }
        let inside = path.strip_prefix(self.work_tree.as_ref()?).ok()?;
        if inside.as_os_str().is_empty() {
            return Some(Concern::Top);
        }
        // A path that no repository can hold is found, and reported, by a scan of its directory.
        let parts: Vec<&[u8]> = inside.iter().map(|part| part.as_encoded_bytes()).collect();
        let longest = (1..=parts.len())
            .rev()
            .find_map(|end| RepoPath::parse(&parts[..end].join(&b'/')).ok());
        Some(longest.map_or(Concern::Top, Concern::File))
    }
}

/// How the changes of a remote on another computer are heard of.
enum Hearing {
    /// It tells of them.
    Told(Listening),
    /// It is asked.
    Asked(JoinSet<()>),
}

impl Hearing {
    fn is_over(&self) -> bool {
        match self {
            Self::Told(listening) => listening.is_over(),
            Self::Asked(asking) => asking.is_empty(),
        }
    }
}

/// Has a remote looked at again after one minute, then after twice as long each time, up to half an hour, until the returned
/// set is dropped.
fn ask_again(name: RemoteName, end: mpsc::UnboundedSender<Ended>) -> JoinSet<()> {
    const FIRST: Duration = Duration::from_secs(60);
    const LAST: Duration = Duration::from_secs(1800);
    let mut asking = JoinSet::new();
    asking.spawn(async move {
        let mut pause = FIRST;
        loop {
            tokio::time::sleep(pause).await;
            if end.send(Ended::Heard(name.clone(), Vec::new())).is_err() {
                return;
            }
            pause = (pause * 2).min(LAST);
        }
    });
    asking
}

/// The git directories that the folder's own watch covers.
fn shared_by(remotes: &BTreeMap<RemoteName, Followed>) -> BTreeSet<PathBuf> {
    let shared = remotes.values().filter(|followed| followed.own.is_none());
    shared.map(|followed| followed.git_dir.clone()).collect()
}

/// Watches a git directory until the returned set is dropped.
fn watch_alone(git_dir: &Path, end: mpsc::UnboundedSender<Ended>) -> JoinSet<()> {
    let places = git_places(git_dir);
    let mut watching = JoinSet::new();
    watching.spawn(async move {
        // Without a watch, the next fetch finds the changes of this remote.
        let Ok((watch, mut changes)) = Watch::new([]) else {
            return;
        };
        for place in places {
            let _ = watch.add_soon(place);
        }
        while let Some(change) = changes.next().await
            && end.send(Ended::Noticed(change)).is_ok()
        {}
    });
    watching
}

fn git_places(git_dir: &Path) -> Vec<WatchedPlace> {
    vec![
        WatchedPlace {
            path: git_dir.to_owned(),
            scope: WatchScope::Alone,
        },
        WatchedPlace {
            path: git_dir.join("refs"),
            scope: WatchScope::All,
        },
    ]
}

/// True for paths in a git directory whose changes may come from another program.
fn matters(inside: &Path) -> bool {
    let Some(first) = inside.iter().next() else {
        // Anything in it may have changed: a directory that cannot be watched is polled as a whole.
        return true;
    };
    let is_lock = inside.extension().is_some_and(|extension| extension == "lock");
    let matters = ["refs", "packed-refs", "HEAD", "index", "config"]
        .iter()
        .any(|name| first == *name);
    (matters && !is_lock) || inside.starts_with("annex/journal") || inside == Path::new("anabranch").join(policy::FILE)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::matters;

    #[test]
    fn changes_by_other_programs_in_a_git_directory_matter() {
        for (inside, expected) in [
            ("", true),
            ("HEAD", true),
            ("refs/heads/main", true),
            ("annex/journal/x", true),
            ("anabranch/policy.toml", true),
            ("refs/heads/main.lock", false),
            ("objects/ab", false),
            ("anabranch/observations.db", false),
        ] {
            assert_eq!(matters(Path::new(inside)), expected, "{inside:?}");
        }
    }
}
