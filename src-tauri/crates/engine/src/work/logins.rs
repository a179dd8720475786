//! Logins on the computers of a folder's remotes: what they ask, and why they failed.

use std::collections::BTreeSet;

use annex::settings::{Address, SshHost};
use remotes::ChangedKey;
use remotes::askpass::Question;

use super::FolderState;

impl FolderState {
    /// The computers that this folder syncs with.
    fn ssh_hosts(&self) -> BTreeSet<SshHost> {
        let remotes = self
            .remotes
            .settings()
            .into_values()
            .filter(|remote| self.supports(remote));
        let host = |address| match address {
            Address::Ssh(address) => Some(address.host),
            Address::Path(_) | Address::Http(_) | Address::Special { .. } | Address::Unknown(_) => None,
        };
        remotes.filter_map(|remote| host(remote.address)).collect()
    }

    /// True if this folder needs a login at a place, as a question names it.
    pub(crate) fn logs_in_at(&self, place: &str) -> bool {
        self.ssh_hosts().iter().any(|host| host.to_string() == place)
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
    }

    /// The computers that have another host key than before.
    pub(crate) fn changed_keys(&self) -> Vec<(SshHost, ChangedKey)> {
        let changed = |host: SshHost| Some((self.hosts().changed_key(&host)?, host));
        let changed = self.ssh_hosts().into_iter().filter_map(changed);
        changed.map(|(key, host)| (host, key)).collect()
    }

    /// The computers that answer, but on which nobody can log in, and why.
    pub(crate) fn refused_logins(&self) -> Vec<(SshHost, String)> {
        let refused = |host: SshHost| Some((self.hosts().refused_login(&host)?, host));
        let refused = self.ssh_hosts().into_iter().filter_map(refused);
        refused.map(|(why, host)| (host, why)).collect()
    }
}
