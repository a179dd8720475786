//! Commits as git and git-annex make them, without the bytes: trees of the work-tree branch, facts of the git-annex branch.
//!
//! A tree merge keeps every write that the other side has not seen, and drops every write that the other side has seen and
//! no longer has. That is what "no edit lost" and "no resurrection" mean, stated without a merge base.

use std::collections::BTreeMap;
use std::rc::Rc;

use model::Oid;

/// A set of small numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn has(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    pub(crate) fn add(&mut self, at: usize) {
        if self.0.len() <= at / 64 {
            self.0.resize(at / 64 + 1, 0);
        }
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn add_all(&mut self, other: &Bits) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}

/// Names a content; its key is made from the number.
pub(crate) type Content = u16;
/// Names a path; variants of conflicts get numbers of their own.
pub(crate) type PathNo = u16;
/// Names one write of one path.
pub(crate) type Dot = u16;
/// Names a commit in its [`Commits`].
pub(crate) type CommitNo = usize;

/// The content at a path of a tree, and the write that put it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) content: Content,
    pub(crate) dot: Dot,
}

pub(crate) type Files = BTreeMap<PathNo, Entry>;
/// For each content and repository: when it was last said whether the content is there, and whether it is.
pub(crate) type Facts = BTreeMap<(Content, u8), (u32, bool)>;

/// One commit of the work-tree branch.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) files: Rc<Files>,
    pub(crate) seen: Bits,
}

#[derive(Debug)]
struct Commit<T> {
    ancestors: Bits,
    holds: T,
}

/// All commits of one branch in the world.
#[derive(Debug)]
pub(crate) struct Commits<T> {
    tag: u8,
    all: Vec<Commit<T>>,
    merges: BTreeMap<(CommitNo, CommitNo), CommitNo>,
}

impl<T> Commits<T> {
    pub(crate) fn new(tag: u8) -> Self {
        Self {
            tag,
            all: Vec::new(),
            merges: BTreeMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn at(&self, commit: CommitNo) -> &T {
        &self.all[commit].holds
    }

    /// Names the commit; one number is one commit, so this stands for the hash of all that it holds.
    pub(crate) fn oid(&self, commit: CommitNo) -> Oid {
        let mut bytes = [self.tag; 20];
        bytes[..4].copy_from_slice(&u32::try_from(commit).unwrap_or(u32::MAX).to_be_bytes());
        Oid(bytes)
    }

    /// The commit of that name.
    pub(crate) fn named(&self, oid: Oid) -> Option<CommitNo> {
        (0..self.len()).find(|commit| self.oid(*commit) == oid)
    }

    /// True if `older` is `newer` or one of its ancestors.
    pub(crate) fn contains(&self, newer: Option<CommitNo>, older: Option<CommitNo>) -> bool {
        match (newer, older) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(newer), Some(older)) => self.all[newer].ancestors.has(older),
        }
    }

    pub(crate) fn commit(&mut self, parents: &[CommitNo], holds: T) -> CommitNo {
        let mut ancestors = Bits::default();
        for &parent in parents {
            ancestors.add_all(&self.all[parent].ancestors);
        }
        ancestors.add(self.all.len());
        self.all.push(Commit { ancestors, holds });
        self.all.len() - 1
    }

    /// Merges two commits; the same two give the same commit if merges are `reproducible`.
    pub(crate) fn merge(
        &mut self,
        ours: Option<CommitNo>,
        theirs: CommitNo,
        reproducible: bool,
        join: impl FnOnce(&T, &T) -> T,
    ) -> CommitNo {
        let Some(ours) = ours else { return theirs };
        if self.contains(Some(ours), Some(theirs)) {
            return ours;
        }
        if self.contains(Some(theirs), Some(ours)) {
            return theirs;
        }
        let pair = (ours.min(theirs), ours.max(theirs));
        if let Some(&made) = self.merges.get(&pair).filter(|_| reproducible) {
            return made;
        }
        let joined = join(self.at(pair.0), self.at(pair.1));
        let made = self.commit(&[pair.0, pair.1], joined);
        self.merges.insert(pair, made);
        made
    }
}

