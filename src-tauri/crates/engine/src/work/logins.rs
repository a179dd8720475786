//! Logins on the computers of a folder's remotes: what they ask, and why they failed.

use std::collections::{BTreeMap, BTreeSet};

use annex::settings::{Address, SshHost};
use model::RemoteName;
use remotes::ChangedKey;
use remotes::askpass::Question;

use super::FolderState;

impl FolderState {
    /// The addresses that this folder syncs with, by the names of its remotes.
    fn addresses(&self) -> Vec<(RemoteName, Address)> {
        let remotes = self.remotes.settings().into_iter();
        remotes
            .filter(|(_, remote)| self.supports(remote))
            .map(|(name, remote)| (name, remote.address))
            .collect()
    }

    /// The computers that this folder reaches by ssh.
    fn ssh_hosts(&self) -> BTreeSet<SshHost> {
        let host = |(_, address)| match address {
            Address::Ssh(address) => Some(address.host),
            Address::Path(_) | Address::Http(_) | Address::Special { .. } | Address::Unknown(_) => None,
        };
        self.addresses().into_iter().filter_map(host).collect()
    }

    /// The servers that git reaches by http, and by which remotes.
    fn servers(&self) -> Vec<(RemoteName, String)> {
        let server = |(name, address): (RemoteName, Address)| match address {
            Address::Http(_) => Some((name, address.computer()?)),
            Address::Path(_) | Address::Ssh(_) | Address::Special { .. } | Address::Unknown(_) => None,
        };
        self.addresses().into_iter().filter_map(server).collect()
    }

    /// True if this folder needs a login at a place, as a question names it.
    pub(crate) fn logs_in_at(&self, place: &str) -> bool {
        self.ssh_hosts().iter().any(|host| host.to_string() == place)
            || self.servers().iter().any(|(_, server)| server == place)
    }

    /// All open questions of the process.
    pub(crate) fn all_login_questions(&self) -> Vec<Question> {
        self.hosts().questions().open(|_| true)
    }

    /// The first question that a login for this folder asks.
    pub(crate) fn login_question(&self) -> Option<Question> {
        let mut questions = self.all_login_questions().into_iter();
        questions.find(|question| self.logs_in_at(&question.place))
    }

    /// Lets computers be tried again on which a login has failed.
    pub(crate) fn retry_logins(&self) {
        for host in self.ssh_hosts() {
            self.hosts().try_again(&host);
        }
        for (_, server) in self.servers() {
            self.hosts().ask_again(&server);
        }
    }

    /// The computers that have another host key than before.
    pub(crate) fn changed_keys(&self) -> Vec<(SshHost, ChangedKey)> {
        let changed = |host: SshHost| Some((self.hosts().changed_key(&host)?, host));
        let changed = self.ssh_hosts().into_iter().filter_map(changed);
        changed.map(|(key, host)| (host, key)).collect()
    }

    /// The computers that answer, but on which nobody can log in, and why.
    pub(crate) fn refused_logins(&self) -> BTreeMap<String, String> {
        let by_ssh = |host: SshHost| Some((host.to_string(), self.hosts().refused_login(&host)?));
        let reached = self.remotes.reached();
        // One that can be read without an account is not lost.
        let lost = self
            .servers()
            .into_iter()
            .filter(|(name, _)| !reached.contains_key(name));
        let by_http = lost.filter_map(|(_, server)| {
            let why = self.hosts().refused_account(&server)?;
            Some((server, why))
        });
        self.ssh_hosts().into_iter().filter_map(by_ssh).chain(by_http).collect()
    }
}
