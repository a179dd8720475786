use git2::{AttrCheckFlags, AttrValue, Repository};
use model::RepoPath;

use super::Postponed;

/// Turns the content of a file into what git keeps of it: line ends as `.gitattributes` and `core.autocrlf` say.
///
/// What else git does to contents on their way in (filters of the user's own, encodings, `ident`) only git can do.
pub(super) fn for_git(git: &Repository, path: &RepoPath, content: &mut Vec<u8>) -> Result<(), Postponed> {
    let unreadable = |error: git2::Error| Postponed::Unreadable(error.message().to_owned());
    // Whether an attribute is set or unset shows in where its value lies, so it must not be copied.
    let attribute = |name: &str| {
        let value = git.get_attr_bytes(path.as_path(), name, AttrCheckFlags::FILE_THEN_INDEX);
        value.map(AttrValue::from_bytes).map_err(unreadable)
    };
    for name in ["filter", "working-tree-encoding", "ident"] {
        let filter = match attribute(name)? {
            AttrValue::Unspecified | AttrValue::False | AttrValue::String("annex") => continue,
            AttrValue::True => name.to_owned(),
            AttrValue::String(value) => value.to_owned(),
            AttrValue::Bytes(value) => String::from_utf8_lossy(value).into_owned(),
        };
        return Err(Postponed::NeedsFilter(filter));
    }
    let config = git
        .config()
        .and_then(|mut config| config.snapshot())
        .map_err(unreadable)?;
    let automatic = match config.get_str("core.autocrlf") {
        Ok("input") => true,
        _ => config.get_bool("core.autocrlf").unwrap_or(false),
    };
    let has_eol = matches!(attribute("eol")?, AttrValue::String(_));
    let (is_text, is_guessed) = match attribute("text")? {
        AttrValue::True => (true, false),
        AttrValue::False => (false, false),
        AttrValue::String("auto") => (true, true),
        AttrValue::Unspecified | AttrValue::String(_) | AttrValue::Bytes(_) => (has_eol || automatic, !has_eol),
    };
    if is_text && !(is_guessed && (looks_binary(content) || was_kept_with_returns(git, path))) {
        drop_returns(content);
    }
    Ok(())
}

/// As git guesses it: a NUL, a lone return, or too many characters that no text has.
fn looks_binary(content: &[u8]) -> bool {
    let lone_return = content
        .iter()
        .enumerate()
        .any(|(at, &b)| b == b'\r' && content.get(at + 1) != Some(&b'\n'));
    let is_odd = |b: &&u8| matches!(**b, 0..=7 | 11 | 14..=26 | 28..=31 | 127);
    let odd = content.iter().filter(is_odd).count();
    lone_return || content.contains(&0) || (content.len() - odd) >> 7 < odd
}

/// What git has with its returns keeps them, where nobody said that it is text.
fn was_kept_with_returns(git: &Repository, path: &RepoPath) -> bool {
    let staged = git.index().ok().and_then(|index| index.get_path(path.as_path(), 0));
    let blob = staged.and_then(|entry| git.find_blob(entry.id).ok());
    blob.is_some_and(|blob| blob.content().windows(2).any(|pair| pair == b"\r\n"))
}

fn drop_returns(content: &mut Vec<u8>) {
    let mut last = None;
    // A return goes if a line feed follows it: seen from the line feed, it is the one before.
    let mut kept = Vec::with_capacity(content.len());
    for &byte in content.iter() {
        if byte == b'\n' && last == Some(b'\r') {
            kept.pop();
        }
        kept.push(byte);
        last = Some(byte);
    }
    *content = kept;
}
