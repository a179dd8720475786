//! Which changes of files concern a folder, and what they concern.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use model::{RemoteName, RepoPath};
use remotes::Remote;
use surroundings::{Changes, Mount, Place, Scope, Watch};

use crate::Error;
use crate::linked::Linked;
use crate::rules::policy;
use crate::work::Workshop;

/// What a changed path is.
pub(crate) enum Concern {
    /// The top of the folder itself.
    Top,
    /// A file of the folder.
    File(RepoPath),
    /// Refs, journal, index or configuration of the repository.
    Git,
    /// Refs of a remote.
    Remote(RemoteName),
}

/// What is watched for one folder.
pub(crate) struct Watching {
    watch: Watch,
    work_tree: Option<PathBuf>,
    git_dir: PathBuf,
    /// Git directories of the remotes that were reached.
    remotes: BTreeMap<RemoteName, PathBuf>,
    /// What is mounted in the folder: where, and the number of the mount.
    mounted: BTreeSet<(PathBuf, u64)>,
    rules: Linked,
}

impl Watching {
    /// Begins to watch; `mounts` is what was mounted before that.
    pub(crate) fn start(workshop: &Workshop, mounts: &[Mount]) -> Result<(Self, Changes), Error> {
        let annex = workshop.annex();
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { doing, path, source }
        };
        // Events name the real directories.
        let git_dir = annex.git_dir().canonicalize().map_err(io("find", annex.git_dir()))?;
        let top = annex
            .work_tree()
            .map(|top| top.canonicalize().map_err(io("find", top)))
            .transpose()?;
        let journal = git_dir.join("annex").join("journal");
        annex::Directory::make_below(&git_dir, &journal)?;
        let mut places = git_places(&git_dir);
        places.extend([journal, git_dir.join("anabranch")].map(|path| Place {
            path,
            scope: Scope::Alone,
        }));
        places.extend(top.iter().map(|top| Place {
            path: top.clone(),
            scope: Scope::WorkTree,
        }));
        let (watch, changes) = Watch::new(places).map_err(|error| Error::Refused(error.to_string()))?;
        let mut watching = Self {
            watch,
            work_tree: top,
            rules: Linked::new(git_dir.join("anabranch").join(policy::FILE)),
            git_dir,
            remotes: BTreeMap::new(),
            mounted: BTreeSet::new(),
        };
        watching.mounted = watching.mounted_inside(mounts);
        watching.follow_rules();
        Ok((watching, changes))
    }

    /// Watches where the rules are kept, if their file is a link.
    pub(crate) fn follow_rules(&mut self) {
        let own = [Some(&self.git_dir), self.work_tree.as_ref()];
        self.rules.follow(&self.watch, |directory| {
            own.into_iter().flatten().any(|own| directory.starts_with(own))
        });
    }

    /// True if a changed path is where the rules are kept.
    pub(crate) fn is_of_rules(&self, path: &Path) -> bool {
        self.rules.leads_to(path)
    }

    /// Watches the refs of these remotes, and no others.
    pub(crate) fn follow(&mut self, reached: &BTreeMap<RemoteName, Remote>) {
        let wanted: BTreeMap<RemoteName, PathBuf> = reached
            .iter()
            .filter_map(|(name, remote)| Some((name.clone(), remote.git()?.watched()?.canonicalize().ok()?)))
            .collect();
        let (gone, new): (Vec<_>, Vec<_>) = (difference(&self.remotes, &wanted), difference(&wanted, &self.remotes));
        // A watch that has ended is noticed when its changes end.
        for place in gone.iter().flat_map(|directory| git_places(directory)) {
            let _ = self.watch.remove(&place.path);
        }
        for place in new.iter().flat_map(|directory| git_places(directory)) {
            let _ = self.watch.add(place);
        }
        self.remotes = wanted;
    }

    /// Watches what was mounted in the folder since it was last looked for, and has it looked at.
    pub(crate) fn follow_mounts(&mut self, mounts: &[Mount]) {
        let now = self.mounted_inside(mounts);
        for (point, _) in now.difference(&self.mounted) {
            // A watch that has ended is noticed when its changes end.
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

    /// What a changed path concerns; none if it is of no interest.
    pub(crate) fn concern(&self, path: &Path) -> Option<Concern> {
        if let Ok(inside) = path.strip_prefix(&self.git_dir) {
            return matters(inside).then_some(Concern::Git);
        }
        for (name, directory) in &self.remotes {
            if let Ok(inside) = path.strip_prefix(directory) {
                return matters(inside).then(|| Concern::Remote(name.clone()));
            }
        }
        let inside = path.strip_prefix(self.work_tree.as_ref()?).ok()?;
        if inside.as_os_str().is_empty() {
            return Some(Concern::Top);
        }
        // Names that no repository can hold are found, and reported, by a look at their directory.
        let parts: Vec<&[u8]> = inside.iter().map(|part| part.as_encoded_bytes()).collect();
        let longest = (1..=parts.len())
            .rev()
            .find_map(|end| RepoPath::parse(&parts[..end].join(&b'/')).ok());
        Some(longest.map_or(Concern::Top, Concern::File))
    }
}

fn difference(of: &BTreeMap<RemoteName, PathBuf>, without: &BTreeMap<RemoteName, PathBuf>) -> Vec<PathBuf> {
    of.values()
        .filter(|directory| !without.values().any(|other| other == *directory))
        .cloned()
        .collect()
}

fn git_places(git_dir: &Path) -> Vec<Place> {
    vec![
        Place {
            path: git_dir.to_owned(),
            scope: Scope::Alone,
        },
        Place {
            path: git_dir.join("refs"),
            scope: Scope::All,
        },
    ]
}

/// Of a git directory, only what says something that this engine did not do itself for certain.
fn matters(inside: &Path) -> bool {
    let Some(first) = inside.iter().next() else {
        // Anything in it may have changed: what cannot be watched is polled as a whole.
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
    fn changes_that_others_make_in_a_git_directory_matter() {
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
