//! Sets of positions as the index's `link` extension has them: bitmaps in the EWAH form of git's `ewah/`.
//!
//! A bitmap is the number of its bits, the number of its 64-bit words, the words, and the place of the last marker, all in
//! network order. Words come in groups: a marker, and the literal words that it counts. From its lowest bit on a marker
//! has the value of a run of equal bits (1 bit), the length of the run in words (32) and the number of literal words (31).

use super::format::{Fault, Input};

const RUN: u32 = 1;
const LITERALS: u32 = 33;

/// Reads a bitmap of which the bits are below `limit`. The positions are in order.
pub(super) fn decode(input: &mut Input<'_>, limit: usize) -> Result<Vec<u32>, Fault> {
    const WRONG: Fault = Fault::Damaged("a bitmap in it cannot be");
    let _bits = input.u32()?;
    let count = input.u32()? as usize;
    let mut words = Input(input.take(count.checked_mul(8).ok_or(WRONG)?)?);
    let _last_marker = input.u32()?;
    let mut positions = Vec::new();
    let mut at: usize = 0;
    while !words.0.is_empty() {
        let marker = words.u64()?;
        let run = (marker >> RUN) as u32 as usize * 64;
        let end = at.checked_add(run).ok_or(WRONG)?;
        if marker & 1 == 1 {
            if end > limit {
                return Err(WRONG);
            }
            positions.extend(at as u32..end as u32);
        }
        at = end;
        for _ in 0..marker >> LITERALS {
            let mut word = words.u64()?;
            while word != 0 {
                let position = at + word.trailing_zeros() as usize;
                if position >= limit {
                    return Err(WRONG);
                }
                positions.push(position as u32);
                word &= word - 1;
            }
            at = at.checked_add(64).ok_or(WRONG)?;
        }
    }
    Ok(positions)
}

/// Writes the bitmap of positions that are in order.
pub(super) fn encode(positions: &[u32], out: &mut Vec<u8>) {
    let mut words: Vec<u64> = vec![0];
    let (mut marker, mut next) = (0, 0);
    for of_word in positions.chunk_by(|a, b| a / 64 == b / 64) {
        let place = of_word[0] / 64;
        let literal = of_word.iter().fold(0, |word, position| word | 1 << (position % 64));
        if place > next {
            if words[marker] >> LITERALS > 0 {
                marker = words.len();
                words.push(0);
            }
            words[marker] |= u64::from(place - next) << RUN;
        }
        words[marker] += 1 << LITERALS;
        words.push(literal);
        next = place + 1;
    }
    let bits = positions.last().map_or(0, |last| last + 1);
    out.extend_from_slice(&bits.to_be_bytes());
    out.extend_from_slice(&(words.len() as u32).to_be_bytes());
    for word in &words {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(&(marker as u32).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(data: &[u8], limit: usize) -> Result<Vec<u32>, Fault> {
        let mut input = Input(data);
        let positions = decode(&mut input, limit)?;
        assert_eq!(input.0, b"");
        Ok(positions)
    }

    proptest! {
        #[test]
        fn positions_come_back(
            mut positions in prop::collection::vec(prop_oneof![0..200u32, 0..100_000u32], 0..300),
            run in 0..400u32,
        ) {
            positions.extend(5000..5000 + run);
            positions.sort_unstable();
            positions.dedup();
            let mut data = Vec::new();
            encode(&positions, &mut data);
            let limit = positions.last().map_or(0, |last| *last as usize + 1);
            prop_assert_eq!(decoded(&data, limit).unwrap(), positions);
            prop_assert!(limit == 0 || decoded(&data, limit - 1).is_err());
        }

        #[test]
        fn no_bytes_are_a_fault_of_ours(data in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&mut Input(&data), 1000);
        }
    }

    #[test]
    fn runs_of_ones_are_positions_too() {
        let run = (2 << RUN) | 1 | (1 << LITERALS);
        let words: [u64; 2] = [run, 0b101];
        let data = [
            &130u32.to_be_bytes()[..],
            &2u32.to_be_bytes(),
            &words[0].to_be_bytes(),
            &words[1].to_be_bytes(),
            &0u32.to_be_bytes(),
        ]
        .concat();
        let expected: Vec<u32> = (0..128).chain([128, 130]).collect();
        assert_eq!(decoded(&data, 131).unwrap(), expected);
        assert!(decoded(&data, 127).is_err());
    }
}
