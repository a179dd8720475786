//! What logins on other computers ask, in words for people, and asking it at a terminal.

mod terminal;

use contract::Typed;
use remotes::askpass::{Prompt, Question};

pub(crate) use terminal::{ask, enter};

/// A question of a login, for the user.
pub(crate) fn in_words(question: &Question) -> contract::Question {
    let place = &question.place;
    let words = |text: String, yes: &str, no: &str, typed| contract::Question {
        id: question.id.clone(),
        text: match question.is_repeated {
            true => format!("That was not right. {text}"),
            false => text,
        },
        yes: yes.to_owned(),
        no: no.to_owned(),
        typed,
    };
    let typed = |text, typed| words(text, "Log in", "Don't log in", Some(typed));
    match &question.prompt {
        Prompt::UserName { server } => typed(
            format!("{place} wants to know your user name at {server}."),
            Typed::Text,
        ),
        // Forges take no password there.
        Prompt::Password { account } if account.contains("://") => typed(
            format!("{place} wants the password of {account}, or an access token in its place."),
            Typed::Secret,
        ),
        Prompt::Password { account } => typed(format!("{place} wants the password of {account}."), Typed::Secret),
        Prompt::Passphrase { key } => typed(
            format!("Logging in on {place} needs the passphrase of your key {key}."),
            Typed::Secret,
        ),
        Prompt::Secret(text) => typed(format!("{place} asks: {text}"), Typed::Secret),
        Prompt::YesNo(text) => words(format!("{place} asks: {text}"), "Yes", "No", None),
        Prompt::Notice(text) => words(format!("{place}: {text}"), "Hide this", "Don't log in", None),
        Prompt::NewHostKey {
            host,
            kind,
            fingerprint,
            remarks,
        } => {
            let remarks = if remarks.is_empty() {
                String::new()
            } else {
                format!(" {remarks}")
            };
            let host = without_repetition(host);
            // With a jump host, ssh asks about another computer than the place.
            let whose = match host.contains(place.as_str()) {
                true => format!("You connect to {host}"),
                false => format!("To log in on {place}, you connect to {host}"),
            };
            let text = format!(
                "{whose} for the first time. Its {kind} host key has the fingerprint {fingerprint}.{remarks} \
                 Is that the right computer? 'ssh-keygen -l -f /etc/ssh/ssh_host_{}_key.pub' shows the fingerprint there. \
                 Anabranch sends nothing until you answer.",
                kind.to_lowercase()
            );
            words(text, "It is the right computer", "Don't connect", None)
        }
    }
}

/// What ssh calls a computer, `NAME (ADDRESS)`, without the address if that is its name.
fn without_repetition(host: &str) -> &str {
    match host.split_once(" (") {
        Some((name, address)) if address.strip_suffix(')') == Some(name) => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_where_and_for_what() {
        let asked = |prompt, is_repeated| {
            in_words(&Question {
                id: "login-1".to_owned(),
                place: "desk".to_owned(),
                prompt,
                is_repeated,
            })
        };
        let account = "ann@desk".to_owned();
        let password = asked(Prompt::Password { account }, true);
        assert_eq!(
            password.text,
            "That was not right. desk wants the password of ann@desk."
        );
        assert_eq!(password.typed, Some(Typed::Secret));
        for (host, expected) in [
            ("desk (10.0.0.7)", "You connect to desk (10.0.0.7) for the first time."),
            (
                "[10.0.0.7]:2222 ([10.0.0.7]:2222)",
                "To log in on desk, you connect to [10.0.0.7]:2222 for the first time.",
            ),
        ] {
            let key = asked(
                Prompt::NewHostKey {
                    host: host.to_owned(),
                    kind: "ED25519".to_owned(),
                    fingerprint: "SHA256:abc".to_owned(),
                    remarks: String::new(),
                },
                false,
            );
            let start = format!("{expected} Its ED25519 host key has the fingerprint SHA256:abc. Is");
            assert!(key.text.starts_with(&start), "{key:?}");
            assert!(key.text.contains("ssh_host_ed25519_key.pub") && key.typed.is_none());
        }
    }
}
