//! Words that several rooms say alike.

/// So many files.
#[must_use]
pub fn files(count: u64) -> String {
    match count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    }
}
