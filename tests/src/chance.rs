//! Chance from a seed that is printed and can be given back.

use std::time::{SystemTime, UNIX_EPOCH};

/// A stream of random numbers (SplitMix64), the same for the same seed.
#[derive(Debug, Clone)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// Takes the seed from `ANABRANCH_SEED`, else from the clock, and prints how to replay it.
    ///
    /// # Panics
    ///
    /// When `ANABRANCH_SEED` is not a number.
    #[must_use]
    pub fn new() -> Chance {
        let seed = match std::env::var("ANABRANCH_SEED") {
            Ok(text) => text.parse().expect("ANABRANCH_SEED is a number"),
            Err(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |time| time.as_micros() as u64),
        };
        eprintln!("seed {seed}: ANABRANCH_SEED={seed} makes the same choices again");
        Chance::from_seed(seed)
    }

    /// Begins at a seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Chance {
        Chance { state: seed }
    }

    /// A seed that gives the numbers that come next.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.state
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; zero when `end` is zero.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 {
            0
        } else {
            (self.number() % end as u64) as usize
        }
    }

    /// One of several.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Whether something that happens `percent` times in a hundred happens now.
    pub fn happens(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Bytes that nothing can compress and that no other call gives.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

impl Default for Chance {
    fn default() -> Chance {
        Chance::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let (mut one, mut same, mut other) = (Chance::from_seed(7), Chance::from_seed(7), Chance::from_seed(8));
        assert_eq!(one.bytes(33), same.bytes(33));
        assert_ne!(one.bytes(33), other.bytes(33));
        assert!((0..1_000).all(|_| one.below(3) < 3));
    }
}
