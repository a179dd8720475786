use super::*;

#[test]
fn a_new_start_tells_nothing_twice() {
    let mut life = Life::default();
    let status = seen(&[lacking()], &[new()]);
    life.sees(10, &status);
    life.passes(10, 100);
    life.sees(100, &seen(&[photos(State::Safe)], &[in_use(true)]));
    life.passes(100, 200);
    assert_eq!(life.shows.len(), 3);
    for start in 1..4 {
        life.restarts();
        life.sees(start * 200, &seen(&[photos(State::Stopped)], &[]));
        life.passes(start * 200, start * 200 + 20);
        life.sees(start * 200 + 20, &seen(&[photos(State::Safe)], &[in_use(true)]));
        life.passes(start * 200 + 20, start * 200 + 100);
        life.sees(start * 200 + 100, &seen(&[photos(State::Safe)], &[new()]));
        life.passes(start * 200 + 100, start * 200 + 200);
        assert_eq!(life.shows.len(), 3, "start {start}");
    }
    // But a question is open as before, and the old buttons are dead.
    life.sees(1000, &seen(&[asking("9 of 10?")], &[]));
    life.acts(1000);
    life.restarts();
    life.sees(1010, &seen(&[asking("9 of 10?")], &[]));
    life.acts(1010);
    assert_eq!(life.shows.len(), 5);
}

#[test]
fn a_drive_that_was_taken_out_while_the_program_did_not_run_is_told_of_again() {
    let mut life = Life::default();
    let there = seen(&[photos(State::Safe)], &[in_use(true)]);
    let away = seen(&[photos(State::Safe)], &[]);
    life.sees(10, &there);
    life.passes(10, 100);
    life.restarts();
    life.sees(200, &away);
    life.passes(200, 300);
    life.sees(300, &there);
    life.passes(300, 400);
    let shows: Vec<u64> = life.shows.iter().map(|(at, _)| *at).collect();
    assert_eq!(shows, [10, 300]);
}
