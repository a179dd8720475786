//! `git-annex-shell`: what clients of git-annex on other computers run here over ssh.
//!
//! Start at [`run`]. Each call serves one client in one repository, under git-annex's locks: an engine may run there, or
//! none.

mod access;
mod command;
mod connection;
mod contents;
mod directory;
mod error;
mod git;
mod keys;
mod list;
mod notify;

use std::ffi::OsString;
use std::io::Write;

use access::Access;
use command::{Command, Request};
use error::{Error, Result};

/// The name by which clients call it.
pub const NAME: &str = "git-annex-shell";

/// Does what the arguments behind the program's name say, and returns the exit code.
#[must_use]
pub fn run(arguments: &[OsString]) -> u8 {
    match serve(arguments) {
        Ok(code) => code,
        Err(error) => {
            complain(&error.to_string());
            1
        }
    }
}

fn serve(arguments: &[OsString]) -> Result<u8> {
    let access = Access::from_environment();
    match Request::parse(arguments)? {
        Request::Git { line, directory } => git::serve(&access, line, directory),
        Request::Annex(command) => annex(&access, &command),
    }
}

fn annex(access: &Access, command: &Command) -> Result<u8> {
    let place = access.find(&command.directory)?;
    match &*command.name {
        "configlist" => list::configlist(access, &place, command),
        "p2pstdio" => connection::serve(access, &place, command),
        "inannex" => keys::inannex(&place, command),
        "dropkey" => keys::dropkey(access, &place, command),
        "notifychanges" => notify::serve(&place, command),
        other => Err(Error::Refused(format!(
            "'{other}' is not supported here; use a newer git-annex"
        ))),
    }
}

/// Says something to the person at the other end.
fn complain(why: &str) {
    // Nobody may be reading any more.
    let _ = writeln!(std::io::stderr(), "{NAME}: {why}");
}
