use super::*;

/// Any walk through any statuses, with new starts and servers that come and go.
#[test]
fn whatever_happens_nothing_is_told_twice_or_too_often_or_untrue() {
    for seed in 1..300_u64 {
        let mut dice = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut roll = |sides: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            (dice >> 33) % sides
        };
        let (mut life, mut at, mut satisfied_since_full) = (Life::default(), 1_000_000, true);
        for _ in 0..60 {
            let folders = [
                lacking(),
                sending(),
                asking("9?"),
                asking("10?"),
                photos(State::Safe),
                photos(State::Stopped),
            ];
            let mut folder = folders[usize::try_from(roll(6)).unwrap()].clone();
            folder.conflicts = roll(4);
            folder.damaged = roll(3) / 2;
            folder.few_copies = roll(2);
            if roll(3) == 0 && folder.state == State::Waiting {
                folder.full = vec!["stick".to_owned()];
            }
            let drives = [vec![], vec![new()], vec![in_use(true)], vec![in_use(false)]];
            let mut status = seen(&[folder.clone()], &drives[usize::try_from(roll(4)).unwrap()]);
            status.settings.notifications = roll(4) > 0;
            life.sees(at, &status);
            let span = [1, 3, 4, 60, HOUR, WEEK][usize::try_from(roll(6)).unwrap()];
            let before = life.shows.len();
            life.passes(at, at + span);
            satisfied_since_full |= folder.state != State::Stopped && folder.places[0].wants == 0;
            for (told_at, notice) in &life.shows[before..] {
                if matches!(notice.about, About::Full(..)) {
                    assert!(std::mem::take(&mut satisfied_since_full), "{seed}: full twice");
                }
                let wants_all = status.settings.notifications;
                assert!(wants_all || notice.urgency == Urgency::Critical, "{seed}: {notice:?}");
                let now: Vec<About> = words::of(&life.history, &status, *told_at)
                    .into_iter()
                    .map(|notice| notice.about)
                    .collect();
                assert!(now.contains(&notice.about), "{seed}: {notice:?} is not true");
            }
            let is_true = words::of(&life.history, &status, at + span);
            for about in life.history.shown.keys() {
                assert!(is_true.iter().any(|notice| notice.about == *about), "{seed}: {about:?}");
            }
            at += span;
            match roll(10) {
                0 => life.restarts(),
                1 => life.history.is_deserted(),
                2 => {
                    let any = life.history.shown.keys().next().cloned();
                    any.iter().for_each(|about| life.history.is_closed(about));
                }
                _ => {}
            }
        }
        for (number, (at, notice)) in life.shows.iter().enumerate() {
            let earlier = life.shows[..number].iter().rev();
            let last = earlier.clone().find(|(_, other)| other.about == notice.about);
            let after = last.map(|(last, _)| at - last);
            let least = match notice.about {
                About::NewDrive(_) | About::InStep(_) => u64::MAX,
                About::Conflicts(_) => HOUR,
                About::Overdue(..) | About::FewCopies(_) => WEEK,
                About::Question(_)
                | About::Damage(_)
                | About::Answer(_)
                | About::PulledOut(_)
                | About::Full(..)
                | About::UpToDate(_) => 0,
            };
            assert!(
                after.is_none_or(|after| after >= least),
                "{seed}: {notice:?} after {after:?}"
            );
            let previous = earlier.clone().next();
            assert!(previous.is_none_or(|(other, _)| other < at), "{seed}: two at {at}");
        }
    }
}
