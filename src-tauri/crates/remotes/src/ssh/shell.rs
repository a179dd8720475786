//! git-annex-shell on the other computer: what it says of a repository, and a connection with it for content.

use annex::exchange::in_one_line;
use annex::settings::SshAddress;
use model::Uuid;

use super::NEVER;
use super::command::quoted;
use super::connection::Connection;
use super::run::run;
use super::sessions::Use;
use crate::Failed;

/// Where git-annex-shell may be besides PATH, which a login by ssh often has without what the user's own shell adds.
pub(super) const ELSEWHERE: &str = "PATH=\"$PATH:$HOME/.local/bin:$HOME/bin:/usr/local/bin:/opt/homebrew/bin\" ";

/// What is at the address of a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum There {
    /// A repository of git-annex.
    Annex {
        uuid: Uuid,
        /// How git-annex-shell is run there.
        shell: Shell,
        has: Extensions,
    },
    /// A repository that git-annex has not initialized.
    Plain,
    /// No git-annex-shell answers, so there may be a repository of git or of git-annex, or none.
    NoShell,
}

/// What Anabranch there understands besides git-annex's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// Contents can be offered to it.
    pub(crate) offers: bool,
    /// It merges what is pushed, and tells what became of that.
    pub(crate) merges: bool,
}

/// The beginning of a line of shell that runs git-annex-shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shell(String);

impl Shell {
    /// The line that runs a command on a repository, with the command's other parameters.
    pub(crate) fn line(&self, command: &str, path: &str, parameters: &[&str]) -> String {
        let words = std::iter::once(&command).chain([&path]).chain(parameters);
        let words: String = words.map(|word| format!(" {}", quoted(word))).collect();
        format!("{}{words}", self.0)
    }
}

/// Asks which repository is at an address. `program` is run as git-annex-shell there, if the user named one. With `init`,
/// git-annex may initialize it.
///
/// # Errors
///
/// If the connection has ended.
pub(crate) fn identify(
    connection: &Connection,
    address: &SshAddress,
    program: Option<&str>,
    init: bool,
) -> Result<There, Failed> {
    let named = program.map(|program| Shell(quoted(program)));
    let shells = match named {
        Some(named) => vec![named],
        None => vec![
            Shell("git-annex-shell".to_owned()),
            Shell(format!("{ELSEWHERE}git-annex-shell")),
        ],
    };
    let mut answers = false;
    for shell in shells {
        let parameters: &[&str] = if init { &["--", "autoinit=1", "--"] } else { &[] };
        let line = shell.line("configlist", &address.path, parameters);
        let ask = || {
            let _session = connection.permit(Use::Brief, &NEVER);
            run(connection.session(&line))
        };
        let said = connection.with_few_sessions(ask, |said| said.as_ref().ok().map(|said| said.err.as_str()))?;
        let uuid = said.out.lines().find_map(|line| line.strip_prefix("annex.uuid="));
        match (said.code, uuid) {
            (Some(0), Some("")) => return Ok(There::Plain),
            (Some(0), Some(uuid)) => {
                let broken = || {
                    Failed::Broken(format!(
                        "git-annex-shell there names a repository that has no uuid: {}",
                        in_one_line(uuid)
                    ))
                };
                let uuid = Uuid::parse(uuid).ok_or_else(broken)?;
                let says = |extension| said.out.lines().any(|line| line == extension);
                let has = Extensions {
                    offers: says(p2p::OFFERS),
                    merges: says(p2p::MERGES),
                };
                return Ok(There::Annex { uuid, shell, has });
            }
            // ssh's own failure.
            (Some(255), _) if !connection.is_alive() => return Err(Failed::Away),
            (Some(255), _) if said.err.contains("Session open refused") => {
                return Err(Failed::Busy(format!(
                    "{} lets no more sessions use a login (MaxSessions of its sshd)",
                    address.host
                )));
            }
            (None, _) => {
                return Err(Failed::Broken(format!(
                    "git-annex-shell on {} did not answer",
                    address.host
                )));
            }
            (Some(126 | 127), _) => {}
            (_, _) => {
                let why = in_one_line(&said.err);
                // git says better what is wrong with the repository.
                if why.contains("not found") || why.contains("unrecognized command") || why.contains("not a git") {
                    return Ok(There::NoShell);
                }
                answers = true;
            }
        }
    }
    match init && answers {
        // It may not initialize anything there (`GIT_ANNEX_SHELL_READONLY`).
        true => identify(connection, address, program, false),
        false => Ok(There::NoShell),
    }
}
