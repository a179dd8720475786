//! Makes a place for a folder on another computer, or connects to an existing one.

use annex::settings::{RemoteSettings, SshAddress, SshHost};
use annex::{Annex, init};
use remotes::{AtPath, Failed, Hosts, Survey, Way};

use crate::Error;
use crate::repository::{LEAST_ROOM, history_bytes};

/// Makes a repository for the folder `local` at an address on another computer, or takes the clone of it that is there, and makes it a
/// remote of the folder. `bare` is one without files to see, which only holds content. Returns what was done, as text for the
/// user. The folder brings it up to date when it is synced.
///
/// # Errors
///
/// Tells why it failed, and whether anything was made there.
pub(crate) fn add(local: &Annex, address: &SshAddress, bare: bool, hosts: &Hosts) -> Result<String, Error> {
    let way = Way::to(address, Some(local), hosts).map_err(|failed| not_there(&address.host, failed))?;
    let _naming = init::begin_naming(local)?;
    let top = local.work_tree().unwrap_or(local.git_dir());
    // Without the slash at the end.
    let top = top.components().as_path().display();
    let failed = |failed| not_there(&address.host, failed);
    let url = address.to_string();
    let survey = way.survey(&address.path).map_err(failed)?;
    let is_made = match &survey {
        Some(survey) => is_to_be_made(local, address, survey)?,
        // It may still take a push, as a place that others run does.
        None => false,
    };
    if is_made {
        let branch = local.head()?.branch;
        way.make(&address.path, &branch, bare).map_err(failed)?;
    }
    let known = way.identify(address, false).map_err(failed)?;
    if known.as_ref() == Some(local.uuid()) {
        return Err(Error::Refused(format!(
            "{address} has the same uuid as {top}: it is a copy that was made with its git directory; nothing was changed. Run 'git annex reinit' there"
        )));
    }
    let name = init::name_for(local, known.as_ref(), Some(address), short_name(&address.host))?;
    let remotes = annex::settings::remotes(local)?;
    let is_same = |remote: &&RemoteSettings| known.is_some() && remote.uuid == known && remote.name != name;
    let ways: Vec<&str> = remotes
        .iter()
        .filter(is_same)
        .map(|remote| remote.name.as_str())
        .collect();
    let ways = match ways.is_empty() {
        true => String::new(),
        false => format!(
            ". {} leads there too; Anabranch uses the best way that is connected",
            ways.join(", ")
        ),
    };
    let before = remotes
        .iter()
        .find(|remote| remote.name == name)
        .map(|remote| remote.address.to_string())
        .filter(|before| *before != url)
        .map(|before| format!(", and no longer leads to {before}"))
        .unwrap_or_default();
    way.introduce(local, &name, address).map_err(failed)?;
    let uuid = match known {
        Some(known) => Some(known),
        None => way.identify(address, true).map_err(failed)?,
    };
    init::set_remote_at(local, &url, uuid.as_ref(), &name)?;
    let done = match is_made {
        true => format!("{address} was made for {top}"),
        false => format!("{top} is connected to {address}"),
    };
    let done = format!("{done}; its name here is {name}{before}{ways}");
    Ok(match uuid {
        Some(_) => done,
        None => format!(
            "{done}. Neither git-annex nor Anabranch answers there, so it takes names and history of the files, but not what is in them. Install one of them there"
        ),
    })
}

/// True if a repository has to be made at the address, and can be.
fn is_to_be_made(local: &Annex, address: &SshAddress, survey: &Survey) -> Result<bool, Error> {
    let host = &address.host;
    let path = &address.path;
    let refused = |why: String| Err(Error::Refused(format!("{why}; nothing was changed")));
    if !survey.has_git {
        return refused(format!(
            "{host} has no git. Install git and git-annex or Anabranch there"
        ));
    }
    match survey.what {
        AtPath::Repository => Ok(false),
        AtPath::Taken => refused(format!(
            "there is something at {path} on {host} already, and it is no repository. Choose another path"
        )),
        AtPath::Closed => refused(format!("you may not write to {path} on {host}. Choose another path")),
        AtPath::Free => {
            let least = history_bytes(local).saturating_add(LEAST_ROOM);
            match survey.free.is_none_or(|free| free >= least) {
                true => Ok(true),
                false => refused(format!(
                    "{host} has too little room for the history of the folder, before any file. Make room there"
                )),
            }
        }
    }
}

/// What a computer is called: its name without the user and the domain.
fn short_name(host: &SshHost) -> &str {
    let whole = host.destination.rsplit('@').next().unwrap_or(&host.destination);
    match whole.split_once('.') {
        Some((name, _)) if !name.chars().all(|c| c.is_ascii_digit()) => name,
        Some(_) | None => whole,
    }
}

fn not_there(host: &SshHost, failed: Failed) -> Error {
    Error::Refused(match failed {
        Failed::Away => format!("{host} cannot be reached; nothing was changed. Is it on, and in this network?"),
        Failed::Busy(why) | Failed::Full(why) | Failed::Refused(why) | Failed::Broken(why) => why,
    })
}
