//! What ssh says when it fails, in words for people.

use annex::exchange::in_one_line;
use annex::settings::SshHost;

use crate::askpass::Asking;
use crate::{Failed, words};

/// What ssh says of a computer that is off, or not in this network.
const AWAY: [&str; 12] = [
    "Could not resolve hostname",
    "Connection refused",
    "timed out",
    "No route to host",
    "Network is unreachable",
    "Host is down",
    "Connection reset",
    "Connection closed by",
    "kex_exchange_identification",
    "banner exchange",
    "Broken pipe",
    "Cannot assign requested address",
];

/// A host key that is not the known one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedKey {
    /// The fingerprint of the key that the computer has now, as far as ssh says it.
    pub fingerprint: String,
    /// The command that forgets the known key.
    pub forget: String,
}

/// What ssh (9.2, as Debian has it) said about a host key that has changed, if it did.
pub(crate) fn changed_key(host: &SshHost, said: &str) -> Option<ChangedKey> {
    if !has_changed_key(said) {
        return None;
    }
    let mut lines = said.lines().map(in_one_line);
    let fingerprint = lines
        .clone()
        .find(|line| line.starts_with("SHA256:"))
        .unwrap_or_default();
    let name = match (host.destination.rsplit('@').next(), host.port) {
        (Some(name), Some(port)) => format!("[{name}]:{port}"),
        (name, _) => name.unwrap_or_default().to_owned(),
    };
    let forget = lines.find(|line| line.starts_with("ssh-keygen "));
    Some(ChangedKey {
        fingerprint: fingerprint.trim_end_matches('.').to_owned(),
        forget: forget.unwrap_or_else(|| format!("ssh-keygen -R {}", in_double_quotes(&name))),
    })
}

/// A text as one word of a shell, which can be told between single quotes.
fn in_double_quotes(text: &str) -> String {
    let escaped = text.chars().flat_map(|c| {
        matches!(c, '"' | '\\' | '$' | '`')
            .then_some('\\')
            .into_iter()
            .chain([c])
    });
    format!("\"{}\"", escaped.collect::<String>())
}

fn has_changed_key(said: &str) -> bool {
    said.contains("HOST IDENTIFICATION HAS CHANGED") || said.contains("Host key for") && said.contains("has changed")
}

/// What is said while somebody has yet to answer.
pub(crate) fn waits_for_answer(host: &SshHost) -> Failed {
    Failed::Refused(words::waits_for_answer(&host.to_string()))
}

/// What a login came to that asked something.
fn asked_in_vain(host: &SshHost, said: &str, asking: &Asking) -> Option<Failed> {
    let is_refused = || said.contains("Permission denied") || said.contains("Too many authentication failures");
    let place = host.to_string();
    Some(Failed::Refused(match asking.unanswered() {
        Some(why) => words::unanswered(&place, why),
        None if asking.has_asked() && is_refused() => words::refused_answers(&place),
        None if asking.has_asked() => format!(
            "the login on {host} broke off after it had asked you ({}). Sync or try again",
            in_one_line(said)
        ),
        None => return None,
    }))
}

/// Why there is no connection, by what ssh (9.2) said on its way there.
pub(crate) fn why_not_connected(host: &SshHost, said: &str, asking: &Asking) -> Failed {
    asked_in_vain(host, said, asking).unwrap_or_else(|| why_refused(host, said))
}

fn why_refused(host: &SshHost, said: &str) -> Failed {
    let has = |text: &str| said.contains(text);
    let port = host.port.map(|port| format!("-p {port} ")).unwrap_or_default();
    let by_hand = format!("ssh {port}{}", host.destination);
    if has_changed_key(said) {
        return Failed::Refused(format!(
            "the host key of {host} has changed. Somebody may be pretending to be that computer; nothing was sent"
        ));
    }
    if has("Host key verification failed") || has("host key is known for") {
        return Failed::Refused(format!(
            "the host key of {host} is not known, and your ssh configuration forbids to ask about it \
             (StrictHostKeyChecking). Run '{by_hand}' once and confirm it"
        ));
    }
    if has("Permission denied") || has("Too many authentication failures") {
        return Failed::Refused(format!(
            "{host} refused the login: it takes none of your keys, and asks for no password. \
             Add your public key to ~/.ssh/authorized_keys there, then '{by_hand}' works"
        ));
    }
    if AWAY.iter().any(|away| has(away)) {
        return Failed::Away;
    }
    Failed::Broken(match in_one_line(said).as_str() {
        "" => format!("ssh ended without a connection to {host}. '{by_hand}' may tell why"),
        said => format!("ssh could not connect to {host}: {said}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What OpenSSH 9.2 says.
    #[test]
    fn each_failure_has_its_words() {
        let host = SshHost {
            destination: "ann@desk".to_owned(),
            port: Some(2222),
        };
        for said in [
            "ssh: Could not resolve hostname desk: Name or service not known\r\n",
            "ssh: connect to host desk port 2222: Connection refused\r\n",
            "ssh: connect to host desk port 2222: No route to host\r\n",
            "Connection timed out during banner exchange\r\n",
            "kex_exchange_identification: read: Connection reset by peer\r\n",
        ] {
            assert_eq!(why_refused(&host, said), Failed::Away, "{said}");
        }
        for (said, part) in [
            (
                "No ED25519 host key is known for [desk]:2222 and you have requested strict checking.\r\nHost key verification failed.\r\n",
                "Run 'ssh -p 2222 ann@desk' once and confirm it",
            ),
            (
                "@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@\r\nHost key verification failed.\r\n",
                "has changed",
            ),
            (
                "ann@desk: Permission denied (publickey,password).\r\n",
                "then 'ssh -p 2222 ann@desk' works",
            ),
            (
                "Bad owner or permissions on /home/ann/.ssh/config\r\n",
                "Bad owner or permissions",
            ),
            ("", "without a connection"),
        ] {
            let failed = why_refused(&host, said);
            let told = failed.to_string();
            assert!(told.contains(part) && !told.contains('\r'), "{told}");
        }
    }

    #[test]
    fn a_changed_host_key_is_told_with_its_fingerprint_and_what_forgets_the_old_one() {
        let host = |destination: &str, port| SshHost {
            destination: destination.to_owned(),
            port,
        };
        let said = |remedy: &str| {
            format!(
                "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n\
                 The fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc+/.\r\n\
                 Offending ED25519 key in /home/ann/.ssh/known_hosts:3\r\n{remedy}\
                 Host key for desk has changed and you have requested strict checking.\r\n"
            )
        };
        let debian = "  remove with:\r\n  ssh-keygen -f \"/home/ann/.ssh/known_hosts\" -R \"desk\"\r\n";
        for (host, remedy, forget) in [
            (
                host("desk", None),
                debian,
                "ssh-keygen -f \"/home/ann/.ssh/known_hosts\" -R \"desk\"",
            ),
            (host("ann@desk", None), "", "ssh-keygen -R \"desk\""),
            (host("ann@desk", Some(2222)), "", "ssh-keygen -R \"[desk]:2222\""),
        ] {
            let key = changed_key(&host, &said(remedy)).unwrap();
            assert_eq!((&*key.fingerprint, &*key.forget), ("SHA256:abc+/", forget));
        }
        assert_eq!(changed_key(&host("desk", None), "Permission denied"), None);
    }
}
