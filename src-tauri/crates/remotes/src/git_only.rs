//! A repository of git only: its branches are exchanged by the `git` program, and it holds no content for us.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use annex::Annex;
use annex::exchange::{Commits, PushOutcome};
use annex::settings::RemoteSettings;
use model::{Oid, Uuid};

use crate::by_git::{ByGit, refuse_elsewhere};
use crate::local::last_seen;
use crate::remote::GitOnly;
use crate::{Directories, Failed, Fetched, Git, Listening, Remote};

/// Why only git is used where the repository has no annex.
pub(crate) const PLAIN: &str = "the repository there does not use git-annex";

/// A repository that git reaches.
struct Plain {
    settings: RemoteSettings,
    way: ByGit,
    /// Its git directory as file change events name it; none if it cannot be watched.
    watched: Option<PathBuf>,
}

/// Makes sure that git reaches the repository of a remote, of which only the git part is used; `why` tells the reason, as
/// text that can stand in brackets.
pub(crate) fn reach(
    local: &Annex,
    settings: &RemoteSettings,
    way: ByGit,
    directories: Option<Directories>,
    why: &'static str,
    cancelled: &AtomicBool,
) -> Result<Remote, Failed> {
    way.look(local, settings, cancelled)?;
    let (_, logs) = last_seen(local, &settings.name).map_err(Failed::from)?;
    let watched = directories.as_ref().and_then(|there| there.git_dir.canonicalize().ok());
    Ok(Remote {
        name: settings.name.clone(),
        // Where content is ignored, whose it is may be known all the same.
        uuid: settings.uuid.clone(),
        directories,
        git: Some(Arc::new(Plain {
            settings: settings.clone(),
            way,
            watched,
        })),
        contents: None,
        git_only: Some(GitOnly {
            why,
            had_logs: logs.is_some(),
        }),
        ssh: None,
        tree: Arc::default(),
    })
}

impl Git for Plain {
    fn fetch(&self, into: &Annex, cancelled: &AtomicBool) -> Result<Fetched, Failed> {
        self.way.fetch(into, &self.settings, cancelled)
    }

    fn push(
        &self,
        from: &Annex,
        commits: Commits,
        _: fn(usize, usize) -> bool,
        cancelled: &AtomicBool,
    ) -> Result<PushOutcome, Failed> {
        refuse_elsewhere(&self.settings)?;
        self.way.push(from, &self.settings, commits, cancelled)
    }

    fn state(&self) -> Option<u64> {
        None
    }

    fn watched(&self) -> Option<&Path> {
        self.watched.as_deref()
    }

    fn listen(&self, _: Box<dyn Fn(Vec<Oid>) + Send>) -> Option<Listening> {
        None
    }

    fn pushes_to(&self, _: &Uuid) -> bool {
        false
    }

    fn close_idle(&self) {}

    fn clear_up(&self) {}
}
