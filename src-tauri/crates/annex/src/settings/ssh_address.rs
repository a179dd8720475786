//! The address of a repository that is reached by ssh.

use std::fmt;

/// An address that git gives to ssh: `ssh://[USER@]HOST[:PORT]/PATH` or `[USER@]HOST:PATH` (git-clone(1), "GIT URLS").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAddress {
    /// As git's configuration has it.
    pub(super) text: String,
    /// The computer.
    pub host: SshHost,
    /// The path there. It may begin with `~`, and one without `/` is below the home directory.
    pub path: String,
}

/// A computer, and how to log in there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SshHost {
    /// What ssh is asked for: `HOST` or `USER@HOST`. It may be an alias of `~/.ssh/config`.
    pub destination: String,
    /// None if ssh's configuration says it.
    pub port: Option<u16>,
}

impl SshAddress {
    /// Understands an address as git does (asked of git 2.47 with `GIT_SSH`). None if it is no address for ssh, or if ssh or
    /// the other computer could take a part of it for an option.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, path) = match text.split_once("://") {
            Some(("ssh" | "git+ssh" | "ssh+git", rest)) => {
                let rest = decoded(rest)?;
                let (host, path) = rest.split_at_checked(rest.find('/')?)?;
                // `/~ann/x` is below the home directory of ann.
                let path = path
                    .strip_prefix('/')
                    .filter(|path| path.starts_with('~'))
                    .unwrap_or(path);
                (SshHost::parse(host, true)?, path.to_owned())
            }
            Some(_) => return None,
            None => {
                // The colons of an address in brackets separate nothing.
                let start = match text.find('[') {
                    Some(open) if text[..open].is_empty() || text[..open].ends_with('@') => {
                        text[open..].find(']')? + open
                    }
                    Some(_) | None => 0,
                };
                let (host, path) = text.split_at_checked(text[start..].find(':')? + start)?;
                let path = path.strip_prefix(':')?;
                // As after `ssh://host`.
                let below_home = path.strip_prefix('/').filter(|path| path.starts_with('~'));
                (SshHost::parse(host, false)?, below_home.unwrap_or(path).to_owned())
            }
        };
        let is_plain = |text: &str| !text.is_empty() && !text.starts_with('-') && !text.chars().any(char::is_control);
        (is_plain(&path) && is_plain(&host.destination)).then(|| Self {
            text: text.to_owned(),
            host,
            path,
        })
    }
}

impl SshHost {
    /// Parses what stands before the path. With `is_url`, a port may follow; without, only inside of brackets.
    fn parse(text: &str, is_url: bool) -> Option<Self> {
        let (user, host) = match text.rsplit_once('@') {
            Some((user, host)) if !text.starts_with('[') => (Some(user), host),
            Some(_) | None => (None, text),
        };
        let port = |port: &str| match port {
            "" => Some(None),
            port => port.parse().ok().filter(|port| *port != 0).map(Some),
        };
        let (host, port) = match host.strip_prefix('[').map(|host| host.split_once(']')) {
            Some(None) => return None,
            Some(Some((inner, ""))) if inner.matches(':').count() == 1 => {
                let (host, after) = inner.split_once(':')?;
                (host, port(after)?)
            }
            Some(Some((inner, ""))) => (inner, None),
            Some(Some((inner, after))) => (inner, port(after.strip_prefix(':').filter(|_| is_url)?)?),
            None => match host.split_once(':') {
                Some((host, after)) if is_url => (host, port(after)?),
                Some(_) => return None,
                None => (host, None),
            },
        };
        // The user may stand in the brackets as well.
        let (user, host) = match host.rsplit_once('@') {
            Some((inner, host)) if user.is_none() => (Some(inner), host),
            Some(_) | None => (user, host),
        };
        let is_whole = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.contains(char::is_whitespace);
        let user_is_whole = user.is_none_or(is_whole);
        (is_whole(host) && user_is_whole).then(|| Self {
            destination: user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}")),
            port,
        })
    }
}

