use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use annex::Annex;
use annex::exchange::by_transport::{self, Askpass, Transport};
use annex::exchange::{Commits, PushOutcome, introduce, newest};
use annex::settings::{Address, RemoteSettings};
use model::RemoteName;

use crate::http;
use crate::ssh::{Connection, SshCommand, Use};
use crate::words::why_not;
use crate::{Failed, Fetched, Hosts};

/// Nobody cancels it.
static NEVER: AtomicBool = AtomicBool::new(false);

/// How the `git` program reaches a repository. A connection that it needs stays open for as long as this exists.
#[derive(Clone)]
pub struct ByGit(Kind);

#[derive(Clone)]
enum Kind {
    Ssh(Arc<Connection>),
    /// With a login, if the server wants one.
    Http(http::Login),
    /// By itself, with these protocols, or with all that the user allows it.
    ByItself(Option<&'static str>),
}

impl ByGit {
    /// The way to an address. Connects to the computer that it names, if that needs ssh; `local` may have settings for that.
    ///
    /// # Errors
    ///
    /// Tells why it is not connected.
    pub fn to(address: &Address, local: Option<&Annex>, hosts: &Hosts) -> Result<Self, Failed> {
        Ok(Self(match address {
            Address::Ssh(address) => Kind::Ssh(hosts.connect(&address.host, &SshCommand::of(local))?),
            Address::Path(_) => Kind::ByItself(Some("file")),
            Address::Http(_) => {
                let place = address.computer().unwrap_or_default();
                Kind::Http(http::Login::on(&place, local, hosts.questions()))
            }
            Address::Unknown(_) => Kind::ByItself(None),
            Address::Special { .. } => {
                return Err(Failed::Refused("git does not reach a special remote".to_owned()));
            }
        }))
    }

    /// The way over a connection that is open.
    pub(crate) fn over(connection: &Arc<Connection>) -> Self {
        Self(Kind::Ssh(Arc::clone(connection)))
    }

    /// Clones the repository at an address that this way leads to. See [`annex::init::clone_over`].
    ///
    /// # Errors
    ///
    /// In words for people. Then nothing is left behind.
    pub fn clone_from(
        &self,
        address: &Address,
        dest: &Path,
        description: Option<&str>,
        now: u64,
    ) -> Result<Annex, Failed> {
        let url = address.url().unwrap_or_default();
        let cloned = self.with(&NEVER, |transport| {
            annex::init::clone_over(transport, url, dest, description, now)
        });
        self.ended(&format!("git ls-remote {address}"), cloned)
    }

    /// Makes a repository and the one at an address known to each other.
    pub(crate) fn introduce(&self, local: &Annex, name: &RemoteName, url: &str) -> Result<(), Failed> {
        let introduced = self.with(&NEVER, |transport| introduce(local, name, url, transport));
        self.ended(&format!("git ls-remote {url}"), introduced)
    }

    /// How git uses it, until `cancelled` is set.
    fn transport<'a>(&self, askpass: Askpass, cancelled: &'a AtomicBool) -> Transport<'a> {
        let (protocols, ssh) = match &self.0 {
            Kind::Ssh(connection) => (Some("ssh"), Some(connection.for_git())),
            Kind::Http(_) => (Some("http:https"), None),
            Kind::ByItself(protocols) => (*protocols, None),
        };
        Transport {
            protocols,
            ssh,
            askpass,
            cancelled,
        }
    }

    /// Makes sure that there is a repository.
    pub(crate) fn look(&self, local: &Annex, settings: &RemoteSettings, cancelled: &AtomicBool) -> Result<(), Failed> {
        let looked = self.with(cancelled, |transport| {
            by_transport::look(local, &settings.name, transport)
        });
        self.ended(&by_hand(settings), looked)
    }

    pub(crate) fn fetch(
        &self,
        into: &Annex,
        settings: &RemoteSettings,
        cancelled: &AtomicBool,
    ) -> Result<Fetched, Failed> {
        let fetched = self.with(cancelled, |transport| {
            let branch = into.head()?.branch;
            let heads = by_transport::fetch(into, &settings.name, &branch, transport)?;
            Ok(Fetched {
                tree: newest(into, heads.branch, heads.synced)?,
                annex: newest(into, heads.git_annex, heads.synced_git_annex)?,
                branch,
                other_branch: None,
            })
        });
        self.ended(&by_hand(settings), fetched)
    }

    pub(crate) fn push(
        &self,
        from: &Annex,
        settings: &RemoteSettings,
        commits: Commits,
        cancelled: &AtomicBool,
    ) -> Result<PushOutcome, Failed> {
        let pushed = self.with(cancelled, |transport| {
            let branch = from.head()?.branch;
            by_transport::push(from, &settings.name, &branch, commits, transport)
        });
        self.ended(&by_hand(settings), pushed)
    }

    fn with<T>(
        &self,
        cancelled: &AtomicBool,
        mut work: impl FnMut(&Transport<'_>) -> annex::Result<T>,
    ) -> annex::Result<T> {
        let mut work = |askpass| work(&self.transport(askpass, cancelled));
        let connection = match &self.0 {
            Kind::Ssh(connection) => connection,
            Kind::Http(login) => return login.run(work),
            Kind::ByItself(_) => return work(Askpass::Nobody),
        };
        let attempt = || {
            let _session = connection.permit(Use::Brief, cancelled);
            work(Askpass::Nobody)
        };
        connection.with_few_sessions(attempt, |done| match done {
            Err(annex::Error::Refused(why)) => Some(why),
            Ok(_) | Err(_) => None,
        })
    }

    /// Turns an error into a failure, which is `Away` if the other computer does not answer any more.
    fn ended<T>(&self, by_hand: &str, done: annex::Result<T>) -> Result<T, Failed> {
        done.map_err(|error| match &self.0 {
            Kind::Ssh(connection) if !connection.is_alive() => Failed::Away,
            Kind::Ssh(_) | Kind::Http(_) | Kind::ByItself(_) => why_not(by_hand, error),
        })
    }
}

fn by_hand(settings: &RemoteSettings) -> String {
    format!("git fetch {}", settings.name)
}

/// Refuses to push where the configuration sends pushes elsewhere: nobody would know what is at the place fetched from.
pub(crate) fn refuse_elsewhere(settings: &RemoteSettings) -> Result<(), Failed> {
    if settings.is_pushed_to() && settings.pushed_to.len() == 1 {
        return Ok(());
    }
    Err(Failed::Refused(format!(
        "the configuration (pushurl, pushInsteadOf or a second url) sends pushes elsewhere, which is not supported for this kind of place yet; nothing was pushed. 'git push {}' does it",
        settings.name
    )))
}
