//! The `UNTR` extension, git's untracked cache: for each directory, what in it git found untracked.

use std::collections::BTreeSet;

use super::ewah;
use super::format::{Fault, Input, varint};

const WRONG: Fault = Fault::Damaged("its untracked cache cannot be");

/// The stat data of a directory or file.
const STAT: usize = 36;
const OID: usize = 20;

/// The cache without what it says of the directories that these paths are in, or below.
///
/// git does the same when it changes entries of these paths: a file that is tracked now must not be listed, and a directory
/// without tracked files is listed in the one above.
pub(super) fn without<'p>(cache: &[u8], paths: impl Iterator<Item = &'p [u8]>) -> Result<Vec<u8>, Fault> {
    let mut stale = BTreeSet::from([&b""[..]]);
    for path in paths {
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            stale.insert(&path[..at]);
        }
    }
    let mut input = Input(cache);
    let ident = input.varint()?;
    input.take(ident)?;
    // Stat data and ids of the files with patterns, and the flags of the listing.
    input.take(2 * STAT + 4 + 2 * OID)?;
    input.text()?;
    let count = input.varint()?;
    if count == 0 {
        // No directory is known.
        return match input.0.is_empty() {
            true => Ok(cache.to_owned()),
            false => Err(WRONG),
        };
    }
    let mut out = Vec::with_capacity(cache.len());
    out.extend_from_slice(&cache[..cache.len() - input.0.len()]);
    let is_stale = directories(&mut input, count, &stale, &mut out)?;

    let [valid, check_only, has_oid] = [(); 3].map(|()| ewah::decode(&mut input, count));
    let (mut valid, mut check_only, has_oid) = (valid?, check_only?, has_oid?);
    let is_kept = |position: &u32| !is_stale[*position as usize];
    let mut stats = Vec::with_capacity(valid.len() * STAT);
    for position in &valid {
        let stat = input.take(STAT)?;
        if is_kept(position) {
            stats.extend_from_slice(stat);
        }
    }
    valid.retain(is_kept);
    check_only.retain(is_kept);
    for bitmap in [&valid, &check_only, &has_oid] {
        ewah::encode(bitmap, &mut out);
    }
    out.extend_from_slice(&stats);
    out.extend_from_slice(input.take(has_oid.len().checked_mul(OID).ok_or(WRONG)?)?);
    match input.0 {
        [0] => out.push(0),
        _ => return Err(WRONG),
    }
    Ok(out)
}

/// Copies the directories, each before those below it, without the names in those that are stale. Tells which are.
fn directories(
    input: &mut Input<'_>,
    count: usize,
    stale: &BTreeSet<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<Vec<bool>, Fault> {
    let mut is_stale = Vec::with_capacity(count.min(input.0.len()));
    let mut path: Vec<u8> = Vec::new();
    // Of each directory above: how long its path is, and how many below it are still to come.
    let mut above: Vec<(usize, usize)> = Vec::new();
    for _ in 0..count {
        let start = input.0;
        let names = input.varint()?;
        let below = input.varint()?;
        let name = input.text()?;
        for _ in 0..names {
            input.text()?;
        }
        if let Some((length, left)) = above.last_mut() {
            *left = left.checked_sub(1).ok_or(WRONG)?;
            path.truncate(*length);
            if *length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        } else if !is_stale.is_empty() || !name.is_empty() {
            return Err(WRONG);
        }
        match stale.contains(&path[..]) {
            true => {
                varint(out, 0);
                varint(out, below);
                out.extend_from_slice(name);
                out.push(0);
            }
            false => out.extend_from_slice(&start[..start.len() - input.0.len()]),
        }
        is_stale.push(stale.contains(&path[..]));
        above.push((path.len(), below));
        while above.pop_if(|(_, left)| *left == 0).is_some() {}
    }
    match above.is_empty() {
        true => Ok(is_stale),
        false => Err(WRONG),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_are_a_fault_of_ours(data in prop::collection::vec(0..5u8, 0..200)) {
            let before = [&[0][..], &[0; 2 * STAT + 4 + 2 * OID + 1]].concat();
            let _ = without(&[&before[..], &data].concat(), [&b"a/b"[..]].into_iter());
        }
    }
}
