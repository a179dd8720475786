//! The ssh program: the user's own, as git would run it.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use annex::Annex;

/// How the user has ssh run: `ssh`, unless `GIT_SSH_COMMAND`, `core.sshCommand` or `GIT_SSH` say otherwise, in this order as
/// in git(1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SshCommand(String);

impl SshCommand {
    /// Reads it from the environment and the configuration of a repository; without one, of the user.
    pub(crate) fn of(local: Option<&Annex>) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let configured = || {
            let name = "core.sshCommand";
            let entry = local.map_or_else(
                || annex::settings::entry_of_user(name),
                |local| annex::settings::entry(local, name),
            );
            entry.ok().flatten().map(|entry| entry.value)
        };
        let program = || variable("GIT_SSH").map(|program| quoted(&program));
        let command = variable("GIT_SSH_COMMAND").or_else(configured).or_else(program);
        Self(command.unwrap_or_else(|| "ssh".to_owned()))
    }

    /// Runs it with these arguments.
    pub(crate) fn with<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        if self.0 == "ssh" {
            let mut ssh = Command::new("ssh");
            ssh.args(arguments);
            return ssh;
        }
        // It is a line of shell that the user wrote. The arguments are none. What is only a program and its options takes the
        // place of the shell: so it ends with us.
        let exec = if self.is_simple() { "exec " } else { "" };
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{exec}{} \"$@\"", self.0)).arg(&self.0);
        shell.args(arguments);
        shell
    }

    /// True if it is a program with options, and nothing that a shell would have to do after it.
    fn is_simple(&self) -> bool {
        let is_assignment = self.0.split_whitespace().next().is_none_or(|first| first.contains('='));
        !is_assignment
            && !self
                .0
                .contains(['|', '&', ';', '(', ')', '{', '}', '<', '>', '$', '`', '\n', '#', '!'])
    }

    /// A line of shell that runs it with these arguments, for `GIT_SSH_COMMAND`.
    pub(crate) fn line(&self, arguments: &[&str]) -> OsString {
        let arguments = arguments.iter().map(|argument| format!(" {}", quoted(argument)));
        format!("{}{}", self.0, arguments.collect::<String>()).into()
    }
}

/// A text as one word of a POSIX shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_options_takes_the_place_of_the_shell() {
        let simple = SshCommand("env -i sh".to_owned());
        let mut asked = simple.with(["-c", "echo $PPID"]);
        let said = String::from_utf8(asked.output().unwrap().stdout).unwrap();
        // Nothing stands between.
        assert_eq!(said.trim(), std::process::id().to_string());
        for line in ["A=b ssh", "ssh; true", "ssh | cat", "$SSH -v"] {
            assert!(!SshCommand(line.to_owned()).is_simple(), "{line}");
        }
    }

    #[test]
    fn arguments_reach_the_users_command_as_they_are() {
        let arguments = ["a b", "it's", "$HOME", "", "-x"];
        for command in ["printf '[%s]'", "ssh() { printf '[%s]' \"$@\"; }; ssh"] {
            let command = SshCommand(command.to_owned());
            let said = command.with(arguments).output().unwrap().stdout;
            assert_eq!(String::from_utf8(said).unwrap(), "[a b][it's][$HOME][][-x]");
            let line = command.line(&arguments);
            let said = Command::new("sh").arg("-c").arg(line).output().unwrap().stdout;
            assert_eq!(String::from_utf8(said).unwrap(), "[a b][it's][$HOME][][-x]");
        }
    }
}
