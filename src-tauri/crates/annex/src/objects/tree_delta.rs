use super::pack_file::MOST;
use super::tree::{Item, split_item};

/// Longer copies are split, because git never writes longer ones itself.
const LONGEST_COPY: usize = 0xffff;
/// The most that one instruction can insert.
const LONGEST_INSERT: usize = 0x7f;

/// Makes a delta, as in gitformat-pack(5), from one tree to another. It compares the trees entry by entry. None if a tree is
/// damaged.
pub(super) fn tree_delta(base: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut delta = Vec::new();
    put_size(&mut delta, base.len());
    put_size(&mut delta, target.len());
    // The pending instruction; one of the two ranges is empty.
    let (mut copy, mut insert) = (0..0, 0..0);
    let (mut old, mut new) = (base, target);
    while !new.is_empty() {
        let (item, rest) = split_item(new)?;
        let bytes = &new[..new.len() - rest.len()];
        let at = target.len() - new.len();
        let from = base.len() - old.len();
        if !bytes.is_empty() && old.starts_with(bytes) {
            put_insert(&mut delta, &target[insert.clone()]);
            insert = at + bytes.len()..at + bytes.len();
            if copy.end != from {
                put_copy(&mut delta, &copy);
                copy = from..from;
            }
            copy.end += bytes.len();
            (old, new) = (&old[bytes.len()..], rest);
            continue;
        }
        let next_old = match old.is_empty() {
            true => None,
            false => Some(split_item(old)?),
        };
        match next_old {
            // Trees sort directories differently. A wrong guess here only makes the delta longer.
            Some((was, after)) if name(&was) < name(&item) => old = after,
            found => {
                put_copy(&mut delta, &copy);
                copy = from..from;
                insert.end = at + bytes.len();
                new = rest;
                if let Some((was, after)) = found
                    && name(&was) == name(&item)
                {
                    old = after;
                }
            }
        }
    }
    put_copy(&mut delta, &copy);
    put_insert(&mut delta, &target[insert]);
    Some(delta)
}

fn name<'t>(item: &Item<'t>) -> &'t [u8] {
    item.0
}

fn put_size(delta: &mut Vec<u8>, mut size: usize) {
    while size > 0x7f {
        delta.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    delta.push(size as u8);
}

fn put_copy(delta: &mut Vec<u8>, range: &std::ops::Range<usize>) {
    let mut start = range.start;
    while start < range.end {
        let length = (range.end - start).min(LONGEST_COPY);
        let at = delta.len();
        delta.push(0x80);
        let numbers = start
            .to_le_bytes()
            .into_iter()
            .take(4)
            .chain(length.to_le_bytes().into_iter().take(2));
        for (bit, byte) in numbers.enumerate() {
            if byte != 0 {
                delta[at] |= 1 << bit;
                delta.push(byte);
            }
        }
        start += length;
    }
}

fn put_insert(delta: &mut Vec<u8>, bytes: &[u8]) {
    for part in bytes.chunks(LONGEST_INSERT) {
        delta.push(part.len() as u8);
        delta.extend_from_slice(part);
    }
}

/// Applies a delta to its base; none if the delta is damaged or belongs to another base.
pub(super) fn apply(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut rest = delta.iter().copied();
    let mut size = || {
        let (mut size, mut shift) = (0usize, 0);
        loop {
            let byte = rest.next()?;
            size |= usize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(size);
            }
        }
    };
    let (from, to) = (size()?, size()?);
    let mut target = Vec::new();
    if from != base.len() || to > MOST {
        return None;
    }
    while let Some(instruction) = rest.next() {
        if instruction & 0x80 == 0 {
            let before = target.len();
            target.extend(rest.by_ref().take(usize::from(instruction)));
            if instruction == 0 || target.len() - before != usize::from(instruction) {
                return None;
            }
            continue;
        }
        let mut number = |bits: std::ops::Range<u32>| {
            let mut number = 0;
            for (place, bit) in bits.enumerate() {
                if instruction & (1 << bit) != 0 {
                    number |= usize::from(rest.next()?) << (8 * place);
                }
            }
            Some(number)
        };
        let (start, length) = (number(0..4)?, number(4..7)?);
        let length = if length == 0 { 0x10000 } else { length };
        if target.len() + length > to {
            return None;
        }
        target.extend_from_slice(base.get(start..start.checked_add(length)?)?);
    }
    (to == target.len()).then_some(target)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::objects::{DIRECTORY, Tree, TreeEntry};

    /// The entries of a tree by their names, each with what it names.
    fn tree(entries: &[(u16, u8)]) -> Vec<u8> {
        let mut tree = Tree::default();
        for (name, id) in entries {
            let id = git2::Oid::from_bytes(&[*id; 20]).unwrap();
            let entry = match name % 5 {
                0 => TreeEntry { mode: DIRECTORY, id },
                _ => TreeEntry::file(id),
            };
            tree.set(format!("{name:b}").as_bytes(), Some(entry));
        }
        tree.into_bytes()
    }

    proptest! {
        #[test]
        fn a_delta_gives_the_tree_again(
            entries in prop::collection::vec((0u16..3000, any::<u8>()), 0..3000),
            changes in prop::collection::vec((0usize..3000, 0u16..3000, any::<u8>()), 0..20),
        ) {
            let mut changed = entries.clone();
            for (at, name, id) in changes {
                match id % 3 {
                    0 => changed.truncate(changed.len().saturating_sub(at % 7)),
                    1 if at < changed.len() => changed[at].1 = id,
                    _ => changed.push((name, id)),
                }
            }
            let (base, target) = (tree(&entries), tree(&changed));
            let delta = tree_delta(&base, &target).unwrap();
            prop_assert_eq!(apply(&base, &delta), Some(target));
        }

        #[test]
        fn any_delta_is_read_without_harm(base in any::<Vec<u8>>(), delta in any::<Vec<u8>>()) {
            let _ = apply(&base, &delta);
        }
    }

    /// A few bytes can ask for gigabytes.
    #[test]
    fn a_delta_that_claims_too_much_is_refused() {
        let base = vec![0; 1 << 16];
        let mut delta = Vec::new();
        put_size(&mut delta, base.len());
        put_size(&mut delta, MOST + (1 << 16));
        (0..=MOST >> 16).for_each(|_| delta.push(0x80));
        assert_eq!(apply(&base, &delta), None);
        let mut longer_than_it_says = Vec::new();
        put_size(&mut longer_than_it_says, base.len());
        put_size(&mut longer_than_it_says, 1);
        longer_than_it_says.push(0x80);
        assert_eq!(apply(&base, &longer_than_it_says), None);
    }

    #[test]
    fn one_change_is_a_short_delta() {
        let entries: Vec<(u16, u8)> = (0..4096).map(|name| (name, 1)).collect();
        let mut changed = entries.clone();
        changed[2000].1 = 2;
        let (base, target) = (tree(&entries), tree(&changed));
        let delta = tree_delta(&base, &target).unwrap();
        assert!(
            target.len() > 100_000 && delta.len() < 80,
            "{} {}",
            target.len(),
            delta.len()
        );
    }

    #[test]
    fn a_damaged_tree_has_no_delta() {
        let good = tree(&[(1, 1), (2, 2)]);
        assert_eq!(tree_delta(&good, &good[..good.len() - 1]), None);
        assert_eq!(tree_delta(&good[..good.len() - 1], &tree(&[(1, 1), (2, 3)])), None);
    }
}
