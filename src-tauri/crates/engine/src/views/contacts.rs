//! A snapshot of the assistant's view of the remotes, for commands that are answered on a thread.

use std::collections::BTreeMap;

use annex::settings::{Address, RemoteSettings};
use assistant::{Assistant, Away, Reach, RemoteView};
use contract::Contact;
use model::RemoteName;

/// Whether the folder is paused, and which remotes are connected.
#[derive(Debug, Clone)]
pub(crate) struct Contacts {
    pub(crate) is_paused: bool,
    remotes: BTreeMap<RemoteName, Contact>,
}

impl Contacts {
    /// Takes a snapshot of the assistant. `settings` are those of the remotes.
    pub(crate) fn of(assistant: &Assistant, settings: &BTreeMap<RemoteName, RemoteSettings>) -> Self {
        let contact = |view: &RemoteView<'_>| contact(view, settings.get(view.name).map(|remote| &remote.address));
        let remotes = assistant.remotes().map(|view| (view.name.clone(), contact(&view)));
        Self {
            is_paused: assistant.is_paused(),
            remotes: remotes.collect(),
        }
    }

    /// A snapshot with only this remote, which is connected.
    #[cfg(test)]
    pub(crate) fn with(there: Option<&RemoteName>, is_paused: bool) -> Self {
        let remotes = there.map(|name| (name.clone(), Contact::Here)).into_iter().collect();
        Self { is_paused, remotes }
    }

    /// Whether a remote is connected; none if the assistant does not use it.
    pub(crate) fn get(&self, remote: &RemoteName) -> Option<&Contact> {
        self.remotes.get(remote)
    }

    /// True if a remote is connected.
    pub(crate) fn is_there(&self, remote: &RemoteName) -> bool {
        self.get(remote) == Some(&Contact::Here)
    }
}

/// Whether a remote is connected, for the user.
pub(crate) fn contact(view: &RemoteView<'_>, address: Option<&Address>) -> Contact {
    match view.reach {
        None => Contact::Unknown,
        Some(Reach::Here(_)) => Contact::Here,
        Some(Reach::Away(Away::Absent)) => Contact::Away(match address.and_then(Address::computer) {
            Some(computer) => format!("{computer} cannot be reached"),
            None => "its drive or folder is missing".to_owned(),
        }),
        Some(Reach::Away(Away::Unusable(why))) => Contact::Away(why.clone()),
    }
}
