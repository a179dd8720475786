//! Merges, whole and partial.

use super::*;
impl World {
    pub(super) fn merge(&mut self, repo: RepoNo, id: Id, partial: bool, said: Option<Said>) -> Result<Event, Crash> {
        self.counts.merges += 1;
        let ended = |world: &World, merged, held| {
            Ok(Event::Merged {
                id,
                refs: world.refs(repo),
                merged,
                held,
            })
        };
        if let Some(engine) = &mut self.repos[repo].engine {
            engine.held_deletions.clear();
        }
        if self.fails() {
            return ended(self, Merged::Failed("the disk is full".into()), None);
        }
        let mut given = self.incoming(repo);
        given.sort_by_key(|branches| (branches.tree, branches.annex));
        let before = self.repos[repo].heads;
        let mut annex = before.annex;
        for theirs in given.iter().filter_map(|branches| branches.annex) {
            annex = Some(self.annexes.merge(annex, theirs, self.reproducible, join_facts));
        }
        if annex != before.annex {
            self.repos[repo].heads.annex = annex;
            self.refs_changed(repo);
        }
        self.small_step()?;
        if self.repos[repo].root != Root::Same {
            return ended(self, Merged::Failed("the folder is not there".into()), None);
        }
        let (tree, kept, held) = self.merged_trees(repo, &given, said);
        let Some(merged) = tree.filter(|_| tree != before.tree) else {
            self.repos[repo].ahead = None;
            return ended(self, Merged::Done, held);
        };
        let new = Rc::clone(&self.trees.at(merged).files);
        let here = &self.repos[repo];
        let all: BTreeSet<PathNo> = new.keys().chain(here.index.keys()).copied().collect();
        let moves: Vec<PathNo> = all
            .into_iter()
            .filter(|path| new.get(path) != here.index.get(path))
            .collect();
        let in_the_way = |path: &&PathNo| {
            let (work, index) = (here.files.get(path), here.index.get(path).map(|entry| &entry.content));
            let wanted = new.get(path).map(|entry| &entry.content);
            (work != index && work != wanted) || (here.ignored.contains(path) && wanted.is_some() && index.is_none())
        };
        let head = self.head_files(repo);
        let is_staged = |path: &&PathNo| head.get(path) != here.index.get(path);
        let waiting: BTreeSet<PathNo> = moves
            .iter()
            .filter(|path| in_the_way(path) || is_staged(path))
            .copied()
            .collect();
        let names = || waiting.iter().map(|path| path_name(*path)).collect();
        // Try new commits at once.
        if waiting.is_empty() || here.ahead != Some(merged) || annex != before.annex {
            self.repos[repo].blocked_at.clear();
        }
        if !waiting.is_empty() {
            self.repos[repo].blocked_at.push(self.now);
            let held_back = invariants::no_hammering(&self.repos[repo].blocked_at);
            self.check(held_back);
            if !partial {
                return ended(self, Merged::Blocked(names()), held);
            }
        }
        let all = self.head_files(repo);
        let yes = said.filter(|said| said.yes && self.agreed.contains(&(repo, said.commit)));
        let is_agreed = invariants::no_unasked_deletion(gone(&all, &new).len(), all.len(), yes.is_some());
        self.check(is_agreed);
        let mut written = Vec::new();
        for path in moves.into_iter().filter(|path| !waiting.contains(path)) {
            let here = &mut self.repos[repo];
            match new.get(&path) {
                Some(entry) => _ = here.index.insert(path, *entry),
                None => _ = here.index.remove(&path),
            }
            match new.get(&path) {
                Some(entry) if here.files.get(&path) != Some(&entry.content) => {
                    here.files.insert(path, entry.content);
                    here.confirmed.remove(&path);
                    written.push(path);
                }
                Some(_) => {}
                None => {
                    here.files.remove(&path);
                    written.push(path);
                }
            }
        }
        let reached = match waiting.is_empty() {
            true => merged,
            false => {
                let here = &mut self.repos[repo];
                here.ahead = Some(merged);
                if self.trees.contains(Some(merged), here.synced.tree) {
                    here.synced.tree = Some(merged);
                }
                let files = Files::clone(&here.index);
                let is_same = before.tree.is_some_and(|before| *self.trees.at(before).files == files);
                match before.tree {
                    Some(before) if is_same => before,
                    None if files.is_empty() => {
                        self.note(|| format!("r{repo} has t{merged} waiting"));
                        return ended(self, Merged::Waiting(names()), held);
                    }
                    before => {
                        let tree = Tree::partial(before.map(|before| self.trees.at(before)), files);
                        let parents: Vec<_> = before.into_iter().collect();
                        self.trees.commit(&parents, tree)
                    }
                }
            }
        };
        self.own_commits.extend(kept);
        let here = &mut self.repos[repo];
        here.heads.tree = Some(reached);
        if waiting.is_empty() {
            here.ahead = None;
            debug_assert_eq!(here.index, *new);
        }
        self.note(|| format!("r{repo} merges to t{merged}, and is at t{reached}"));
        self.files_changed(repo, &written);
        self.refs_changed(repo);
        match waiting.is_empty() {
            true => ended(self, Merged::Done, held),
            false => ended(self, Merged::Waiting(names()), held),
        }
    }

