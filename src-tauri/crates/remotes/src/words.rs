//! What git says when it does not reach a repository, in words for people.

use std::io::ErrorKind;

use annex::Error;

use crate::Failed;

/// What git, and curl in it, say of a computer that is off, or not in this network.
const AWAY: [&str; 15] = [
    "Could not resolve host",
    "unable to look up",
    "unable to connect",
    "Failed to connect",
    "Couldn't connect",
    "Could not connect",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Operation timed out",
    "Operation too slow",
    "No route to host",
    "Network is unreachable",
    "Empty reply from server",
    "SSL_ERROR_SYSCALL",
];

/// What it says of a server that wants to know who asks.
const PASSWORD: [&str; 4] = [
    "could not read Username",
    "could not read Password",
    "Authentication failed",
    "terminal prompts disabled",
];

/// What it says if no repository is there.
const MISSING: [&str; 4] = [
    "does not appear to be a git repository",
    "repository not exported",
    "Repository not found",
    "' not found",
];

/// Why git did not reach a repository. `by_hand` is the command by which somebody tries it in a terminal.
pub(crate) fn why_not(by_hand: &str, error: Error) -> Failed {
    let Error::Refused(said) = &error else {
        return match &error {
            Error::Io { source, .. } if matches!(source.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                Failed::Away
            }
            Error::Io { .. }
            | Error::Git { .. }
            | Error::Damaged(_)
            | Error::Refused(_)
            | Error::Busy(_)
            | Error::DiskReserve { .. } => error.into(),
        };
    };
    let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    if has(&PASSWORD) {
        return Failed::Refused(format!(
            "the server asks for a user name and a password, and git has none that it takes. Let git store them: 'git config --global credential.helper store', then '{by_hand}' asks for them once"
        ));
    }
    if has(&AWAY) {
        return Failed::Away;
    }
    if has(&MISSING) {
        return Failed::Refused(format!(
            "there is no git repository at this address, or you may not see it. '{by_hand}' tries it by hand"
        ));
    }
    if said.contains("transport 'ssh' not allowed") {
        return Failed::Refused(
            "this is not an address for ssh that Anabranch understands. Write HOST:PATH or ssh://HOST/PATH".to_owned(),
        );
    }
    if said.contains("returned error: 403") {
        return Failed::Refused(
            "the server does not allow it (error 403): the account may lack the right to write there".to_owned(),
        );
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What git 2.47 with curl 7.88 says.
    #[test]
    fn each_failure_has_its_words() {
        let told = |said: &str| {
            why_not(
                "git fetch forge",
                Error::Refused(format!("git could not fetch from forge: {said}")),
            )
        };
        for said in [
            "fatal: unable to access 'https://forge.example/a/': Could not resolve host: forge.example",
            "fatal: unable to access 'http://forge.example:1/a/': Failed to connect to forge.example port 1 after 0 ms: Couldn't connect to server",
            "fatal: unable to look up forge.example (port 9418) (Name or service not known)",
            "fatal: unable to connect to 127.0.0.1: 127.0.0.1[0: 127.0.0.1]: errno=Connection refused",
        ] {
            assert_eq!(told(said), Failed::Away, "{said}");
        }
        for (said, part) in [
            (
                "fatal: could not read Username for 'https://forge.example': terminal prompts disabled",
                "'git fetch forge' asks for them once",
            ),
            (
                "remote: Invalid username or password. fatal: Authentication failed for 'https://forge.example/a/'",
                "password",
            ),
            (
                "fatal: repository 'https://forge.example/a/' not found",
                "no git repository at this address",
            ),
            (
                "fatal: '/srv/a' does not appear to be a git repository fatal: Could not read from remote repository.",
                "no git repository",
            ),
            (
                "fatal: unable to access 'https://forge.example/a/': The requested URL returned error: 403",
                "right to write",
            ),
            ("fatal: transport 'ssh' not allowed", "HOST:PATH"),
            ("fatal: bad object HEAD", "bad object HEAD"),
        ] {
            let Failed::Refused(words) = told(said) else {
                panic!("{said}")
            };
            assert!(words.contains(part), "{words}");
        }
        let silent = Error::io("run git in", std::path::Path::new("/a"))(ErrorKind::TimedOut.into());
        assert_eq!(why_not("git fetch forge", silent), Failed::Away);
    }
}
