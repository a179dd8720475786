//! Which icon, and its picture.

use contract::{Direction, State, Status};

use super::scheme::Scheme;

/// The six states of the tray, the work with its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icon {
    /// A question only the user can answer, or a problem.
    NeedsYou,
    /// No engine runs, or its first look has not ended.
    Stopped,
    Paused,
    Working(Flow),
    /// Work is pending for a place that is away.
    Waiting,
    /// Nothing is pending.
    Safe,
}

/// Which way the contents travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Up,
    Down,
    /// Both ways, or work that has no direction, as adding.
    Both,
}

impl Icon {
    /// The state of the folder that matters most; what is wrong with the program itself matters as much as anything.
    pub(crate) fn of(status: &Status) -> Self {
        if !status.problems.is_empty() {
            return Self::NeedsYou;
        }
        match status.folders.iter().map(|folder| folder.state).min() {
            Some(State::NeedsYou) => Self::NeedsYou,
            Some(State::Stopped) | None => Self::Stopped,
            Some(State::Paused) => Self::Paused,
            Some(State::Working) => Self::Working(flow(status)),
            Some(State::Waiting) => Self::Waiting,
            Some(State::Safe) => Self::Safe,
        }
    }

    /// Its picture as a PNG file.
    pub(crate) fn picture(self, scheme: Scheme) -> &'static [u8] {
        macro_rules! picture {
            ($name:literal) => {
                match scheme {
                    Scheme::Light => include_bytes!(concat!("../../../icons/tray/light/", $name, ".png")).as_slice(),
                    Scheme::Dark => include_bytes!(concat!("../../../icons/tray/dark/", $name, ".png")).as_slice(),
                }
            };
        }
        match self {
            Self::NeedsYou => picture!("needs-you"),
            Self::Stopped => picture!("stopped"),
            Self::Paused => picture!("paused"),
            Self::Working(Flow::Up) => picture!("sending"),
            Self::Working(Flow::Down) => picture!("receiving"),
            Self::Working(Flow::Both) => picture!("working"),
            Self::Waiting => picture!("waiting"),
            Self::Safe => picture!("safe"),
        }
    }
}

fn flow(status: &Status) -> Flow {
    let transfers = || status.folders.iter().flat_map(|folder| &folder.transfers);
    let goes = |direction| transfers().any(|transfer| transfer.direction == direction);
    match (goes(Direction::Sending), goes(Direction::Receiving)) {
        (true, false) => Flow::Up,
        (false, true) => Flow::Down,
        (true, true) | (false, false) => Flow::Both,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, transfer};
    use super::*;

    const STATES: [(State, Icon); 6] = [
        (State::NeedsYou, Icon::NeedsYou),
        (State::Stopped, Icon::Stopped),
        (State::Paused, Icon::Paused),
        (State::Working, Icon::Working(Flow::Both)),
        (State::Waiting, Icon::Waiting),
        (State::Safe, Icon::Safe),
    ];

    #[test]
    fn the_highest_state_of_all_folders_wins() {
        let icon = |states: &[State]| {
            let folders = states.iter().map(|state| folder("/home/ann/Photos", *state));
            Icon::of(&Status::of(folders.collect()))
        };
        assert_eq!(icon(&[]), Icon::Stopped, "without a folder nothing is kept safe");
        let mut troubled = Status::of(vec![folder("/home/ann/Photos", State::Safe)]);
        troubled.problems = vec![super::super::tests::problem("the settings cannot be read")];
        assert_eq!(Icon::of(&troubled), Icon::NeedsYou);
        for (higher, (state, expected)) in STATES.iter().enumerate() {
            assert_eq!(icon(&[*state]), *expected);
            for (lower, _) in &STATES[higher..] {
                assert_eq!(icon(&[*state, *lower]), *expected);
                assert_eq!(icon(&[*lower, *state, *lower]), *expected);
            }
        }
    }

    #[test]
    fn the_arrow_shows_which_way_contents_travel() {
        let (up, down) = (Direction::Sending, Direction::Receiving);
        let table: [(&[Direction], Flow); 5] = [
            (&[], Flow::Both),
            (&[up], Flow::Up),
            (&[up, up], Flow::Up),
            (&[down], Flow::Down),
            (&[down, up], Flow::Both),
        ];
        for (directions, flow) in table {
            // Each transfer in a folder of its own: the icon is that of all.
            let folders = directions.iter().map(|direction| contract::Folder {
                transfers: vec![transfer(*direction)],
                ..folder("/home/ann/Photos", State::Working)
            });
            let mut folders: Vec<_> = folders.collect();
            folders.push(folder("/home/ann/Notes", State::Working));
            assert_eq!(Icon::of(&Status::of(folders)), Icon::Working(flow), "{directions:?}");
        }
    }
}
