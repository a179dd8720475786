//! A repository on another computer, reached by ssh: git by the `git` program, content by git-annex-shell there.

mod command;
mod connection;
mod contents;
mod hosts;
mod known;
mod link;
mod listening;
mod process;
mod run;
mod session;
mod sessions;
mod setup;
mod shell;
mod words;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use annex::Annex;
use annex::exchange::{Commits, PushOutcome, tracked};
use annex::settings::{RemoteSettings, SshAddress};
use model::{Oid, Uuid};
use p2p::{Answer, Behind, MERGES};

pub(crate) use connection::Connection;
use connection::lock;
pub use hosts::Hosts;
pub use known::{known_computers, own_key};
use listening::Known;
pub use listening::Listening;
pub(crate) use sessions::Use;
pub use setup::{AtPath, Survey, Way};
pub use words::ChangedKey;

pub(crate) use self::command::SshCommand;
use self::shell::{Extensions, Shell, There, identify};
use crate::by_git::{ByGit, refuse_elsewhere};
use crate::{Failed, Fetched, Git, Remote, git_only};

/// Nobody cancels it.
static NEVER: AtomicBool = AtomicBool::new(false);

/// A repository on another computer, over a connection that is open.
pub(crate) struct Ssh {
    connection: Arc<Connection>,
    address: SshAddress,
    settings: RemoteSettings,
    uuid: Uuid,
    shell: Shell,
    has: Extensions,
    /// True once another repository was found at the address.
    is_replaced: AtomicBool,
    /// What the session that listens for changes has told; gone once nobody listens.
    listening: Mutex<Weak<Known>>,
}

/// Connects to the repository at an address.
///
/// A repository is identified by its uuid, which is asked for once on each connection. The first time, any repository is
/// accepted, and its uuid is stored in the configuration as git-annex does. Where git-annex does not answer, or is to be
/// ignored, only git is used; it is asked for again each time. A repository that was known before stays away then: nobody
/// could tell whether it is the same.
pub(crate) fn reach(
    local: &Annex,
    settings: &RemoteSettings,
    address: &SshAddress,
    before: Option<&Remote>,
    hosts: &Hosts,
    cancelled: &AtomicBool,
) -> Result<Remote, Failed> {
    let connection = hosts.connect(&address.host, &SshCommand::of(Some(local)))?;
    if let Some(before) = before
        && before.ssh.as_ref().is_some_and(|ssh| {
            let is_same = ssh.settings == *settings && ssh.address == *address;
            is_same && ssh.connection.number() == connection.number() && !ssh.is_replaced.load(Ordering::Relaxed)
        })
    {
        return Ok(before.clone());
    }
    let git_only = |why| git_only::reach(local, settings, ByGit::over(&connection), None, why, cancelled);
    if settings.ignore {
        return git_only("annex-ignore is set for it");
    }
    // As git-annex does: it is initialized there once it has a git-annex branch.
    let branch = local.head().map_err(Failed::from)?.branch;
    let known = tracked(local, &settings.name, &branch).map_err(Failed::from)?;
    let there = identify(
        &connection,
        address,
        settings.shell.as_deref(),
        known.git_annex.is_some(),
    )?;
    let (uuid, shell, has) = match there {
        There::Annex { uuid, shell, has } => (uuid, shell, has),
        There::Plain if settings.uuid.is_none() => return git_only(git_only::PLAIN),
        There::NoShell if settings.uuid.is_none() => return git_only("no git-annex-shell answers there"),
        There::Plain | There::NoShell => return Err(not_the_same(address, &there)),
    };
    if let Some(known) = &settings.uuid
        && *known != uuid
    {
        return Err(Failed::Refused(format!(
            "{address} is another repository now, so Anabranch exchanges nothing with it"
        )));
    }
    annex::settings::remember_uuid(local, settings, &uuid).map_err(Failed::from)?;
    if uuid == *local.uuid() {
        return Err(Failed::Refused(format!(
            "{address} has the same uuid as this repository: a copy of it was made with its git directory; nothing was exchanged with it. Run 'git annex reinit' there or make a clone instead"
        )));
    }
    let ssh = Arc::new(Ssh {
        connection,
        address: address.clone(),
        settings: settings.clone(),
        uuid: uuid.clone(),
        shell,
        has,
        is_replaced: AtomicBool::new(false),
        listening: Mutex::default(),
    });
    Ok(Remote {
        name: settings.name.clone(),
        uuid: Some(uuid),
        directories: None,
        git: Some(Arc::clone(&ssh) as _),
        contents: Some(Arc::clone(&ssh) as _),
        git_only: None,
        ssh: Some(ssh),
        tree: before.map(|before| Arc::clone(&before.tree)).unwrap_or_default(),
    })
}

