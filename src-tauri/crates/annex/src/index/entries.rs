//! The entries of an index in order, wherever they lie: in the base of a split index or beside it.

use std::cmp::Ordering;
use std::ops::Range;

use super::base::Base;
use super::{EntryRef, IndexEntry};

/// All entries of an index, by path and stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entries<'i> {
    pub(super) base: Option<&'i Base>,
    /// Positions in the base of entries that are gone or replaced, in order.
    pub(super) hidden: &'i [u32],
    /// What is not in the base, in order.
    pub(super) own: &'i [IndexEntry],
}

/// Entries that follow one another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Span {
    base: Range<usize>,
    own: Range<usize>,
}

impl<'i> Entries<'i> {
    /// The number of all entries.
    pub(crate) fn len(self) -> usize {
        self.count(&self.all())
    }

    /// All of them.
    /// The path of an entry near the middle; none if there are no entries.
    pub(crate) fn middle(self) -> Option<&'i [u8]> {
        match self.base.filter(|base| base.len() > self.own.len()) {
            Some(base) => Some(base.path(base.len() / 2)),
            None => self.own.get(self.own.len() / 2).map(|entry| &*entry.path),
        }
    }

    pub(crate) fn all(self) -> Span {
        Span {
            base: 0..self.base.map_or(0, Base::len),
            own: 0..self.own.len(),
        }
    }

    /// The entry staged for a path; none if there is none or a conflict.
    pub(crate) fn get(self, path: &[u8]) -> Option<EntryRef<'i>> {
        let mut of_path = self.iter(&self.file(path));
        of_path.next().filter(|entry| entry.stage() == 0)
    }

    /// The entries of a file, in all stages.
    pub(crate) fn file(self, path: &[u8]) -> Span {
        let start = self.bound(&self.all(), |other| other < path);
        self.same(&start, path)
    }

    /// The entries below a directory.
    pub(crate) fn below(self, directory: &[u8]) -> Span {
        let prefix = [directory, b"/"].concat();
        let start = self.bound(&self.all(), |other| other < &prefix[..]);
        self.with_prefix(&start, &prefix, None)
    }

    /// Of entries of which the first have `path`, those.
    pub(crate) fn same(self, rest: &Span, path: &[u8]) -> Span {
        let end = |range: &Range<usize>, is_same: &dyn Fn(usize) -> bool| {
            range.start..range.clone().find(|&at| !is_same(at)).unwrap_or(range.end)
        };
        Span {
            base: end(&rest.base, &|at| self.base.is_some_and(|base| base.path(at) == path)),
            own: end(&rest.own, &|at| *self.own[at].path == *path),
        }
    }

    /// Of entries of which the first have this prefix, those. `guess` is how many there may be: if that is right, nothing has
    /// to be searched.
    pub(crate) fn with_prefix(self, rest: &Span, prefix: &[u8], guess: Option<usize>) -> Span {
        let own = &self.own[rest.own.clone()];
        let own = own.partition_point(|entry| entry.path.starts_with(prefix));
        let Some(base) = self.base else {
            return Span {
                base: rest.base.clone(),
                own: rest.own.start..rest.own.start + own,
            };
        };
        let is_inside = |at: usize| base.path(at).starts_with(prefix);
        let start = rest.base.start;
        let guessed = guess.and_then(|guess| {
            let shown = start.saturating_add(guess.saturating_sub(own));
            let end = shown.saturating_add(self.hidden_in(&(start..shown)).len());
            let is_right = end <= rest.base.end
                && (end == start || is_inside(end - 1))
                && (end == rest.base.end || !is_inside(end));
            is_right.then_some(end)
        });
        let end = guessed.unwrap_or_else(|| start + partition(rest.base.len(), |at| is_inside(start + at)));
        Span {
            base: start..end,
            own: rest.own.start..rest.own.start + own,
        }
    }

    /// The rest of a span, from the first entry on for whose path `is_before` is false.
    fn bound(self, span: &Span, is_before: impl Fn(&[u8]) -> bool) -> Span {
        let Range { start, end } = span.base;
        let base = self
            .base
            .map_or(0, |base| partition(end - start, |at| is_before(base.path(start + at))));
        let own = self.own[span.own.clone()].partition_point(|entry| is_before(&entry.path));
        Span {
            base: start + base..end,
            own: span.own.start + own..span.own.end,
        }
    }

    fn hidden_in(self, base: &Range<usize>) -> &'i [u32] {
        let at = |position: usize| self.hidden.partition_point(|&hidden| (hidden as usize) < position);
        &self.hidden[at(base.start)..at(base.end)]
    }

    /// How many entries a span has.
    pub(crate) fn count(self, span: &Span) -> usize {
        span.base.len() - self.hidden_in(&span.base).len() + span.own.len()
    }

    /// How many entries are before a span.
    pub(super) fn before(self, span: &Span) -> usize {
        self.count(&Span {
            base: 0..span.base.start,
            own: 0..span.own.start,
        })
    }

    /// True if a span has no entry.
    pub(crate) fn is_empty(self, span: &Span) -> bool {
        self.count(span) == 0
    }

    /// The entries of a span.
    pub(crate) fn iter(self, span: &Span) -> Iter<'i> {
        let mut iter = Iter {
            entries: self,
            hidden: self.hidden_in(&span.base),
            rest: span.clone(),
        };
        iter.pass_hidden();
        iter
    }

    /// The positions in the base of entries of a span, without those hidden.
    pub(super) fn shown(self, span: &Span) -> impl Iterator<Item = u32> + 'i {
        let hidden = self.hidden_in(&span.base);
        let positions = span.base.start as u32..span.base.end as u32;
        positions.filter(move |position| hidden.binary_search(position).is_err())
    }
}

