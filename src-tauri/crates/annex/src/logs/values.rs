use bstr::ByteSlice;

/// What git-annex writes back for a value that it parses before it writes the log.
pub(crate) fn normal_value(log: &[u8], value: &[u8]) -> Vec<u8> {
    let mut words: Vec<&[u8]> = value.split_str(" ").filter(|word| !word.is_empty()).collect();
    match log {
        b"trust.log" if !matches!(value, b"1" | b"0" | b"X") => b"?".to_vec(),
        b"group.log" => {
            words.sort_unstable();
            words.dedup();
            words.join(&b' ')
        }
        b"remote.log" => {
            words.sort_by_key(|word| word.split_once_str("=").map_or(*word, |(name, _)| name));
            words.join(&b' ')
        }
        _ => value.to_vec(),
    }
}

/// The text of a setting in `remote.log`, where whitespace and `&` are written as `&<code>;`.
pub(crate) fn setting_text(escaped: &str) -> String {
    let mut text = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let code = after.split_once(';').and_then(|(code, tail)| {
            let number: u32 = code.parse().ok()?;
            Some((char::from_u32(number)?, tail))
        });
        match code {
            Some((letter, tail)) => {
                text.push(letter);
                rest = tail;
            }
            None => {
                text.push('&');
                rest = after;
            }
        }
    }
    text + rest
}