/// Why a repository that was known before is left alone.
fn not_the_same(address: &SshAddress, there: &There) -> Failed {
    let host = &address.host;
    Failed::Refused(match there {
        There::NoShell => format!(
            "no git-annex-shell answers on {host} any more, so Anabranch cannot tell whether the repository there is \
             still the same, and exchanges nothing with it. Install git-annex or Anabranch there again, or set \
             annex-ignore for this place to sync with git only"
        ),
        There::Plain | There::Annex { .. } => {
            format!(
                "{address} is another repository now, which does not use git-annex, so Anabranch exchanges \
                     nothing with it"
            )
        }
    })
}

impl Ssh {
    /// Which connection it is.
    pub(crate) fn connection(&self) -> u64 {
        self.connection.number()
    }

    /// How long an answer takes, if that is known.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.connection.round_trip()
    }

    /// Makes sure that git reaches the same repository as before: its disk may have made way for another at the same path.
    fn check(&self) -> Result<(), Failed> {
        let there = identify(&self.connection, &self.address, self.settings.shell.as_deref(), false)?;
        let is_same = matches!(&there, There::Annex { uuid, .. } if *uuid == self.uuid);
        self.is_replaced.store(!is_same, Ordering::Relaxed);
        match &there {
            There::Annex { .. } if is_same => Ok(()),
            There::Annex { .. } => Err(Failed::Refused(format!(
                "{} is another repository now, so Anabranch exchanges nothing with it",
                self.address
            ))),
            There::Plain | There::NoShell => Err(not_the_same(&self.address, &there)),
        }
    }
}

impl Ssh {
    /// Why the files there do not have all that was pushed, if they do not. If Anabranch there tells of changes, it merges by
    /// itself, and tells that too. Otherwise it is asked to, since git itself takes the push, and calls nobody afterwards. If it
    /// cannot be asked, the next transfer does it.
    fn behind(&self, here: &Uuid, cancelled: &AtomicBool) -> Option<Behind> {
        if !self.has.merges {
            return None;
        }
        let known = lock(&self.listening).upgrade();
        if let Some(told) = known.and_then(|known| known.behind()) {
            return told;
        }
        let mut session = self.session(here, Use::Brief, cancelled).ok()?;
        session.client().merge();
        let Ok(Answer::Merged(behind)) = session.next(cancelled) else {
            return None;
        };
        self.connection.keep_idle(session);
        behind
    }
}

impl Git for Ssh {
    fn fetch(&self, into: &Annex, cancelled: &AtomicBool) -> Result<Fetched, Failed> {
        self.check()?;
        let mut fetched = ByGit::over(&self.connection).fetch(into, &self.settings, cancelled)?;
        let there = tracked(into, &self.settings.name, &fetched.branch).map_err(Failed::from)?;
        // It was pushed, but the files may not show it: then it is pushed again, which tells why.
        if there.synced != there.branch && fetched.tree == there.synced && self.behind(into.uuid(), cancelled).is_some()
        {
            fetched.tree = there.branch;
        }
        Ok(fetched)
    }

    fn push(
        &self,
        from: &Annex,
        commits: Commits,
        _: fn(usize, usize) -> bool,
        cancelled: &AtomicBool,
    ) -> Result<PushOutcome, Failed> {
        refuse_elsewhere(&self.settings)?;
        self.check()?;
        let pushed = ByGit::over(&self.connection).push(from, &self.settings, commits, cancelled)?;
        let refs = match &pushed {
            PushOutcome::Refused { .. } => return Ok(pushed),
            PushOutcome::UpToDate => Vec::new(),
            PushOutcome::Pushed { refs, .. } => refs.clone(),
        };
        // Also if nothing was new: what was pushed before may not have been merged.
        let Some(behind) = self.behind(from.uuid(), cancelled) else {
            return Ok(pushed);
        };
        let why = format!("the folder on {} waits: {}", self.address.host, behind.why());
        Ok(PushOutcome::Pushed {
            refs,
            checkout: None,
            behind: Some(why),
        })
    }

    fn state(&self) -> Option<u64> {
        None
    }

    fn watched(&self) -> Option<&Path> {
        None
    }

    fn listen(&self, heard: Box<dyn Fn(Vec<Oid>) + Send>) -> Option<Listening> {
        let permit = self.connection.permit(Use::Standing, &NEVER)?;
        let fields: &[&str] = if self.has.merges { &["--", MERGES, "--"] } else { &[] };
        let line = self.shell.line("notifychanges", &self.address.path, fields);
        let listening = Listening::begin(self.connection.session(&line), permit, heard)?;
        *lock(&self.listening) = Arc::downgrade(listening.known());
        Some(listening)
    }

    fn pushes_to(&self, _: &Uuid) -> bool {
        false
    }

    fn close_idle(&self) {}

    fn clear_up(&self) {}
}
