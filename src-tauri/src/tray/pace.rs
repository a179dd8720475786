//! When the tray changes: a function of what it showed and of the time that it is given.

use std::time::{Duration, Instant};

use super::Tray;
use super::icon::Icon;

/// The tray changes at most so often.
const BETWEEN: Duration = Duration::from_secs(1);
/// Work that is over sooner is not shown.
const BEGINS: Duration = Duration::from_secs(1);
/// Work that is shown stays for so long.
const STAYS: Duration = Duration::from_secs(2);

/// What is to be done with the tray now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// It shows this from now on.
    Show(Tray),
    /// Ask again then, or when the status has changed.
    Wait(Instant),
    /// It shows what it should; ask again when the status has changed.
    Rest,
}

/// What was shown, and since when.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    shown: Option<Shown>,
    works_since: Option<Instant>,
}

#[derive(Debug)]
struct Shown {
    tray: Tray,
    since: Instant,
    /// When the icon began to say that there is work.
    work_since: Option<Instant>,
}

impl Pace {
    /// What to do, if `wanted` is how things are now.
    pub(crate) fn next(&mut self, now: Instant, wanted: Tray) -> Next {
        let works = is_work(wanted.icon);
        let works_since = works.then(|| self.works_since.unwrap_or(now));
        self.works_since = works_since;
        let work_shown = match &self.shown {
            None => None,
            Some(shown) if shown.tray == wanted => return Next::Rest,
            Some(shown) => {
                let mut earliest = shown.since + BETWEEN;
                match (shown.work_since, works_since) {
                    (None, Some(began)) => earliest = earliest.max(began + BEGINS),
                    (Some(since), None) if is_calm(wanted.icon) => earliest = earliest.max(since + STAYS),
                    (Some(_) | None, Some(_) | None) => {}
                }
                if now < earliest {
                    return Next::Wait(earliest);
                }
                shown.work_since
            }
        };
        self.shown = Some(Shown {
            tray: wanted.clone(),
            since: now,
            work_since: works.then(|| work_shown.unwrap_or(now)),
        });
        Next::Show(wanted)
    }
}

fn is_work(icon: Icon) -> bool {
    matches!(icon, Icon::Working(_))
}

/// Whether the state is one that comes after work: the others matter more, and are not held up by it.
fn is_calm(icon: Icon) -> bool {
    matches!(icon, Icon::Waiting | Icon::Safe)
}

#[cfg(test)]
mod tests {
    use super::super::icon::Flow;
    use super::*;

    const SAFE: Icon = Icon::Safe;
    const WORK: Icon = Icon::Working(Flow::Both);
    const UP: Icon = Icon::Working(Flow::Up);

    fn tray(icon: Icon) -> Tray {
        Tray {
            icon,
            title: String::new(),
            tooltip: String::new(),
            menu: Vec::new(),
        }
    }

    /// What is shown, at which millisecond, if the states change at the given ones.
    fn shown(states: &[(u64, Icon)]) -> Vec<(u64, Icon)> {
        let start = Instant::now();
        let mut pace = Pace::default();
        let mut shown = Vec::new();
        for (number, (at, icon)) in states.iter().enumerate() {
            let until = states.get(number + 1).map_or(u64::MAX, |(next, _)| *next);
            let mut at = *at;
            while at < until {
                let now = start + Duration::from_millis(at);
                match pace.next(now, tray(*icon)) {
                    Next::Show(tray) => shown.push((at, tray.icon)),
                    Next::Wait(later) => {
                        assert!(later > now);
                        at = u64::try_from((later - start).as_millis()).unwrap();
                    }
                    Next::Rest => break,
                }
            }
        }
        shown
    }

    #[test]
    fn each_history_gives_its_pictures() {
        type Row = (&'static str, &'static [(u64, Icon)], &'static [(u64, Icon)]);
        let table: &[Row] = &[
            ("the first is shown at once", &[(5, WORK)], &[(5, WORK)]),
            (
                "work shows after a second",
                &[(0, SAFE), (4000, WORK)],
                &[(0, SAFE), (5000, WORK)],
            ),
            (
                "short work never shows",
                &[(0, SAFE), (4000, WORK), (4900, SAFE)],
                &[(0, SAFE)],
            ),
            (
                "short work that leaves something waiting",
                &[(0, SAFE), (4000, WORK), (4900, Icon::Waiting)],
                &[(0, SAFE), (4900, Icon::Waiting)],
            ),
            (
                "work that is shown stays for two seconds",
                &[(0, SAFE), (4000, WORK), (5100, SAFE)],
                &[(0, SAFE), (5000, WORK), (7000, SAFE)],
            ),
            (
                "work that goes on meanwhile goes on to be shown",
                &[(0, SAFE), (4000, WORK), (5100, SAFE), (6500, WORK), (9000, SAFE)],
                &[(0, SAFE), (5000, WORK), (9000, SAFE)],
            ),
            (
                "the arrow turns after a second at the earliest, and the work is the same",
                &[(0, SAFE), (4000, WORK), (5100, UP), (6500, SAFE)],
                &[(0, SAFE), (5000, WORK), (6000, UP), (7000, SAFE)],
            ),
            (
                "a question does not wait for the work to end",
                &[(0, SAFE), (4000, WORK), (5100, Icon::NeedsYou)],
                &[(0, SAFE), (5000, WORK), (6000, Icon::NeedsYou)],
            ),
            (
                "one change a second",
                &[
                    (0, SAFE),
                    (100, Icon::Paused),
                    (200, SAFE),
                    (300, Icon::NeedsYou),
                    (5000, SAFE),
                ],
                &[(0, SAFE), (1000, Icon::NeedsYou), (5000, SAFE)],
            ),
        ];
        for (what, states, expected) in table {
            assert_eq!(shown(states), *expected, "{what}");
        }
    }

    #[test]
    fn whatever_happens_the_end_is_shown_and_changes_are_a_second_apart() {
        let icons = [
            SAFE,
            WORK,
            UP,
            Icon::Paused,
            Icon::Waiting,
            Icon::NeedsYou,
            Icon::Stopped,
        ];
        // A fixed walk through all pairs of states, at steps that fall on both sides of every limit.
        for step in [1, 130, 499, 1000, 1001, 1999, 2500] {
            let states = (0..300).map(|turn: u64| {
                let pick = usize::try_from(turn * turn * 7 + turn * 3).unwrap() % icons.len();
                (turn * step, icons[pick])
            });
            let states: Vec<(u64, Icon)> = states.collect();
            let shown = shown(&states);
            assert_eq!(shown.last().map(|last| last.1), states.last().map(|last| last.1));
            for pair in shown.windows(2) {
                assert!(pair[1].0 >= pair[0].0 + 1000, "{step}: {pair:?}");
                assert_ne!(pair[0].1, pair[1].1);
            }
        }
    }

    #[test]
    fn another_menu_is_a_change_too() {
        let now = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.next(now, tray(SAFE)), Next::Show(tray(SAFE)));
        assert_eq!(pace.next(now, tray(SAFE)), Next::Rest);
        let other = Tray {
            tooltip: "more".to_owned(),
            ..tray(SAFE)
        };
        assert_eq!(pace.next(now, other.clone()), Next::Wait(now + BETWEEN));
        assert_eq!(pace.next(now + BETWEEN, other.clone()), Next::Show(other));
    }
}
