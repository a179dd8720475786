//! Files that wait to be filled with content that is here.

use super::*;

#[test]
fn files_are_filled_until_none_is_left() {
    let mut rig = Rig::at_rest(&[]);
    rig.tell(Event::Unfilled);
    let id = take!(rig, Fill);
    assert!(rig.assistant.is_working() && rig.assistant.goes_on());
    rig.tell(Event::RefsMoved(refs(2, false)));
    assert!(!has!(rig, Observe), "one work at a time");
    let more = |id, more, failed: Option<&str>| Event::Filled {
        id,
        more,
        failed: failed.map(Into::into),
    };
    rig.tell(more(id, true, None));
    assert!(!has!(rig, Fill), "what else is due has its turn");
    rig.observe(2, &[]);
    let id = take!(rig, Fill);
    rig.tell(more(id, false, Some("the disk is full")));
    assert!(!has!(rig, Fill), "it is tried again later");
    assert!(rig.assistant.is_working() && rig.assistant.trouble() == Some("the disk is full"));
    rig.after(120_000);
    let id = take!(rig, Fill);
    rig.tell(more(id, false, None));
    assert!(!has!(rig, Fill) && !rig.assistant.is_working());
}
