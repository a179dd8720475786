//! A repository on another computer, reached by ssh: git by the `git` program, content by git-annex-shell there.

mod command;
mod connection;
mod contents;
mod listening;
mod process;
mod run;
mod session;
mod setup;
mod shell;
mod words;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annex::Annex;
use annex::exchange::by_transport::{self, Transport};
use annex::exchange::{Commits, PushOutcome, newest, tracked};
use annex::settings::{RemoteSettings, SshAddress};
use model::{Oid, Uuid};

pub use connection::Hosts;
pub use listening::Listening;
pub use setup::{AtPath, Survey};
pub use words::ChangedKey;

use self::command::SshCommand;
use self::connection::{Connection, Use};
use self::shell::{Shell, There, identify};
use crate::{Failed, Fetched, Git, Remote};

/// Nobody cancels it.
static NEVER: AtomicBool = AtomicBool::new(false);

/// A repository on another computer, over a connection that is open.
pub(crate) struct Ssh {
    connection: Arc<Connection>,
    address: SshAddress,
    settings: RemoteSettings,
    uuid: Uuid,
    shell: Shell,
    /// True once another repository was found at the address.
    is_replaced: AtomicBool,
}

/// Connects to the repository at an address.
///
/// A repository is identified by its uuid, which is asked for once on each connection. The first time, any repository is
/// accepted, and its uuid is stored in the configuration as git-annex does.
pub(crate) fn reach(
    local: &Annex,
    settings: &RemoteSettings,
    address: &SshAddress,
    before: Option<&Remote>,
    hosts: &Hosts,
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
    let host = &address.host;
    // As git-annex does: it is initialized there once it has a git-annex branch.
    let branch = local.head().map_err(Failed::from)?.branch;
    let known = tracked(local, &settings.name, &branch).map_err(Failed::from)?;
    let there = identify(
        &connection,
        address,
        settings.shell.as_deref(),
        known.git_annex.is_some(),
    )?;
    let (uuid, shell) = match there {
        There::Annex { uuid, shell } => (uuid, shell),
        There::Plain | There::NoShell => {
            return Err(Failed::Refused(format!(
                "{host} has no git-annex-shell, or no repository of git-annex at {}. Only git-annex repositories are supported there so far",
                address.path
            )));
        }
    };
    match &settings.uuid {
        None => annex::settings::remember_uuid(local, &settings.name, &uuid).map_err(Failed::from)?,
        Some(known) if *known == uuid => {}
        Some(known) => {
            return Err(Failed::Refused(format!(
                "{address} is another repository now ({uuid} instead of {known}); nothing was exchanged with it"
            )));
        }
    }
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
        is_replaced: AtomicBool::new(false),
    });
    Ok(Remote {
        name: settings.name.clone(),
        uuid,
        directories: None,
        git: Some(Arc::clone(&ssh) as _),
        contents: Some(Arc::clone(&ssh) as _),
        ssh: Some(ssh),
        tree: before.map(|before| Arc::clone(&before.tree)).unwrap_or_default(),
    })
}

/// A connection over which git reaches a repository on another computer, for as long as this exists.
pub struct Way(Arc<Connection>);

impl Way {
    /// Connects to the computer of an address, for the repository `local` if there is one yet.
    ///
    /// # Errors
    ///
    /// Tells why it is not connected.
    pub fn to(address: &SshAddress, local: Option<&Annex>, hosts: &Hosts) -> Result<Self, Failed> {
        hosts.connect(&address.host, &SshCommand::of(local)).map(Self)
    }

    /// How git uses it.
    #[must_use]
    pub fn transport(&self) -> Transport<'static> {
        Transport {
            protocols: Some("ssh"),
            ssh: Some(self.0.for_git()),
            cancelled: &NEVER,
        }
    }
}

impl Ssh {
    fn transport(&self) -> Transport<'static> {
        Way(Arc::clone(&self.connection)).transport()
    }

    /// Makes sure that git reaches the same repository as before: its disk may have made way for another at the same path.
    fn check(&self) -> Result<(), Failed> {
        let there = identify(&self.connection, &self.address, self.settings.shell.as_deref(), false)?;
        let is_same = matches!(&there, There::Annex { uuid, .. } if *uuid == self.uuid);
        self.is_replaced.store(!is_same, Ordering::Relaxed);
        match is_same {
            true => Ok(()),
            false => Err(Failed::Refused(format!(
                "{} is not the repository {} any more; nothing was exchanged with it",
                self.address, self.uuid
            ))),
        }
    }

    /// Turns an error into a failure, which is `Away` if the connection has ended.
    fn ended<T>(&self, done: annex::Result<T>) -> Result<T, Failed> {
        done.map_err(|error| match self.connection.is_alive() {
            true => error.into(),
            false => Failed::Away,
        })
    }
}

impl Git for Ssh {
    fn fetch(&self, into: &Annex) -> Result<Fetched, Failed> {
        self.check()?;
        let fetched = || {
            let branch = into.head()?.branch;
            let _session = self.connection.permit(Use::Brief, &NEVER);
            let heads = by_transport::fetch(into, &self.settings.name, &branch, &self.transport())?;
            Ok(Fetched {
                tree: newest(into, heads.branch, heads.synced)?,
                annex: newest(into, heads.git_annex, heads.synced_git_annex)?,
                branch,
                other_branch: None,
            })
        };
        self.ended(fetched())
    }

    fn push(&self, from: &Annex, commits: Commits, _: fn(usize, usize) -> bool) -> Result<PushOutcome, Failed> {
        if !self.settings.is_pushed_to() || self.settings.pushed_to.len() != 1 {
            return Err(Failed::Refused(format!(
                "the configuration (pushurl, pushInsteadOf or a second url) sends pushes elsewhere, which is not supported for other computers yet; nothing was pushed. 'git push {}' does it",
                self.settings.name
            )));
        }
        self.check()?;
        let pushed = || {
            let branch = from.head()?.branch;
            let _session = self.connection.permit(Use::Brief, &NEVER);
            by_transport::push(from, &self.settings.name, &branch, commits, &self.transport())
        };
        self.ended(pushed())
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
        Listening::begin(self.connection.session(&line), permit, heard)
    }

    fn pushes_to(&self, _: &Uuid) -> bool {
        false
    }

    fn close_idle(&self) {}

    fn clear_up(&self) {}
}
