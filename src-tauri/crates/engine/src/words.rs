//! Wording shared by several modules.

/// A number of files, as text.
#[must_use]
pub fn files(count: u64) -> String {
    match count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    }
}

/// Describes a mistake in a TOML file in one line.
pub(crate) fn mistake(text: &str, error: &toml::de::Error) -> String {
    let what = error.message().replace('\n', " ");
    match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or(text);
            format!("line {}: {what}", before.matches('\n').count() + 1)
        }
        None => what,
    }
}
