use super::*;

fn full(names: &[&str], state: State, wants: u64) -> Status {
    let folder = Folder {
        full: names.iter().map(|name| (*name).to_owned()).collect(),
        places: vec![place("stick", wants), place("away", 5)],
        ..photos(state)
    };
    seen(&[folder], &[])
}

fn receiving() -> Status {
    let folder = Folder {
        transfers: vec![transfer(Direction::Receiving)],
        places: vec![place("stick", 0), place("away", 5)],
        ..photos(State::NeedsYou)
    };
    seen(&[folder], &[])
}

fn told_at(states: &[(u64, Status)]) -> Vec<(u64, About)> {
    let told = life(states).into_iter().filter(|(_, sign, _)| *sign == '+');
    let about_room = told.filter(|(.., about)| matches!(about, About::Full(..)));
    about_room.map(|(at, _, about)| (at, about)).collect()
}

#[test]
fn a_full_place_is_told_of_once_until_it_wants_nothing_more_whatever_else_is_away() {
    let (path, stick) = (PATH.to_owned(), "stick".to_owned());
    let states = [
        (10, full(&["stick"], State::Waiting, 3)),
        (20, full(&[], State::Working, 3)),
        (30, full(&["stick"], State::Waiting, 3)),
        (40, full(&[], State::Waiting, 2)),
        (50, full(&["stick"], State::Waiting, 2)),
        (60, full(&[], State::Waiting, 0)),
        (70, full(&["stick"], State::Waiting, 3)),
        (80, full(&[], State::Waiting, 0)),
    ];
    let about = || About::Full(path.clone(), stick.clone());
    assert_eq!(told_at(&states), [(10, about()), (70, about())]);
}

#[test]
fn the_own_disk_is_told_of_once_until_nothing_is_tried_in_vain() {
    let states = [
        (10, full(&[PATH], State::Waiting, 0)),
        (20, full(&[], State::Working, 0)),
        (30, full(&[PATH], State::Waiting, 0)),
        (40, receiving()),
        (50, full(&[PATH], State::Waiting, 0)),
        (60, full(&[], State::Waiting, 0)),
        (70, full(&[PATH], State::Waiting, 0)),
        (80, full(&[], State::Waiting, 0)),
    ];
    let about = || About::Full(PATH.to_owned(), PATH.to_owned());
    assert_eq!(told_at(&states), [(10, about()), (70, about())]);
}

#[test]
fn each_that_is_full_is_told_of() {
    let states = [
        (10, full(&["stick"], State::Waiting, 3)),
        (20, full(&["stick", PATH], State::Waiting, 3)),
        (30, full(&[], State::Waiting, 0)),
    ];
    let about = |which: &str| About::Full(PATH.to_owned(), which.to_owned());
    assert_eq!(told_at(&states), [(10, about("stick")), (20, about(PATH))]);
}
