//! Where git fetches a remote from and where it pushes to, and which directories an address on this machine means to git.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use model::Medium;
use nix::unistd::{Uid, User};

use super::SshAddress;
use crate::{Error, Result};

/// The addresses of one remote, rewritten as git rewrites them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Addresses {
    /// git fetches from the first.
    pub(super) fetch: Vec<String>,
    /// git pushes to all of them.
    pub(super) push: Vec<String>,
}

/// `url.<base>.insteadOf` and `url.<base>.pushInsteadOf`: what an address begins with, and what git puts there.
#[derive(Debug, Default)]
struct Rewrites {
    all: Vec<(String, String)>,
    push: Vec<(String, String)>,
}

/// Where a remote is, by what the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A path of this machine. git may find the repository at a longer one: see [`as_git_finds`].
    Path(PathBuf),
    /// Another computer, reached by ssh.
    Ssh(SshAddress),
    /// `http://` or `https://`.
    Http(String),
    /// A special remote.
    Special {
        /// Its type, such as `directory`; none if only the git-annex branch knows it.
        kind: Option<String>,
        /// Where it is, by the setting that holds that, such as a directory or an url.
        place: Option<String>,
    },
    /// Anything else, such as `git://`, an address for a helper of git, or one that makes no sense.
    Unknown(String),
}

impl Address {
    /// Understands an address as git does. `top` is what relative paths are relative to: the top of the work tree, or a
    /// bare repository itself.
    pub(super) fn parse(url: &str, top: &Path) -> Self {
        if let Some(path) = local_path(url, top) {
            return Self::Path(path);
        }
        let text = url.to_owned();
        // gitremote-helpers(7)
        let is_for_helper = url
            .split_once("::")
            .is_some_and(|(helper, _)| !helper.is_empty() && helper.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        match url.split_once("://") {
            _ if is_for_helper || url.is_empty() => Self::Unknown(text),
            Some(("http" | "https", _)) => Self::Http(text),
            Some(_) | None => SshAddress::parse(url).map_or(Self::Unknown(text), Self::Ssh),
        }
    }

    /// Understands what somebody typed.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self::parse(text, Path::new("."))
    }

    /// The path, if it is one of this machine.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Ssh(_) | Self::Http(_) | Self::Special { .. } | Self::Unknown(_) => None,
        }
    }

    /// What git's configuration has; none for a path or a special remote.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Ssh(address) => Some(&address.text),
            Self::Http(text) | Self::Unknown(text) => Some(text),
            Self::Path(_) | Self::Special { .. } => None,
        }
    }

    /// The other computer that it is on, for people; none if it is on this one or nobody can tell. It names no password.
    #[must_use]
    pub fn computer(&self) -> Option<String> {
        match self {
            Self::Ssh(address) => Some(address.host.to_string()),
            Self::Http(text) | Self::Unknown(text) => {
                let (_, rest) = without_user(text)?;
                let host = rest.split(['/', '?', '#']).next()?;
                (!host.is_empty()).then(|| host.to_owned())
            }
            Self::Path(_) | Self::Special { .. } => None,
        }
    }

    /// What lies between this computer and the remote. The mount that a path leads to may yet be on another computer.
    #[must_use]
    pub fn medium(&self) -> Medium {
        match self {
            Self::Path(_) | Self::Special { .. } => Medium::Disk,
            Self::Ssh(_) | Self::Http(_) | Self::Unknown(_) => Medium::Network,
        }
    }

    /// True for a special remote.
    #[must_use]
    pub fn is_special(&self) -> bool {
        matches!(self, Self::Special { .. })
    }
}

/// For people: a user's name and password in it are left out.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Ssh(address) => address.fmt(f),
            Self::Http(text) | Self::Unknown(text) => match without_user(text) {
                Some((scheme, rest)) => write!(f, "{scheme}://{rest}"),
                None => f.write_str(text),
            },
            Self::Special { kind, .. } => {
                write!(f, "a special remote of type {}", kind.as_deref().unwrap_or("unknown"))
            }
        }
    }
}

/// The parts of an url before and after `://`, without the user's name and password.
fn without_user(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let start = rest[..end].rfind('@').map_or(0, |at| at + 1);
    Some((scheme, &rest[start..]))
}

/// Reads the addresses of all remotes that have any, by name.
pub(super) fn addresses(config: &git2::Config) -> Result<BTreeMap<String, Addresses>> {
    let mut rewrites = Rewrites::default();
    each(config, "^url\\..*\\.(push)?insteadof$", "url.", |base, key, value| {
        let list = match key {
            "pushinsteadof" => &mut rewrites.push,
            _ => &mut rewrites.all,
        };
        list.push((value, base));
    })?;
    let mut written = BTreeMap::<String, Addresses>::new();
    each(config, "^remote\\..*\\.(push)?url$", "remote.", |name, key, value| {
        let addresses = written.entry(name).or_default();
        let list = match key {
            "pushurl" => &mut addresses.push,
            _ => &mut addresses.fetch,
        };
        match value.is_empty() {
            // As git does: what another file of the configuration said does not hold.
            true => list.clear(),
            false => list.push(value),
        }
    })?;
    let rewritten = written
        .into_iter()
        .map(|(name, written)| (name, rewrites.apply(written)));
    Ok(rewritten.collect())
}

