//! Looking at a path of another computer, and making a repository there.

use std::sync::Arc;

use annex::Annex;
use annex::exchange::in_one_line;
use annex::settings::SshAddress;
use model::{RemoteName, Uuid};

use super::command::{SshCommand, quoted};
use super::connection::Connection;
use super::run::{Said, run};
use super::sessions::Use;
use super::shell::{ELSEWHERE, There, identify};
use super::{Hosts, NEVER};
use crate::Failed;
use crate::by_git::ByGit;

/// What is at a path of another computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// True if git is installed there.
    pub has_git: bool,
    /// True if git-annex-shell is installed there: that of git-annex or of Anabranch.
    pub has_shell: bool,
    /// What is at the path.
    pub what: AtPath,
    /// Bytes that are free on its disk; none if the computer does not say.
    pub free: Option<u64>,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtPath {
    /// Nothing, or an empty directory; a repository can be made there.
    Free,
    /// Nothing, or an empty directory, where the user may not write.
    Closed,
    /// A file, or a directory with files in it.
    Taken,
    /// A repository.
    Repository,
}

/// Sets `p` to the path that is given. Only the name of a user comes to `eval`.
const PREPARE: &str = "p=$1; u=${p%%/*}; case $u in \"~\"*[!A-Za-z0-9._-]*) exit 3;; esac; \
    case $u in \"~\"*) eval \"h=$u\"; [ \"$h\" != \"$u\" ] || exit 3; p=$h${p#\"$u\"};; esac; ";

/// Says what is at `p`, in lines of a word and its value.
const LOOK: &str = "echo survey; \
    command -v git >/dev/null 2>&1 && echo git; \
    command -v git-annex-shell >/dev/null 2>&1 && echo shell; \
    r=; for d in \"$p/.git\" \"$p\"; do \
    if [ -z \"$r\" ] && git --git-dir=\"$d\" rev-parse --git-dir >/dev/null 2>&1; then r=1; echo repository; fi; done; \
    a=$p; if [ -d \"$p\" ]; then [ -n \"$(ls -A \"$p\")\" ] && echo taken; \
    elif [ -e \"$p\" ] || [ -L \"$p\" ]; then echo taken; a=/; \
    else until [ -d \"$a\" ]; do a=$(dirname \"$a\"); done; fi; \
    [ -w \"$a\" ] && [ -x \"$a\" ] && echo writable; \
    echo \"disk $(df -Pk \"$a\" 2>/dev/null | tail -n 1)\"; \
    echo end";

/// Makes a repository at `p` whose first branch is `$2`, with the option `$3`.
const MAKE: &str = "git init -q $3 \"$p\" && d=$p && { [ -n \"$3\" ] || d=$p/.git; } && \
    git --git-dir=\"$d\" symbolic-ref HEAD \"refs/heads/$2\" && \
    { [ -n \"$3\" ] || git --git-dir=\"$d\" config annex.addunlocked true; }";

/// A connection to another computer, for as long as this exists.
pub struct Way(Arc<Connection>);

impl Way {
    /// Connects to the computer of an address, for the repository `local` if there is one yet.
    ///
    /// # Errors
    ///
    /// Tells why it is not connected.
    pub fn to(address: &SshAddress, local: Option<&Annex>, hosts: &Hosts) -> Result<Self, Failed> {
        hosts.connect(&address.host, &SshCommand::of(local)).map(Self)
    }

    /// Looks at a path there. None if the computer runs no other commands than git's and git-annex's.
    ///
    /// # Errors
    ///
    /// If the connection has ended, or what was said makes no sense.
    pub fn survey(&self, path: &str) -> Result<Option<Survey>, Failed> {
        let said = script(&self.0, LOOK, &[path])?;
        match said.out.lines().any(|line| line == "survey") {
            true => Survey::parse(&said.out).map(Some),
            false => Ok(None),
        }
    }

    /// Makes a repository at a path that is free. `bare` is one without a work tree.
    ///
    /// # Errors
    ///
    /// If the connection has ended, or git there could not make it, with what it said.
    pub fn make(&self, path: &str, branch: &str, bare: bool) -> Result<(), Failed> {
        let said = script(&self.0, MAKE, &[path, branch, if bare { "--bare" } else { "" }])?;
        match said.code {
            Some(0) => Ok(()),
            _ => Err(Failed::Broken(format!(
                "git could not make a repository there: {}",
                in_one_line(&said.err)
            ))),
        }
    }
}

impl Way {
    /// Makes a repository and the one at an address there known to each other: see [`annex::exchange::introduce`].
    ///
    /// # Errors
    ///
    /// In words for people.
    pub fn introduce(&self, local: &Annex, name: &RemoteName, address: &SshAddress) -> Result<(), Failed> {
        ByGit::over(&self.0).introduce(local, name, &address.to_string())
    }

    /// The uuid of the repository at an address. None if there is no git-annex-shell, or no repository of git-annex. With
    /// `init`, one that has a git-annex branch is initialized there.
    ///
    /// # Errors
    ///
    /// If the connection has ended.
    pub fn identify(&self, address: &SshAddress, init: bool) -> Result<Option<Uuid>, Failed> {
        match identify(&self.0, address, None, init)? {
            There::Annex { uuid, .. } => Ok(Some(uuid)),
            There::Plain | There::NoShell => Ok(None),
        }
    }
}