    /// Merges what was given, but for what deletes many files without the user's word, which is told. Between the two: the
    /// commit by which files were kept.
    pub(super) fn merged_trees(
        &mut self,
        repo: RepoNo,
        given: &[Branches],
        said: Option<Said>,
    ) -> (Option<CommitNo>, Option<CommitNo>, Option<Deletions>) {
        let before = self.repos[repo].heads.tree;
        let given: Vec<CommitNo> = given.iter().filter_map(|branches| branches.tree).collect();
        let is_newest = |one: &CommitNo| {
            let mut others = given.iter().filter(|other| *other != one);
            !others.any(|other| self.trees.contains(Some(*other), Some(*one)))
        };
        let given: Vec<CommitNo> = given.iter().copied().filter(is_newest).collect();
        let mut tree = before;
        let said = said.and_then(|said| Some((self.trees.named(said.commit)?, said.yes)));
        if let Some((theirs, yes)) = said
            && given
                .iter()
                .any(|given| self.trees.contains(Some(*given), Some(theirs)))
        {
            tree = Some(match yes {
                true => self.merge_tree(tree, theirs),
                false => self.keep_files(tree, theirs),
            });
        }
        let kept = tree.filter(|_| said.is_some_and(|(_, yes)| !yes) && tree != before);
        let files = tree.map_or_else(Rc::default, |commit| Rc::clone(&self.trees.at(commit).files));
        let mut held = Vec::new();
        for theirs in given {
            let merged = self.merge_tree(tree, theirs);
            let removed = gone(&files, &self.trees.at(merged).files).len();
            if is_improbable(removed, files.len()) {
                held.push((theirs, removed));
            } else {
                tree = Some(merged);
            }
        }
        if let Some(engine) = &mut self.repos[repo].engine {
            engine.held_deletions = held.iter().map(|(theirs, _)| (before, *theirs)).collect();
        }
        let deletions = held.first().map(|&(theirs, removed)| Deletions {
            commit: self.trees.oid(theirs),
            removed,
            of: files.len(),
            who: None,
            place: None,
            at: None,
        });
        (tree, kept, deletions)
    }

    pub(super) fn merge_tree(&mut self, ours: Option<CommitNo>, theirs: CommitNo) -> CommitNo {
        let numbers = &mut self.numbers;
        self.trees
            .merge(ours, theirs, self.reproducible, |a, b| join_trees(a, b, numbers))
    }

    /// Merges a commit and writes the files again that it deletes.
    pub(super) fn keep_files(&mut self, ours: Option<CommitNo>, theirs: CommitNo) -> CommitNo {
        let merged = self.merge_tree(ours, theirs);
        let Some(ours) = ours.filter(|ours| *ours != merged) else {
            return merged;
        };
        let (before, tree) = (Rc::clone(&self.trees.at(ours).files), self.trees.at(merged).clone());
        let (mut files, mut seen) = (Files::clone(&tree.files), tree.seen);
        for (path, entry) in gone(&before, &tree.files) {
            let dot = self.numbers.next_dot();
            seen.add(dot.into());
            files.insert(path, Entry { dot, ..entry });
        }
        let parents = match merged == theirs {
            true => vec![theirs],
            false => vec![ours, theirs],
        };
        let files = Rc::new(files);
        let commit = self.trees.commit(&parents, Tree { files, seen });
        self.counts.commits += 1;
        commit
    }
}
