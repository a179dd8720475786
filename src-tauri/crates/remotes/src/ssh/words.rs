//! What ssh says when it fails, in words for people.

use annex::exchange::in_one_line;
use annex::settings::SshHost;

use crate::Failed;

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

/// Why there is no connection, by what ssh (9.2) said on its way there.
pub(crate) fn why_not_connected(host: &SshHost, said: &str) -> Failed {
    let has = |text: &str| said.contains(text);
    let port = host.port.map(|port| format!("-p {port} ")).unwrap_or_default();
    let by_hand = format!("ssh {port}{}", host.destination);
    if has("HOST IDENTIFICATION HAS CHANGED") || has("Host key for") && has("has changed") {
        return Failed::Refused(format!(
            "the host key of {host} has changed. Somebody may be pretending to be that computer, or it was set up again; nothing was sent. If you know why, '{by_hand}' says how to remove the old key"
        ));
    }
    if has("Host key verification failed") || has("host key is known for") {
        return Failed::Refused(format!(
            "the host key of {host} is not known yet. Run '{by_hand}' once and confirm it"
        ));
    }
    if has("Permission denied") || has("Too many authentication failures") {
        return Failed::Refused(format!(
            "{host} refused the login. Anabranch logs in with your ssh keys: '{by_hand}' must work without a password. 'ssh-copy-id {port}{}' sets that up",
            host.destination
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
            assert_eq!(why_not_connected(&host, said), Failed::Away, "{said}");
        }
        for (said, part) in [
            (
                "No ED25519 host key is known for [desk]:2222 and you have requested strict checking.\r\nHost key verification failed.\r\n",
                "not known yet. Run 'ssh -p 2222 ann@desk' once",
            ),
            (
                "@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@\r\nHost key verification failed.\r\n",
                "has changed",
            ),
            (
                "ann@desk: Permission denied (publickey,password).\r\n",
                "refused the login",
            ),
            (
                "Bad owner or permissions on /home/ann/.ssh/config\r\n",
                "Bad owner or permissions",
            ),
            ("", "without a connection"),
        ] {
            let failed = why_not_connected(&host, said);
            let told = failed.to_string();
            assert!(told.contains(part) && !told.contains('\r'), "{told}");
        }
    }
}
