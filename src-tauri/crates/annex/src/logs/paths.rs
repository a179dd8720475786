use bstr::ByteSlice;
use model::Key;

use crate::hash_directory;

/// How the lines of a file in the git-annex branch are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `TIME STATUS UUID` about one key.
    Location,
    /// `TIME STATUS VALUE` about one key, where the value is not a repository.
    Presence,
    /// `UUID VALUE timestamp=TIME`.
    Uuid,
    /// `TIME FIELD VALUE`.
    Map,
    /// `TIME UUID… VALUE`, possibly with more after a `:` in the second word.
    MapByUuid,
    /// `TIME VALUE`.
    Single,
    /// Anything else: carried and merged, never written.
    Other,
}

/// Tells the kind of a file by its path.
pub fn kind(path: &[u8]) -> Kind {
    match path {
        b"uuid.log"
        | b"trust.log"
        | b"group.log"
        | b"preferred-content.log"
        | b"required-content.log"
        | b"schedule.log"
        | b"activity.log"
        | b"difference.log"
        | b"remote.log"
        | b"multicast.log" => Kind::Uuid,
        b"config.log" | b"group-preferred-content.log" => Kind::Map,
        b"maxsize.log" | b"proxy.log" | b"cluster.log" | b"export.log" => Kind::MapByUuid,
        b"numcopies.log" | b"mincopies.log" => Kind::Single,
        _ if !path.contains(&b'/') => Kind::Other,
        _ if path.ends_with(b".log") => Kind::Location,
        _ if path.ends_with(b".log.web") || path.ends_with(b".log.ek") => Kind::Presence,
        _ if [".log.rmt", ".log.cid", ".log.cnk"]
            .iter()
            .any(|end| path.ends_with_str(end)) =>
        {
            Kind::MapByUuid
        }
        _ => Kind::Other,
    }
}

/// The path of a key's location log.
pub fn location_log(key: &Key) -> Vec<u8> {
    let mut path = hash_directory::lower(key).into_bytes();
    path.push(b'/');
    path.extend_from_slice(&key.to_file_name());
    path.extend_from_slice(b".log");
    path
}

/// The key whose location log has this path; none for all other files, and for logs in a wrong directory.
pub fn key_of_location_log(path: &[u8]) -> Option<Key> {
    let (directory, name) = path.rsplit_once_str("/")?;
    let key = Key::from_file_name(name.strip_suffix(b".log")?).ok()?;
    (hash_directory::lower(&key).as_bytes() == directory).then_some(key)
}
