use git2::{AttrCheckFlags, AttrValue, Repository};
use model::RepoPath;

use super::Postponed;

/// Turns the content of a file into what git keeps of it: line ends as `.gitattributes` and `core.autocrlf` say.
pub(super) fn for_git(git: &Repository, path: &RepoPath, content: &mut Vec<u8>) -> Result<(), Postponed> {
    let mut characters = Characters::default();
    characters.count(content);
    if changes(git, path, &characters)? {
        drop_returns(content);
    }
    Ok(())
}

/// True if git keeps a file of such characters with other line ends.
///
/// What else git does to contents on their way in (filters of the user's own, encodings, `ident`) only git can do.
pub(super) fn changes(git: &Repository, path: &RepoPath, characters: &Characters) -> Result<bool, Postponed> {
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
    let is_left = || is_guessed && (characters.look_binary() || was_kept_with_returns(git, path));
    Ok(is_text && characters.pairs > 0 && !is_left())
}

/// What decides whether a content is text.
#[derive(Debug, Default)]
pub(super) struct Characters {
    all: u64,
    odd: u64,
    nuls: u64,
    returns: u64,
    /// Returns before a line feed.
    pairs: u64,
    ends_with_return: bool,
}

impl Characters {
    /// Takes the next part of the content.
    pub(super) fn count(&mut self, part: &[u8]) {
        self.all += part.len() as u64;
        for &byte in part {
            self.odd += u64::from(matches!(byte, 0..=7 | 11 | 14..=26 | 28..=31 | 127));
            self.nuls += u64::from(byte == 0);
            self.pairs += u64::from(self.ends_with_return && byte == b'\n');
            self.ends_with_return = byte == b'\r';
            self.returns += u64::from(self.ends_with_return);
        }
    }

    /// As git guesses it: a NUL, a lone return, or too many characters that no text has.
    fn look_binary(&self) -> bool {
        self.returns > self.pairs || self.nuls > 0 || (self.all - self.odd) >> 7 < self.odd
    }
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
