use std::collections::BTreeSet;

/// Merges two versions of a file of the git-annex branch as git-annex does: the lines of both, sorted, each once.
///
/// Does not look at times and understands nothing, so it is right for files that nobody knows. Only for versions that
/// differ: a version that is the same on both sides, or exists on one only, is kept as it is.
pub fn union(ours: &[u8], theirs: &[u8]) -> Vec<u8> {
    let lines: BTreeSet<&[u8]> = split(ours).chain(split(theirs)).collect();
    let mut merged = Vec::with_capacity(ours.len() + theirs.len() + 1);
    for line in lines {
        merged.extend_from_slice(line);
        merged.push(b'\n');
    }
    merged
}

/// Splits at LF only: a line that ends in CR LF is another line than one that ends in LF.
fn split(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = content.strip_suffix(b"\n").unwrap_or(content);
    let none = content.is_empty();
    whole.split(|&b| b == b'\n').filter(move |_| !none)
}
