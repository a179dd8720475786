//! Waiting for a condition by looking again and again.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How long a program may take to do or show something, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks until the condition holds; it says itself what is missing while it does not.
///
/// Returns how long it took.
///
/// # Panics
///
/// When it does not hold within the time; the message is what was missing at the last look.
#[track_caller]
pub fn eventually<M: Display>(at_most: Duration, mut look: impl FnMut() -> Result<(), M>) -> Duration {
    let began_at = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        let Err(missing) = look() else {
            return began_at.elapsed();
        };
        assert!(
            began_at.elapsed() < at_most,
            "not after {} s: {missing}",
            at_most.as_secs()
        );
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_when_the_condition_holds() {
        let mut looks = 0;
        eventually(Duration::from_secs(5), || {
            looks += 1;
            if looks == 3 { Ok(()) } else { Err("not yet") }
        });
        assert_eq!(looks, 3);
    }

    #[test]
    #[should_panic(expected = "the file is missing")]
    fn it_tells_what_is_missing() {
        eventually(Duration::ZERO, || Err::<(), _>("the file is missing"));
    }
}
