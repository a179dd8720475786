use std::path::PathBuf;

use annex::Annex;
use annex::settings::{Address, RemoteSettings};

use crate::{Failed, Hosts, Remote, local, special, ssh};

/// Finds a remote and opens it. A repository that is not at its path is searched for on `mounts`, the mount points of
/// drives, since a drive may be mounted elsewhere today.
///
/// Work on the remote returned here and work on the same remote as reached `before` take turns creating and filling
/// files there.
///
/// # Errors
///
/// Tells why it is not connected; nothing was changed.
pub fn reach(
    local: &Annex,
    settings: &RemoteSettings,
    mounts: &[PathBuf],
    before: Option<&Remote>,
    hosts: &Hosts,
) -> Result<Remote, Failed> {
    let unsupported = |what: &str| Err(Failed::Refused(format!("{what} are not supported yet")));
    match &settings.address {
        Address::Path(path) => local::reach::reach(local, settings, path, mounts, before),
        Address::Special { kind, place } if kind.as_deref() == Some("directory") => {
            special::reach(settings, place.as_deref())
        }
        Address::Special { .. } => unsupported("special remotes of this type"),
        Address::Http(_) => unsupported("http remotes"),
        Address::Ssh(address) => ssh::reach(local, settings, address, before, hosts),
        Address::Unknown(_) => unsupported("remotes with such an address"),
    }
}
