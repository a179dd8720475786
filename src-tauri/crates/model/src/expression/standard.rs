//! The expressions of the standard groups, as `git annex vicfg` and `git annex wanted` print them.

macro_rules! client {
    () => {
        "(include=* and ((exclude=*/archive/* and exclude=archive/*) or (not (copies=archive:1 or copies=smallarchive:1)))) or approxlackingcopies=1"
    };
}

macro_rules! archive {
    () => {
        "(not (copies=archive:1 or copies=smallarchive:1)) or approxlackingcopies=1"
    };
}

/// The expression that `standard` stands for in a repository of `group`; none if it is not a standard group.
pub fn standard_expression(group: &str) -> Option<&'static str> {
    Some(match group {
        "client" => client!(),
        "transfer" => concat!(
            "(not (inallgroup=client and copies=client:2) and (",
            client!(),
            ")) or approxlackingcopies=1"
        ),
        "backup" => "anything",
        "incrementalbackup" => "((not copies=backup:1) and (not copies=incrementalbackup:1)) or approxlackingcopies=1",
        "smallarchive" => concat!(
            "((include=*/archive/* or include=archive/*) and (",
            archive!(),
            ")) or approxlackingcopies=1"
        ),
        "archive" => archive!(),
        "source" => "not (copies=1)",
        "manual" => concat!("present and (", client!(), ")"),
        "public" => "inpreferreddir",
        "unwanted" => "not anything",
        _ => return None,
    })
}
