use proptest::prelude::*;

use super::{MapLog, Presence, PresenceLog, SingleLog, UuidLog, VectorClock, key_of_location_log, location_log, union};

fn content() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "[0-3]{1,2}(\\.[0-9]{1,3})?s? [01X2] [ab]( c)?",
        "[ab]( [cd])? ?(timestamp=[0-3]s)?",
        "[0-3]s [ab] [cd]?",
        "[a \r]{0,3}",
    ];
    (proptest::collection::vec(line, 0..8), any::<bool>()).prop_map(|(lines, closed)| {
        let mut text = lines.join("\n");
        if closed && !text.is_empty() {
            text.push('\n');
        }
        text.into_bytes()
    })
}

fn clock() -> impl Strategy<Value = VectorClock> {
    "-?[0-9]{1,12}(\\.[0-9]{1,15})?s?".prop_map(|text| VectorClock::parse(text.as_bytes()).unwrap())
}

fn presence() -> impl Strategy<Value = Presence> {
    prop_oneof![Just(Presence::Present), Just(Presence::Missing), Just(Presence::Dead)]
}

proptest! {
    #[test]
    fn union_does_not_care_for_order_or_repetition(a in content(), b in content(), c in content()) {
        prop_assert_eq!(union(&a, &b), union(&b, &a));
        prop_assert_eq!(union(&union(&a, &b), &c), union(&a, &union(&b, &c)));
        let merged = union(&a, &b);
        prop_assert_eq!(&union(&merged, &merged), &merged);
        prop_assert_eq!(union(&merged, &a), merged);
    }

    #[test]
    fn no_content_is_too_odd(a in proptest::collection::vec(any::<u8>(), 0..80)) {
        PresenceLog::parse(&a).to_bytes();
        UuidLog::parse(&a).to_bytes();
        MapLog::parse(&a).to_bytes();
        SingleLog::parse(&a).to_bytes();
        VectorClock::parse(&a);
        key_of_location_log(&a);
    }

    #[test]
    fn what_is_recorded_is_read_whatever_the_clock(a in content(), b in content(), now in clock(), what in presence()) {
        let merged = union(&a, &b);
        let mut log = PresenceLog::parse(&merged);
        let changed = log.set(b"a", what, now);
        let written = if changed { log.to_bytes() } else { merged.clone() };
        prop_assert_eq!(PresenceLog::parse(&written).get(b"a"), Some(what));
        // It also wins over all that it replaced, when that comes back in a merge.
        let again = union(&written, &merged);
        prop_assert_eq!(PresenceLog::parse(&again).get(b"a"), Some(what));

        let mut log = UuidLog::parse(&merged);
        log.set(b"a", b"new value", now);
        let again = union(&log.to_bytes(), &merged);
        let log = UuidLog::parse(&again);
        prop_assert!(log.values().any(|entry| entry == (b"a", b"new value")));

        let mut log = MapLog::parse(&merged);
        log.set(b"a", b"new value", now);
        let again = union(&log.to_bytes(), &merged);
        prop_assert_eq!(MapLog::parse(&again).get(b"a"), Some(b"new value".as_slice()));
    }

    #[test]
    fn clocks_are_written_so_that_they_read_the_same(a in clock(), b in clock()) {
        let text = a.to_string();
        prop_assert_eq!(VectorClock::parse(text.as_bytes()), Some(a));
        prop_assert!(a.after(Some(b)) > b);
    }

    #[test]
    fn writing_what_was_read_changes_no_fact(a in content()) {
        let log = PresenceLog::parse(&a);
        let written = log.to_bytes();
        prop_assert_eq!(PresenceLog::parse(&written), log);
        let log = MapLog::parse(&a);
        let written = log.to_bytes();
        prop_assert_eq!(MapLog::parse(&written), log);
        let log = UuidLog::parse(&a);
        let written = log.to_bytes();
        prop_assert_eq!(UuidLog::parse(&written), log);
    }
}

#[test]
fn only_what_git_annex_reads_is_a_clock() {
    for bad in [
        "", "s", ".5s", "5.s", "1e3s", "+5s", "--5s", " 5s", "5ss", "5 s", "-s", "5.5.5s",
    ] {
        assert_eq!(VectorClock::parse(bad.as_bytes()), None, "{bad:?}");
    }
    for (good, shown) in [
        ("5", "5s"),
        ("005.50s", "5.5s"),
        ("-0.25s", "-0.25s"),
        ("1.1234567891239s", "1.123456789123s"),
    ] {
        assert_eq!(VectorClock::parse(good.as_bytes()).unwrap().to_string(), shown);
    }
    let dates = ["253402300799.9s", "253402300800s", "-1s", "0.5s"]
        .map(|text| VectorClock::parse(text.as_bytes()).unwrap().date());
    assert_eq!(dates, [Some(253_402_300_799), None, None, Some(0)]);
    assert!(VectorClock::parse("9".repeat(100).as_bytes()) > VectorClock::parse(b"99999999999s"));
}

#[test]
fn of_equally_new_numbers_the_greatest_counts() {
    for content in ["100s 2\n100s 3\n", "100s 3\n100s 2\n", "101s x\n100s 3\n50s 9\n"] {
        assert_eq!(SingleLog::parse(content.as_bytes()).value(), Some(3), "{content:?}");
    }
}

#[test]
fn a_log_in_a_wrong_directory_is_nobodys() {
    let key = model::Key::parse(b"WORM-s1-m1--a/b_c").unwrap();
    assert_eq!(location_log(&key), b"163/a02/WORM-s1-m1--a%b_c.log");
    assert_eq!(key_of_location_log(b"163/a02/WORM-s1-m1--a%b_c.log"), Some(key));
    assert_eq!(key_of_location_log(b"163/a03/WORM-s1-m1--a%b_c.log"), None);
    assert_eq!(key_of_location_log(b"163/a02/WORM-s1-m1--a%b_c.log.web"), None);
    assert_eq!(key_of_location_log(b"uuid.log"), None);
}
