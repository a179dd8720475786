//! What a program asks when it logs in, understood by its words.

use annex::exchange::in_one_line;

/// What a program asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// The password of an account.
    Password {
        /// The account, such as `ann@desk`.
        account: String,
    },
    /// The name of the user's account.
    UserName {
        /// The server, such as `https://example.org`.
        server: String,
    },
    /// The passphrase of a key.
    Passphrase {
        /// The file of the key.
        key: String,
    },
    /// Whether an unknown computer is the right one.
    NewHostKey {
        /// The computer, as ssh calls it.
        host: String,
        /// The type of its key.
        kind: String,
        /// The fingerprint of its key.
        fingerprint: String,
        /// What else ssh knows about the key, such as other names under which it is known.
        remarks: String,
    },
    /// Something else to agree to.
    YesNo(String),
    /// Something to do, such as to touch a security key. It needs no answer.
    Notice(String),
    /// Something else that may be secret, such as a code that is valid once.
    Secret(String),
}

impl Prompt {
    /// Understands what OpenSSH (9.2) and git (2.47) ask. `hint` is OpenSSH's `SSH_ASKPASS_PROMPT`.
    pub(super) fn parse(hint: &str, text: &str) -> Self {
        let plain = in_one_line(text);
        match hint {
            "confirm" => return Self::YesNo(plain),
            "none" => return Self::Notice(plain),
            _ => {}
        }
        new_host_key(text)
            .or_else(|| known(&plain))
            .unwrap_or_else(|| match plain.trim_end_matches([' ', '?', ':']) {
                plain if plain.ends_with("(yes/no)") => Self::YesNo(plain.trim_end_matches("(yes/no)").to_owned()),
                _ => Self::Secret(plain),
            })
    }

    /// What a program gets if the user agrees and says nothing more; none if that is no answer.
    #[must_use]
    pub fn agreed(&self) -> Option<&'static str> {
        match self {
            Self::NewHostKey { .. } | Self::YesNo(_) => Some("yes"),
            Self::Notice(_) => Some(""),
            Self::Password { .. } | Self::UserName { .. } | Self::Passphrase { .. } | Self::Secret(_) => None,
        }
    }
}

/// Prompts of one line.
fn known(line: &str) -> Option<Prompt> {
    let quoted = |start: &str| line.strip_prefix(start)?.strip_suffix("':").map(str::to_owned);
    let password = |account: String| Prompt::Password { account };
    // Interactive logins say whose they are first.
    let interactive = || line.strip_prefix('(')?.strip_suffix(") Password:").map(str::to_owned);
    let key = || quoted("Enter passphrase for key '");
    let ordinary = || line.strip_suffix("'s password:").map(str::to_owned);
    let of_git = || quoted("Password for '");
    let name = || quoted("Username for '");
    key()
        .map(|key| Prompt::Passphrase { key })
        .or_else(|| ordinary().or_else(interactive).or_else(of_git).map(password))
        .or_else(|| name().map(|server| Prompt::UserName { server }))
}

fn new_host_key(text: &str) -> Option<Prompt> {
    let mut lines = text.lines().map(in_one_line);
    let host = lines.next()?.strip_prefix("The authenticity of host '")?.to_owned();
    let host = host.strip_suffix("' can't be established.")?.to_owned();
    let key = lines.next()?;
    let (kind, fingerprint) = key.strip_suffix('.')?.split_once(" key fingerprint is ")?;
    let of_interest = |line: &String| {
        let is_picture = line.starts_with(['+', '|']);
        let says_nothing = line == "This key is not known by any other names.";
        !is_picture && !says_nothing && !line.starts_with("Are you sure you want to continue")
    };
    let remarks: Vec<String> = lines.filter(of_interest).collect();
    Some(Prompt::NewHostKey {
        host,
        kind: kind.to_owned(),
        fingerprint: fingerprint.to_owned(),
        remarks: in_one_line(&remarks.join(" ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prompt_is_understood() {
        let text = str::to_owned;
        let password = |account: &str| Prompt::Password { account: text(account) };
        for (hint, asked, expected) in [
            ("", "ann@desk's password: ", password("ann@desk")),
            ("", "(ann@desk) Password: ", password("ann@desk")),
            (
                "",
                "Password for 'https://ann@example.org': ",
                password("https://ann@example.org"),
            ),
            (
                "",
                "Enter passphrase for key '/home/ann/it's': ",
                Prompt::Passphrase {
                    key: text("/home/ann/it's"),
                },
            ),
            (
                "",
                "(ann@desk) Verification\u{1b}[2J code: ",
                Prompt::Secret(text("(ann@desk) Verification [2J code:")),
            ),
            (
                "",
                "Accept updated hostkeys? (yes/no): ",
                Prompt::YesNo(text("Accept updated hostkeys? ")),
            ),
            (
                "",
                "Username for 'https://example.org': ",
                Prompt::UserName {
                    server: text("https://example.org"),
                },
            ),
            ("confirm", "Allow it? ", Prompt::YesNo(text("Allow it?"))),
            ("none", "Touch it", Prompt::Notice(text("Touch it"))),
            ("", "", Prompt::Secret(String::new())),
        ] {
            assert_eq!(Prompt::parse(hint, asked), expected, "{asked}");
        }
    }

    #[test]
    fn an_unknown_computer_is_told_of_with_its_fingerprint() {
        let asked = |other: &str| {
            format!(
                "The authenticity of host '[desk]:2222 ([127.0.0.1]:2222)' can't be established.\n\
                 ED25519 key fingerprint is SHA256:abc+/.\n{other}\
                 Are you sure you want to continue connecting (yes/no/[fingerprint])? "
            )
        };
        for (other, remarks) in [
            ("This key is not known by any other names.\n", ""),
            (
                "+--[ED25519 256]--+\n|  .o   |\n+----[SHA256]-----+\n\
                 This host key is known by the following other names/addresses:\n    ~/.ssh/known_hosts:3: attic\n",
                "This host key is known by the following other names/addresses: ~/.ssh/known_hosts:3: attic",
            ),
        ] {
            let expected = Prompt::NewHostKey {
                host: "[desk]:2222 ([127.0.0.1]:2222)".to_owned(),
                kind: "ED25519".to_owned(),
                fingerprint: "SHA256:abc+/".to_owned(),
                remarks: remarks.to_owned(),
            };
            assert_eq!(Prompt::parse("", &asked(other)), expected);
        }
    }
}
