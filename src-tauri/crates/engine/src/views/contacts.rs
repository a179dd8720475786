//! What the assistant knows of the remotes at one moment, for those who answer beside the loop.

use std::collections::BTreeMap;

use assistant::{Assistant, Away, Reach, RemoteView};
use contract::Contact;
use model::RemoteName;

/// Whether the folder is paused, and which remotes can be reached.
#[derive(Debug, Clone)]
pub(crate) struct Contacts {
    pub(crate) is_paused: bool,
    remotes: BTreeMap<RemoteName, Contact>,
}

impl Contacts {
    /// As the assistant knows it now.
    pub(crate) fn of(assistant: &Assistant) -> Self {
        let remotes = assistant.remotes().map(|view| (view.name.clone(), contact(&view)));
        Self {
            is_paused: assistant.is_paused(),
            remotes: remotes.collect(),
        }
    }

    /// Only this remote, which can be reached.
    #[cfg(test)]
    pub(crate) fn with(there: Option<&RemoteName>, is_paused: bool) -> Self {
        let remotes = there.map(|name| (name.clone(), Contact::Here)).into_iter().collect();
        Self { is_paused, remotes }
    }

    /// Whether a remote can be reached; none if it is of no use to the assistant.
    pub(crate) fn get(&self, remote: &RemoteName) -> Option<&Contact> {
        self.remotes.get(remote)
    }

    /// True if a remote can be reached.
    pub(crate) fn is_there(&self, remote: &RemoteName) -> bool {
        self.get(remote) == Some(&Contact::Here)
    }
}

/// Whether a remote can be reached, for people.
pub(crate) fn contact(view: &RemoteView<'_>) -> Contact {
    match view.reach {
        None => Contact::Unknown,
        Some(Reach::Here(_)) => Contact::Here,
        Some(Reach::Away(Away::Absent)) => Contact::Away("not plugged in, not mounted, or moved".to_owned()),
        Some(Reach::Away(Away::Unusable(why))) => Contact::Away(why.clone()),
    }
}
