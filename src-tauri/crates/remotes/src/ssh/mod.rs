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
use annex::exchange::{Commits, PushOutcome, in_one_line, tracked};
use annex::settings::{RemoteSettings, SshAddress};
use model::{Oid, Uuid};

pub(crate) use connection::Connection;
use connection::lock;
pub use hosts::Hosts;
pub use known::{known_computers, own_key};
pub use listening::Listening;
use run::run;
pub(crate) use sessions::Use;
pub use setup::{AtPath, Survey, Way};
pub use words::ChangedKey;

pub(crate) use self::command::SshCommand;
use self::shell::{Shell, There, identify};
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
    /// True if contents can be offered to it.
    takes_offers: bool,
    /// True once another repository was found at the address.
    is_replaced: AtomicBool,
    /// Whether the session that listens for changes is over; gone once nobody listens.
    listening: Mutex<Weak<AtomicBool>>,
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
    let (uuid, shell, takes_offers) = match there {
        There::Annex {
            uuid,
            shell,
            takes_offers,
        } => (uuid, shell, takes_offers),
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
        takes_offers,
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
    /// True if Anabranch there tells of changes; then it also merges what is pushed.
    fn is_listened_to(&self) -> bool {
        let is_over = lock(&self.listening).upgrade();
        is_over.is_some_and(|is_over| !is_over.load(Ordering::Relaxed))
    }

    /// Has Anabranch there merge what was pushed: git itself takes the push, and calls nobody afterwards. Returns why the files
    /// there do not have all of it, if they do not. If it cannot be asked, the next transfer does it.
    fn merge_there(&self, from: &Annex) -> Option<String> {
        // It merges first, then finds its input empty, and ends.
        let line = self.shell.line("p2pstdio", &self.address.path, &[from.uuid().as_str()]);
        let ask = || {
            let _session = self.connection.permit(Use::Brief, &NEVER);
            run(self.connection.session(&line))
        };
        let said = self
            .connection
            .with_few_sessions(ask, |said| said.as_ref().ok().map(|said| said.err.as_str()));
        let told = said.ok()?.err;
        let (_, why) = told.lines().find_map(|line| line.split_once(p2p::BEHIND))?;
        Some(format!("its files are not up to date yet: {}", in_one_line(why)))
    }
}

impl Git for Ssh {
    fn fetch(&self, into: &Annex, cancelled: &AtomicBool) -> Result<Fetched, Failed> {
        self.check()?;
        ByGit::over(&self.connection).fetch(into, &self.settings, cancelled)
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
        if matches!(pushed, PushOutcome::Refused { .. }) || !self.takes_offers || self.is_listened_to() {
            return Ok(pushed);
        }
        // Also if nothing was new: what was pushed before may not have been merged.
        let behind = self.merge_there(from);
        Ok(match pushed {
            PushOutcome::UpToDate if behind.is_none() => PushOutcome::UpToDate,
            PushOutcome::Pushed { refs, .. } => PushOutcome::Pushed {
                refs,
                checkout: None,
                behind,
            },
            PushOutcome::UpToDate | PushOutcome::Refused { .. } => PushOutcome::Pushed {
                refs: Vec::new(),
                checkout: None,
                behind,
            },
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
        let line = self.shell.line("notifychanges", &self.address.path, &[]);
        let listening = Listening::begin(self.connection.session(&line), permit, heard)?;
        *lock(&self.listening) = Arc::downgrade(listening.over());
        Some(listening)
    }

    fn pushes_to(&self, _: &Uuid) -> bool {
        false
    }

    fn close_idle(&self) {}

    fn clear_up(&self) {}
}
