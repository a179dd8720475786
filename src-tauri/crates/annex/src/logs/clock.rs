use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const SECOND: i128 = 1_000_000_000_000;
/// Whole seconds with more digits than this are read as the greatest number of this many digits.
const DIGITS: usize = 24;
/// The last second of the year 9999: what is later is no time of a calendar.
const LAST_DATE: u64 = 253_402_300_799;

/// The time in a log line: what git-annex calls a vector clock, in picoseconds since the epoch.
///
/// It is a wall-clock time only by habit; what counts is that every change carries a greater one than what it
/// replaces, so [`VectorClock::after`] and never "now" is what gets written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VectorClock(i128);

impl VectorClock {
    /// Reads `GIT_ANNEX_VECTOR_CLOCK`, else the system's clock in whole seconds, as git-annex writes it.
    pub fn now() -> Self {
        let set = std::env::var("GIT_ANNEX_VECTOR_CLOCK").ok();
        set.and_then(|text| Self::parse(text.as_bytes())).unwrap_or_else(|| {
            let seconds = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs());
            Self(i128::from(seconds) * SECOND)
        })
    }

    /// Parses `[-]seconds[.fraction][s]`; digits of the fraction after the twelfth are cut off.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.strip_suffix(b"s").unwrap_or(text);
        let (negative, text) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match text.iter().position(|&b| b == b'.') {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let whole = number(whole)?;
        let fraction = match fraction {
            None => 0,
            Some(digits) => {
                number(digits)?;
                (0..12).fold(0, |sum, at| {
                    sum * 10 + i128::from(digits.get(at).map_or(0, |d| d - b'0'))
                })
            }
        };
        let value = whole * SECOND + fraction;
        Some(Self(if negative { -value } else { value }))
    }

    /// The wall-clock time that it is by habit, in whole seconds since the epoch; none where it cannot be one.
    #[must_use]
    pub fn date(self) -> Option<u64> {
        u64::try_from(self.0.div_euclid(SECOND))
            .ok()
            .filter(|seconds| *seconds <= LAST_DATE)
    }

    /// The time to write for a change made at `self` that replaces an entry of time `old`: later than it, whatever the
    /// clock says. When the clock is not ahead of it, one second later, as git-annex does.
    #[must_use]
    pub fn after(self, old: Option<VectorClock>) -> Self {
        match old {
            Some(old) if self <= old => Self(old.0 + SECOND),
            _ => self,
        }
    }
}

fn number(digits: &[u8]) -> Option<i128> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = digits.iter().take_while(|&&d| d == b'0').count();
    let digits = &digits[zeros..];
    if digits.len() > DIGITS {
        return Some(10i128.pow(24) - 1);
    }
    Some(digits.iter().fold(0, |sum, d| sum * 10 + i128::from(d - b'0')))
}

impl fmt::Display for VectorClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let value = self.0.unsigned_abs();
        let (whole, fraction) = (value / SECOND.unsigned_abs(), value % SECOND.unsigned_abs());
        write!(f, "{sign}{whole}")?;
        if fraction != 0 {
            write!(f, ".{}", format!("{fraction:012}").trim_end_matches('0'))?;
        }
        f.write_str("s")
    }
}
