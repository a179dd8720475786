//! What git says when it does not reach a repository, in words for people.

use std::io::ErrorKind;

use annex::Error;

use crate::Failed;
use crate::askpass::{Held, Unanswered};

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
const PASSWORD: [&str; 5] = [
    "could not read Username",
    "could not read Password",
    "Authentication failed",
    "terminal prompts disabled",
    "HTTP 401",
];

/// What it says if no repository is there.
const MISSING: [&str; 4] = [
    "does not appear to be a git repository",
    "repository not exported",
    "Repository not found",
    "' not found",
];

/// True if git says that a server wants to know who asks, or knows nobody of that name and password.
pub(crate) fn is_login_refused(said: &str) -> bool {
    PASSWORD.iter().any(|text| said.contains(text))
}

/// What is said while somebody has yet to answer.
pub(crate) fn waits_for_answer(place: &str) -> String {
    format!("the login on {place} waits for your answer")
}

/// Why a login got no answer.
pub(crate) fn unanswered(place: &str, why: Unanswered) -> String {
    match why {
        Unanswered::Declined => {
            format!("you chose not to log in on {place}. You are asked again when you sync or try again")
        }
        Unanswered::TooLate => {
            format!("{place} ended the login before you answered. You are asked again when you sync or try again")
        }
        Unanswered::Nobody => format!(
            "{place} asks for something, and there is no terminal to ask you at. Run this in a terminal. If Anabranch \
             keeps the folder in sync, answer in the window or with 'anabranch answer'"
        ),
    }
}

/// What is said of a server that takes no answer of the user.
pub(crate) fn refused_answers(place: &str) -> String {
    format!("{place} refused the login with what you entered. You are asked again when you sync or try again")
}

/// Why nobody is asked for the password of a server.
pub(crate) fn held(place: &str, why: Held) -> String {
    match why {
        Held::Unanswered(why) => unanswered(place, why),
        Held::Refused => refused_answers(place),
        Held::UsersProgram => format!(
            "the program that you have set to ask for passwords (core.askPass or GIT_ASKPASS) has given none that {place} \
             takes. It asks again when you sync or try again"
        ),
    }
}

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
    if is_login_refused(said) {
        return Failed::Refused(format!(
            "the server does not take the user name and password that git has for it. Correct them in the address, or \
             where git's credential helper has them. '{by_hand}' tries them by hand"
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
                "'git fetch forge' tries them by hand",
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
