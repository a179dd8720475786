//! What an engine does with content that is not wanted: it asks for other copies and drops its own.

use std::collections::BTreeSet;
use std::time::Duration;

use assistant::{ClassId, Event, Id, Spare};

use crate::engine::Crash;
use crate::history::Content;
use crate::world::{RepoNo, World};

impl World {
    /// What a repository needs to drop a content. `have` has a bit for each repository that has it, as the log says.
    pub(crate) fn spare(&self, repo: RepoNo, content: Content, have: u16, is_live: bool) -> Option<Spare> {
        let others = have & !(1 << repo);
        let is_spare = is_live && have >> repo & 1 == 1 && others != 0 && !self.wants(repo, content);
        let among = || -> BTreeSet<_> {
            let others = (0..self.repos.len()).filter(|other| others >> other & 1 == 1);
            others.map(|other| self.repos[other].uuid.clone()).collect()
        };
        is_spare.then(|| Spare {
            confirm: 1,
            among: among(),
        })
    }

    /// Drops contents, each if another repository is seen to have it. They are logged at the end: a crash leaves the log behind
    /// what is there.
    pub(crate) fn drop_unwanted(&mut self, repo: RepoNo, id: Id, classes: &[ClassId]) -> Result<Event, Crash> {
        let engine = self.repos[repo].engine.as_ref();
        let of_class = |class: &ClassId| {
            engine
                .and_then(|engine| engine.classes.get(&class.0))
                .into_iter()
                .flatten()
        };
        let contents: Vec<Content> = classes.iter().flat_map(of_class).copied().collect();
        let (mut gone, mut more, mut retry_at) = (Vec::new(), false, None);
        for content in contents {
            if !gone.is_empty() && !self.is_calm && self.chance.one_in(8) {
                more = true;
                break;
            }
            self.small_step()?;
            if self.wants(repo, content) {
                self.violated(format!("I25 no churn: r{repo} drops c{content}, which it wants"));
            }
            let is_confirmed = (0..self.repos[repo].remotes.len()).any(|slot| {
                let target = self.reachable(repo, slot).filter(|_| !self.is_broken(repo, slot));
                target.is_some_and(|target| target != repo && self.has_good(target, content))
            });
            if self.fails() {
                // Another program holds the content.
                retry_at = Some(self.now + Duration::from_secs(1));
            } else if is_confirmed && self.repos[repo].objects.remove(&content) {
                self.repos[repo].damaged.remove(&content);
                self.counts.dropped += 1;
                self.note(|| format!("c{content} is dropped from r{repo}"));
                gone.push((content, repo, false));
            } else if !self.repos[repo].objects.contains(&content) {
                gone.push((content, repo, false));
            }
        }
        self.small_step()?;
        self.log(repo, &gone);
        let refs = self.refs(repo);
        Ok(Event::Dropped {
            id,
            refs,
            gone: gone.len(),
            more,
            retry_at,
        })
    }
}
