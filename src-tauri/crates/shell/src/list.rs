//! `configlist`: which repository this is.

use std::io::Write;
use std::path::Path;

use annex::init::{FoundRepository, find};
use annex::settings::as_git_finds;

use crate::access::Access;
use crate::command::Command;
use crate::error::{Error, Result};

/// Prints the uuid of a repository, none if it has no annex, and which extensions of the protocol it has, which git-annex ignores.
/// `autoinit=1` gives it a uuid. So does a git-annex branch, which somebody has pushed there on purpose.
pub(crate) fn configlist(access: &Access, place: &Path, command: &Command) -> Result<u8> {
    let is_asked = command.has_field("autoinit=1");
    let place = &as_git_finds(place);
    let found = find(place)?;
    let uuid = match &found {
        None if place.is_dir() => String::new(),
        None => return Err(Error::Refused(format!("there is no repository at {}", place.display()))),
        Some(FoundRepository { uuid: Some(_), .. }) => annex::Annex::open(place)?.uuid().to_string(),
        Some(plain) => {
            let is_meant = plain.has_branch && !access.is_read_only();
            match is_asked || is_meant {
                true => {
                    access.may_write()?;
                    engine::init(place, None)?.to_string()
                }
                false => String::new(),
            }
        }
    };
    let gcrypt = found.and_then(|found| found.gcrypt).unwrap_or_default();
    let (offers, merges) = (p2p::OFFERS, p2p::MERGES);
    write!(
        std::io::stdout(),
        "annex.uuid={uuid}\ncore.gcrypt-id={gcrypt}\n{offers}\n{merges}\n"
    )?;
    Ok(0)
}
