use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use annex::Annex;
use annex::settings::{Address, RemoteSettings};

use crate::{ByGit, Failed, Hosts, Remote, git_only, local, special, ssh};

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
    cancelled: &AtomicBool,
) -> Result<Remote, Failed> {
    match &settings.address {
        Address::Path(path) => local::reach::reach(local, settings, path, mounts, before, hosts, cancelled),
        Address::Special { kind, place } if kind.as_deref() == Some("directory") => {
            special::reach(settings, place.as_deref())
        }
        Address::Special { .. } => Err(Failed::Refused(
            "special remotes of this type are not supported yet".to_owned(),
        )),
        Address::Ssh(address) => ssh::reach(local, settings, address, before, hosts, cancelled),
        address @ (Address::Http(_) | Address::Unknown(_)) => {
            let way = ByGit::to(address, Some(local), hosts)?;
            let why = "content travels only over ssh, or on this computer";
            git_only::reach(local, settings, way, None, why, cancelled)
        }
    }
}