/// Joins the facts of both sides; where they differ, the newer one counts.
pub(crate) fn join_facts(a: &Rc<Facts>, b: &Rc<Facts>) -> Rc<Facts> {
    let mut joined = Facts::clone(a);
    for (&about, &said) in b.iter() {
        let known = joined.entry(about).or_insert(said);
        *known = (*known).max(said);
    }
    Rc::new(joined)
}

/// Names that are given to the two sides of a conflict, the same wherever it is resolved.
#[derive(Debug, Default)]
pub(crate) struct Variants {
    paths: BTreeMap<(PathNo, Content), PathNo>,
    dots: BTreeMap<(PathNo, Dot), Dot>,
}

/// Hands out numbers for new paths and writes.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) paths: PathNo,
    pub(crate) dots: Dot,
    pub(crate) variants: Variants,
}

impl Numbers {
    pub(crate) fn next_dot(&mut self) -> Dot {
        self.dots += 1;
        self.dots
    }

    fn variant(&mut self, path: PathNo, entry: Entry) -> (PathNo, Entry) {
        let Self { paths, dots, variants } = self;
        let name = *variants.paths.entry((path, entry.content)).or_insert_with(|| {
            *paths += 1;
            *paths - 1
        });
        let dot = *variants.dots.entry((path, entry.dot)).or_insert_with(|| {
            *dots += 1;
            *dots
        });
        (
            name,
            Entry {
                content: entry.content,
                dot,
            },
        )
    }
}

impl Tree {
    /// The tree after a merge into `before` of which some paths wait: it has seen none of the writes that they wait for.
    pub(crate) fn partial(before: Option<&Tree>, files: Files) -> Tree {
        let mut seen = before.map(|tree| tree.seen.clone()).unwrap_or_default();
        files.values().for_each(|entry| seen.add(usize::from(entry.dot)));
        Tree {
            files: Rc::new(files),
            seen,
        }
    }
}

/// The files of one tree whose content is nowhere in another.
pub(crate) fn gone(before: &Files, after: &Files) -> Files {
    let is_gone = |(path, entry): &(&PathNo, &Entry)| {
        !after.contains_key(path) && !after.values().any(|kept| kept.content == entry.content)
    };
    let gone = before.iter().filter(is_gone);
    gone.map(|(path, entry)| (*path, *entry)).collect()
}

/// Keeps what either side wrote and the other has not seen; a conflict keeps both under names of their own.
pub(crate) fn join_trees(a: &Tree, b: &Tree, numbers: &mut Numbers) -> Tree {
    let mut seen = a.seen.clone();
    seen.add_all(&b.seen);
    let mut files = Files::new();
    let mut variants = Vec::new();
    let paths: std::collections::BTreeSet<_> = a.files.keys().chain(b.files.keys()).copied().collect();
    for path in paths {
        let (ours, theirs) = (a.files.get(&path).copied(), b.files.get(&path).copied());
        let ours_stays = ours.filter(|entry| theirs == Some(*entry) || !b.seen.has(entry.dot.into()));
        let theirs_stays = theirs.filter(|entry| ours == Some(*entry) || !a.seen.has(entry.dot.into()));
        match (ours_stays, theirs_stays) {
            (Some(x), Some(y)) if x.content == y.content => {
                files.insert(path, if x.dot > y.dot { x } else { y });
            }
            (Some(x), Some(y)) => variants.extend([numbers.variant(path, x), numbers.variant(path, y)]),
            (Some(entry), None) | (None, Some(entry)) => {
                files.insert(path, entry);
            }
            (None, None) => {}
        }
    }
    for (path, entry) in variants {
        seen.add(entry.dot.into());
        files.insert(path, entry);
    }
    Tree {
        files: Rc::new(files),
        seen,
    }
}