/// [`slice::partition_point`] of the numbers below `count`.
fn partition(count: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut start, mut end) = (0, count);
    while start < end {
        let middle = start + (end - start) / 2;
        match is_before(middle) {
            true => start = middle + 1,
            false => end = middle,
        }
    }
    start
}

/// Goes through entries in order.
#[derive(Debug, Clone)]
pub(crate) struct Iter<'i> {
    entries: Entries<'i>,
    /// Hidden positions that are still to come.
    hidden: &'i [u32],
    rest: Span,
}

impl<'i> Iter<'i> {
    /// What is still to come.
    pub(crate) fn rest(&self) -> &Span {
        &self.rest
    }

    /// The next entry.
    pub(crate) fn peek(&self) -> Option<EntryRef<'i>> {
        self.next_of().map(|(entry, _)| entry)
    }

    /// Passes over a span with which the rest begins.
    pub(crate) fn pass(&mut self, span: &Span) {
        self.rest.base.start = span.base.end.max(self.rest.base.start);
        self.rest.own.start = span.own.end.max(self.rest.own.start);
        let passed = self
            .hidden
            .partition_point(|&hidden| (hidden as usize) < self.rest.base.start);
        self.hidden = &self.hidden[passed..];
        self.pass_hidden();
    }

    fn pass_hidden(&mut self) {
        while let Some((first, others)) = self.hidden.split_first()
            && *first as usize == self.rest.base.start
        {
            self.hidden = others;
            self.rest.base.start += 1;
        }
    }

    /// The next entry, and whether it is in the base.
    fn next_of(&self) -> Option<(EntryRef<'i>, bool)> {
        let base = match self.entries.base {
            Some(base) if !self.rest.base.is_empty() => Some(base.entry(self.rest.base.start)),
            Some(_) | None => None,
        };
        let own = self
            .entries
            .own
            .get(self.rest.own.clone())
            .and_then(<[IndexEntry]>::first);
        let own = own.map(IndexEntry::borrowed);
        Some(match (base, own) {
            (Some(base), Some(own)) => match (base.path, base.stage()).cmp(&(own.path, own.stage())) {
                Ordering::Less => (base, true),
                Ordering::Equal | Ordering::Greater => (own, false),
            },
            (Some(base), None) => (base, true),
            (None, own) => (own?, false),
        })
    }
}

impl<'i> Iterator for Iter<'i> {
    type Item = EntryRef<'i>;

    fn next(&mut self) -> Option<Self::Item> {
        let (entry, is_of_base) = self.next_of()?;
        match is_of_base {
            true => {
                self.rest.base.start += 1;
                self.pass_hidden();
            }
            false => self.rest.own.start += 1,
        }
        Some(entry)
    }
}
