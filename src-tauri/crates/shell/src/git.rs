//! Commands of git: they are `git-shell`'s, which allows those that a client needs. A push is followed up.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use annex::exchange::{PushOptions, follow_received};
use annex::settings::{as_git_finds, is_thin};
use annex::{Annex, CheckoutOptions};
use assistant::guards::is_improbable;
use p2p::Behind;

use crate::access::Access;
use crate::complain;
use crate::directory::absolute;
use crate::error::{Error, Result};

/// Runs a command of git, and merges what it received.
pub(crate) fn serve(access: &Access, line: Vec<OsString>, directory: OsString) -> Result<u8> {
    access.find(&directory)?;
    access.may_use_git()?;
    let is_push = line.first().is_some_and(|first| {
        let first = first.as_bytes();
        first.starts_with(b"git-receive-pack ") || first.starts_with(b"git receive-pack ")
    });
    let status = Command::new("git-shell").arg("-c").args(line).status();
    let status = status.map_err(|error| Error::Refused(format!("git-shell cannot be started: {error}")))?;
    if is_push && !access.is_read_only() {
        follow(&absolute(&directory));
    }
    Ok(if status.success() { 0 } else { 1 })
}

/// Merges what was pushed to the repository at a path, as follows a push from this machine. Plain git repositories have
/// nothing to merge.
fn follow(path: &Path) {
    let place = as_git_finds(path);
    let annex = match annex::init::find(&place) {
        Ok(Some(found)) if found.uuid.is_some() => Annex::open(&place),
        Ok(_) => return,
        Err(error) => Err(error),
    };
    let behind = annex.map_or_else(|error| Some(Behind::new(&error.to_string())), |annex| merge(&annex));
    if let Some(behind) = behind {
        complain(&format!("the files there are not up to date yet: {}", behind.why()));
    }
}

/// Merges what was pushed earlier, into the git-annex branch and the work tree; returns why the work tree does not have all of
/// it, if it does not. An engine sees the refs move and does it itself, and so does git-annex's assistant.
pub(crate) fn merge(annex: &Annex) -> Option<Behind> {
    let why = merge_received(annex).unwrap_or_else(|error| Some(error.to_string()));
    why.map(|why| Behind::new(&why))
}

fn merge_received(annex: &Annex) -> annex::Result<Option<String>> {
    if annex.synced_by()?.is_some() {
        return Ok(None);
    }
    let options = PushOptions {
        checkout: CheckoutOptions {
            thin: is_thin(annex),
            partial: false,
        },
        may_remove: Some(|removed, of| !is_improbable(removed, of)),
        ..PushOptions::default()
    };
    follow_received(annex, &options)
}