/// Runs a script of a POSIX shell. The user's own shell there may be another one: to it, all is one command of plain words.
fn script(connection: &Connection, script: &str, parameters: &[&str]) -> Result<Said, Failed> {
    let script = format!("{}; export PATH; {PREPARE}{script}", ELSEWHERE.trim_end());
    let words = [script.as_str(), "sh"].into_iter().chain(parameters.iter().copied());
    let words: String = words.map(|word| format!(" {}", quoted(word))).collect();
    let ask = || {
        let _session = connection.permit(Use::Brief, &NEVER);
        run(connection.session(&format!("sh -c{words}")))
    };
    let said = connection.with_few_sessions(ask, |said| said.as_ref().ok().map(|said| said.err.as_str()))?;
    match said.code {
        Some(255) if !connection.is_alive() => Err(Failed::Away),
        Some(_) | None => Ok(said),
    }
}

impl Survey {
    fn parse(said: &str) -> Result<Self, Failed> {
        let lines = || said.lines().skip_while(|line| *line != "survey");
        let says = |word: &str| lines().any(|line| line == word);
        let value = |word: &'static str| lines().filter_map(move |line| line.strip_prefix(word));
        if !says("end") {
            return Err(Failed::Broken("the computer did not say all that is there".to_owned()));
        }
        let what = match (says("repository"), says("taken"), says("writable")) {
            (true, ..) => AtPath::Repository,
            (false, true, _) => AtPath::Taken,
            (false, false, true) => AtPath::Free,
            (false, false, false) => AtPath::Closed,
        };
        Ok(Self {
            has_git: says("git"),
            has_shell: says("shell"),
            what,
            free: value("disk ").find_map(free),
        })
    }
}

/// The bytes that are free, by a line of `df -Pk`: before the share that is used stand the kibibytes that are free.
fn free(line: &str) -> Option<u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let share = words.iter().position(|word| {
        let number = word.strip_suffix('%');
        number.is_some_and(|number| number.parse::<u64>().is_ok())
    })?;
    let kibibytes: u64 = words.get(share.checked_sub(1)?)?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// Runs a script as another computer would, below `home`.
    fn run_below(home: &Path, script: &str, parameters: &[&str]) -> String {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!("{PREPARE}{script}"))
            .arg("sh")
            .args(parameters);
        shell
            .current_dir(home)
            .env("HOME", home)
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        String::from_utf8(shell.output().unwrap().stdout).unwrap()
    }

    fn look(home: &Path, path: &str) -> Survey {
        Survey::parse(&run_below(home, LOOK, &[path])).unwrap()
    }

    #[test]
    fn what_is_at_a_path_is_seen() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        std::fs::create_dir_all(home.join("empty")).unwrap();
        std::fs::create_dir_all(home.join("full/a b")).unwrap();
        std::os::unix::fs::symlink("nowhere", home.join("link")).unwrap();
        for (path, what) in [
            ("~/new/it's $HOME", AtPath::Free),
            ("empty", AtPath::Free),
            ("full", AtPath::Taken),
            ("~/full", AtPath::Taken),
            ("full/a b", AtPath::Free),
            ("link", AtPath::Taken),
        ] {
            let found = look(home, path);
            assert_eq!((found.has_git, &found.what), (true, &what), "{path}");
            assert!(found.free.is_some(), "{path}");
        }
        assert!(!home.join("new").exists(), "looking makes nothing");
    }

    #[test]
    fn a_repository_is_made_and_seen() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        for (path, option, git_dir) in [
            ("~/a b/photos", "", "a b/photos/.git"),
            ("bare.git", "--bare", "bare.git"),
        ] {
            run_below(home, MAKE, &[path, "trunk", option]);
            let head = std::fs::read_to_string(home.join(git_dir).join("HEAD")).unwrap();
            assert_eq!(head, "ref: refs/heads/trunk\n");
            assert_eq!(look(home, path).what, AtPath::Repository, "{path}");
        }
    }

    /// A name of a user is looked up; anything else is no command.
    #[test]
    fn a_path_runs_nothing() {
        let home = tempfile::tempdir().unwrap();
        for path in [
            "~$(touch made)/a",
            "~;touch made;/a",
            "$(touch made)",
            "`touch made`",
            "~root/a\"; touch made; \"",
        ] {
            run_below(home.path(), LOOK, &[path]);
            assert!(!home.path().join("made").exists(), "{path}");
        }
        assert!(matches!(
            look(home.path(), "~root/new-place/below").what,
            AtPath::Free | AtPath::Closed
        ));
    }

    #[test]
    fn what_is_not_said_whole_is_not_believed() {
        let closed = Survey {
            has_git: true,
            has_shell: false,
            what: AtPath::Closed,
            free: None,
        };
        assert_eq!(Survey::parse("Welcome!\nsurvey\ngit\ndisk \nend\n"), Ok(closed));
        assert!(Survey::parse("survey\ngit\nwritable\n").is_err());
        assert!(Survey::parse("").is_err());
    }

    #[test]
    fn the_room_is_read_from_df() {
        assert_eq!(
            free("/dev/sda 1 100 Disk 41152736 8211 3050 73% /mnt/50% full"),
            Some(3050 * 1024)
        );
        assert_eq!(free("tmpfs - - - - /x"), None);
        assert_eq!(free(""), None);
    }
}
