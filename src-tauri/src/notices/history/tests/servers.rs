use super::*;

#[test]
fn a_server_that_comes_again_is_told_of_danger_only() {
    let mut life = Life::default();
    life.sees(10, &seen(&[asking("9 of 10?")], &[new()]));
    life.passes(10, 100);
    assert_eq!(life.shows.len(), 2);
    life.history.is_deserted();
    life.passes(100, 200);
    assert_eq!(life.shows.len(), 3);
    assert_eq!(life.shows[2].1.about, About::Question(PATH.to_owned()));
    // What was closed by hand stays closed.
    life.history.is_closed(&About::Question(PATH.to_owned()));
    life.history.is_deserted();
    life.passes(200, 300);
    assert_eq!(life.shows.len(), 3);
}

#[test]
fn what_a_server_refuses_is_brought_again_and_keeps_nothing_else_back() {
    let mut life = Life::default();
    let refuse = |life: &mut Life, at| {
        let (step, _) = life.history.next(&life.before, at);
        life.history.is_refused(step.show.unwrap().about, at)
    };
    life.sees(10, &seen(&[photos(State::Safe)], &[new()]));
    assert!(refuse(&mut life, 10), "it is news");
    life.sees(11, &seen(&[asking("9 of 10?")], &[new()]));
    life.passes(11, 70);
    let question = About::Question(PATH.to_owned());
    let shows =
        |life: &Life| -> Vec<(u64, About)> { life.shows.iter().map(|(at, show)| (*at, show.about.clone())).collect() };
    assert_eq!(shows(&life), [(11, question.clone())]);
    assert!(!refuse(&mut life, 70), "it was refused before");
    life.passes(70, 1000);
    let new_drive = (70 + AGAIN, About::NewDrive("1234".to_owned()));
    assert_eq!(shows(&life), [(11, question), new_drive]);
    // Another server is not made to wait.
    life.sees(1000, &seen(&[asking("10 of 10?")], &[new()]));
    assert!(refuse(&mut life, 1000));
    life.history.forget_refusals();
    life.passes(1001, 1010);
    assert_eq!(life.shows.len(), 3);
}
