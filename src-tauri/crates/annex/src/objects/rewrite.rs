use git2::Oid;

use super::{Bulk, DIRECTORY, Tree, TreeEntry};
use crate::Result;

/// Decides what becomes of one path: its number in the list, what is there now, what is to be there.
pub(crate) type Change<'f, 'r> = dyn FnMut(&mut Bulk<'r>, usize, Option<TreeEntry>) -> Result<Option<TreeEntry>> + 'f;

impl<'r> Bulk<'r> {
    /// Makes a new tree from `base` by asking `change` about each of `paths`, reading only the directories on the way.
    ///
    /// `paths` must be sorted by bytes, each once. A directory that becomes empty goes away; where a directory is on
    /// the way of a path that becomes a file, it is replaced, and the other way round.
    pub(crate) fn rewrite(
        &mut self,
        base: Option<Oid>,
        paths: &[Vec<u8>],
        change: &mut Change<'_, 'r>,
    ) -> Result<Option<Oid>> {
        self.rewrite_directory(base, paths, 0..paths.len(), 0, change)
    }

    fn rewrite_directory(
        &mut self,
        base: Option<Oid>,
        paths: &[Vec<u8>],
        range: std::ops::Range<usize>,
        depth: usize,
        change: &mut Change<'_, 'r>,
    ) -> Result<Option<Oid>> {
        let mut tree = match base {
            Some(id) => self.read_tree(id)?,
            None => Tree::default(),
        };
        let mut changed = false;
        let mut at = range.start;
        while at < range.end {
            let rest = &paths[at][depth..];
            let Some(slash) = rest.iter().position(|&b| b == b'/') else {
                let old = tree.get(rest);
                let new = change(self, at, old)?;
                if new != old {
                    tree.set(rest, new);
                    changed = true;
                }
                at += 1;
                continue;
            };
            let (name, below) = (&rest[..slash], &paths[at][..=depth + slash]);
            let end = at + paths[at..range.end].partition_point(|path| path.starts_with(below));
            let old = tree.get(name);
            let inside = old.filter(|entry| entry.is_directory()).map(|entry| entry.id);
            let new = self.rewrite_directory(inside, paths, at..end, depth + slash + 1, change)?;
            if new != inside {
                let directory = |id| TreeEntry { mode: DIRECTORY, id };
                tree.set(name, new.map(directory));
                changed = true;
            }
            at = end;
        }
        match (changed, tree.is_empty()) {
            (false, _) => Ok(base),
            (true, true) => Ok(None),
            (true, false) => self.tree(tree).map(Some),
        }
    }
}