/// Calls `with` for every setting `<section><subsection>.<key>` whose name matches.
fn each(config: &git2::Config, pattern: &str, section: &str, mut with: impl FnMut(String, &str, String)) -> Result<()> {
    let doing = || Error::git("read the configuration of the remotes");
    let entries = config.entries(Some(pattern)).map_err(doing())?;
    let entry = |entry: &git2::ConfigEntry<'_>| {
        if let (Ok(name), Ok(value)) = (entry.name(), entry.value())
            && let Some((subsection, key)) = name.strip_prefix(section).and_then(|name| name.rsplit_once('.'))
        {
            with(subsection.to_owned(), key, value.to_owned());
        }
    };
    entries.for_each(entry).map_err(doing())
}

impl Rewrites {
    fn apply(&self, written: Addresses) -> Addresses {
        let rewrite = |rewrites, urls: &[String]| -> Vec<String> {
            let rewritten = urls
                .iter()
                .map(|url| rewritten(rewrites, url).unwrap_or_else(|| url.clone()));
            rewritten.collect()
        };
        let fetch = rewrite(&self.all, &written.fetch);
        // `pushInsteadOf` is for addresses that stand for both; where it applies to one, git pushes to no other.
        let pushed: Vec<String> = written
            .fetch
            .iter()
            .filter_map(|url| rewritten(&self.push, url))
            .collect();
        let push = match (written.push.is_empty(), pushed.is_empty()) {
            (false, _) => rewrite(&self.all, &written.push),
            (true, false) => pushed,
            (true, true) => fetch.clone(),
        };
        Addresses { fetch, push }
    }
}

/// The address with its longest known beginning replaced; none if none is known.
fn rewritten(rewrites: &[(String, String)], url: &str) -> Option<String> {
    let mut longest: Option<&(String, String)> = None;
    for rewrite in rewrites.iter().filter(|(start, _)| url.starts_with(start.as_str())) {
        if longest.is_none_or(|(start, _)| start.len() < rewrite.0.len()) {
            longest = Some(rewrite);
        }
    }
    let (start, base) = longest?;
    Some(format!("{base}{}", &url[start.len()..]))
}

/// The path that an address on this machine names; none if it is an address of another kind. `top` is what relative
/// paths are relative to.
fn local_path(url: &str, top: &Path) -> Option<PathBuf> {
    if let Some(rest) = url.strip_prefix("file://") {
        // git passes over the host.
        let path = &rest[rest.find('/')?..];
        return Some(PathBuf::from(OsString::from_vec(decoded(path))));
    }
    // As git tells an ssh address from a path: by a colon before the first slash.
    let is_address = url.split('/').next().is_some_and(|start| start.contains(':'));
    if is_address || url.is_empty() {
        return None;
    }
    Some(home(url).unwrap_or_else(|| top.join(url)))
}

/// Replaces `%20` and the like. What is no such code stays.
pub(super) fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let code = code.and_then(|digits| hex::decode(digits).ok());
        match code.as_deref() {
            Some([byte]) if *byte != 0 => {
                decoded.push(*byte);
                at += 3;
            }
            Some(_) | None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}

/// The path that begins with `~` or `~user`; none if it does not, or nobody is called so.
fn home(path: &str) -> Option<PathBuf> {
    let (user, below) = path.split_once('/').unwrap_or((path, ""));
    let home = match user.strip_prefix('~')? {
        "" => std::env::var_os("HOME").map(PathBuf::from).or_else(|| {
            let user = User::from_uid(Uid::effective()).ok().flatten()?;
            Some(user.dir)
        })?,
        user => User::from_name(user).ok().flatten()?.dir,
    };
    Some(home.join(below))
}

/// The directory that git opens for a path: git tries `path/.git`, `path`, `path.git/.git` and `path.git`. The path itself
/// if no repository is at any of them.
pub fn as_git_finds(path: &Path) -> PathBuf {
    let mut longer = path.as_os_str().to_owned();
    longer.push(".git");
    let longer = PathBuf::from(longer);
    let is_repository = |place: &&Path| {
        let inner = place.join(".git");
        inner.is_file() || is_git_directory(&inner) || is_git_directory(place)
    };
    let place = [path, longer.as_path()].into_iter().find(is_repository);
    place.unwrap_or(path).to_owned()
}