/// Replaces `%20` and the like, as git does in a URL. None if that gives no text.
fn decoded(text: &str) -> Option<String> {
    String::from_utf8(super::address::decoded(text)).ok()
}

impl fmt::Display for SshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for SshHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{} (port {port})", self.destination),
            None => f.write_str(&self.destination),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    /// Every form that git takes, with what it asks ssh for.
    const GOOD: [(&str, &str, &str); 21] = [
        ("host:a/b", "host", "a/b"),
        ("host:/a b", "host", "/a b"),
        ("me@host:a", "me@host", "a"),
        ("host:~/a", "host", "~/a"),
        ("host:/~ann/a", "host", "~ann/a"),
        ("[::1]:a", "::1", "a"),
        ("me@[::1]:/a", "me@::1", "/a"),
        ("[host:2222]:a", "-p 2222 host", "a"),
        ("[me@host:2222]:a", "-p 2222 me@host", "a"),
        ("me@[host:2222]:a", "-p 2222 me@host", "a"),
        ("host:a:b", "host", "a:b"),
        ("host:it's", "host", "it's"),
        ("ssh://host/a", "host", "/a"),
        ("ssh://host:/a", "host", "/a"),
        ("ssh://me@host:2222/a/b", "-p 2222 me@host", "/a/b"),
        ("ssh://host/~/a", "host", "~/a"),
        ("ssh://host/~ann/a", "host", "~ann/a"),
        ("ssh://[::1]:2222/a", "-p 2222 ::1", "/a"),
        ("git+ssh://host/a", "host", "/a"),
        ("ssh+git://host/a%20b", "host", "/a b"),
        ("ssh://me@[::1]/a", "me@::1", "/a"),
    ];

    fn shown(address: &SshAddress) -> (String, &str) {
        let SshHost { destination, port } = &address.host;
        let port = port.map(|port| format!("-p {port} ")).unwrap_or_default();
        (format!("{port}{destination}"), &address.path)
    }

    #[test]
    fn an_address_means_what_it_means_to_git() {
        let place = tempfile::tempdir().unwrap();
        let program = place.path().join("ssh");
        std::fs::write(&program, "#!/bin/sh\nprintf '%s\\n' \"$@\" >&2\nexit 1\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        for (text, host, path) in GOOD {
            let address = SshAddress::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(shown(&address), (host.to_owned(), path), "{text}");
            let mut git = Command::new("git");
            git.args(["ls-remote", text]).current_dir(place.path());
            git.env("GIT_SSH", &program)
                .env("GIT_SSH_VARIANT", "ssh")
                .env_remove("GIT_SSH_COMMAND");
            git.env("GIT_PROTOCOL_FROM_USER", "1")
                .env("GIT_CONFIG_GLOBAL", "/dev/null");
            let said = git.output().unwrap().stderr;
            let said: Vec<&str> = std::str::from_utf8(&said).unwrap().lines().collect();
            let command = said
                .iter()
                .position(|line| line.starts_with("git-upload-pack "))
                .unwrap();
            // Before the command stand the options of git's own protocol, and these.
            assert!(said[..command].join(" ").ends_with(host), "{text}: {said:?}");
            let quoted = format!("git-upload-pack '{}'", path.replace('\'', "'\\''"));
            assert_eq!(said[command], quoted, "{text}");
        }
    }

    #[test]
    fn no_part_of_an_address_becomes_an_option() {
        for bad in [
            "-oProxyCommand=x:a",
            "me@-x:a",
            "-me@host:a",
            "host:-a",
            "ssh://-x/a",
            "ssh://-x@host/a",
            "ssh://%2dx/a",
            "ssh://me@-host:22/a",
            "host:",
            ":a",
            "ssh:///a",
            "ssh://host",
            "ssh://host:0/a",
            "ssh://host:x/a",
            "ssh://host:99999/a",
            "[::1:a",
            "ho st:a",
            "host:a\nb",
            "ssh://host/a%0ab",
            "ssh://host/a%ff",
            "https://host/a",
            "",
        ] {
            assert_eq!(SshAddress::parse(bad), None, "{bad}");
        }
    }
}