fn is_git_directory(path: &Path) -> bool {
    path.join("HEAD").symlink_metadata().is_ok() && path.join("objects").is_dir() && path.join("refs").is_dir()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Address, Addresses, addresses, as_git_finds, local_path};
    use crate::fixture::{Fixture, git_at};

    #[test]
    fn an_address_of_this_machine_is_the_path_that_git_goes_to() {
        let top = Path::new("/t");
        let path = |url: &str| local_path(url, top);
        let is = |text: &str| Some(PathBuf::from(text));
        assert_eq!(path("/a/b"), is("/a/b"));
        assert_eq!(path("../b"), is("/t/../b"));
        assert_eq!(path("file:///a%20b/c%2fd%"), is("/a b/c/d%"));
        assert_eq!(path("file://localhost/a"), is("/a"));
        assert_eq!(path("file://elsewhere/a"), is("/a"));
        assert_eq!(path("file://nowhere"), None);
        assert_eq!(path("/100%25"), is("/100%25"));
        assert_eq!(path("./a:b"), is("/t/./a:b"));
        assert_eq!(path("host:a"), None);
        assert_eq!(path("ssh://host/a"), None);
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        assert_eq!(path("~/a"), Some(home.join("a")));
        let root = nix::unistd::User::from_name("root").unwrap().unwrap().dir;
        assert_eq!(path("~root/a"), Some(root.join("a")));
        assert_eq!(path("~nobody is called so/a"), is("/t/~nobody is called so/a"));
    }

    #[test]
    fn each_kind_of_address_is_told_from_the_others() {
        let parse = |url: &str| Address::parse(url, Path::new("/t"));
        for url in ["host:a", "me@host:a/b", "ssh://host/a", "git+ssh://host/a", "[::1]:a"] {
            assert!(matches!(parse(url), Address::Ssh(_)), "{url}");
        }
        assert_eq!(parse("https://host/a"), Address::Http("https://host/a".to_owned()));
        for url in [
            "git://host/a",
            "gcrypt::rsync://host/a",
            "file://nowhere",
            "ssh://-x/a",
            "",
        ] {
            assert_eq!(parse(url), Address::Unknown(url.to_owned()));
        }
        assert_eq!(parse("file:///a"), parse("/a"));
        let computer = |url: &str| parse(url).computer().unwrap_or_default();
        assert_eq!(computer("https://ann:secret@host:8080/a"), "host:8080");
        assert_eq!(parse("https://ann:s@cret@host/a@b").to_string(), "https://host/a@b");
        assert_eq!(computer("git://host"), "host");
        assert_eq!(computer("me@host:a"), "me@host");
        assert_eq!(computer("/a"), "");
        assert_eq!(parse("../a").path(), Some(Path::new("/t/../a")));
    }

    #[test]
    fn each_address_leads_to_the_repository_that_git_reaches() {
        let here = Fixture::new();
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for (name, bare) in [
            ("bare.git", true),
            ("with space.git", true),
            ("clone", false),
            ("work.git", false),
        ] {
            let mut how = git2::RepositoryInitOptions::new();
            how.bare(bare).initial_head("main").external_template(false);
            git2::Repository::init_opts(at(name), &how).unwrap();
        }
        std::fs::create_dir(at("bare")).unwrap();
        let shown = place.path().display().to_string();
        for (url, found) in [
            (format!("{shown}/bare"), "bare.git"),
            (format!("{shown}/bare.git/"), "bare.git"),
            (format!("file://{shown}/bare"), "bare.git"),
            (format!("file://localhost{shown}/with%20space"), "with space.git"),
            (format!("{shown}/work"), "work.git"),
            (format!("{shown}/clone/.git"), "clone/.git"),
        ] {
            git_at(&here.path(), &["ls-remote", &url]);
            let path = as_git_finds(&local_path(&url, &here.path()).unwrap());
            assert_eq!(path.canonicalize().unwrap(), at(found).canonicalize().unwrap(), "{url}");
        }
        assert_eq!(as_git_finds(&at("nothing")), at("nothing"));
    }

    #[test]
    fn pushes_go_where_git_sends_them() {
        let here = Fixture::new();
        for (name, value) in [
            ("url./long/.insteadOf", "near:"),
            ("url./longer/.insteadOf", "near:far/"),
            ("url./write/.pushInsteadOf", "near:"),
            ("remote.plain.url", "/plain"),
            ("remote.short.url", "near:a"),
            ("remote.far.url", "near:far/b"),
            ("remote.two.url", "/one"),
            ("remote.named.url", "near:c"),
            ("remote.named.pushurl", "near:d"),
        ] {
            here.git(&["config", name, value]);
        }
        here.git(&["config", "--add", "remote.two.url", "/two"]);
        let found = addresses(&here.repo().config().unwrap()).unwrap();
        let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
        for name in ["plain", "short", "far", "two", "named"] {
            let expected = Addresses {
                fetch: lines(here.git(&["remote", "get-url", "--all", name])),
                push: lines(here.git(&["remote", "get-url", "--push", "--all", name])),
            };
            assert_eq!(found[name], expected, "{name}");
        }
    }
}
