//! What the user has set for one repository: git's configuration, and what is set for all clones in `config.log`.

mod address;
mod git_monitor;
mod one;
mod ssh_address;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use model::expression::parse_size;
use model::{Cost, RemoteName, Uuid};

pub use address::{Address, as_git_finds};
pub use git_monitor::{GitMonitor, git_monitor, remove_git_monitor, renew_git_monitor, set_git_monitor};
pub use one::{EffectiveSetting, Source, as_flag, entries, entry, entry_of_user, set};
pub use ssh_address::{SshAddress, SshHost};

use crate::{Annex, Backend, Error, Result};

/// What `annex-verified` says of a special remote that somebody has found right.
const VERIFIED: &str = "verified";

/// Bytes that stay free where nobody has set `annex.diskreserve`.
pub const DISK_RESERVE: u64 = 100_000_000;

/// The settings of one repository at one moment. Names and defaults are git-annex's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `annex.backend`: names a backend that hashes (`SHA256E` if unset). A `.gitattributes` attribute overrides it.
    pub backend: String,
    /// `annex.maxextensionlength`, in bytes without the dot.
    pub max_extension_length: usize,
    /// `annex.maxextensions`.
    pub max_extensions: usize,
    /// `annex.largefiles` of git's configuration: an expression; overrides the attribute.
    pub largefiles: Option<String>,
    /// `annex.largefiles` of `config.log`: an expression for files that no attribute and no configuration speaks of.
    pub largefiles_default: Option<String>,
    /// `annex.addunlocked`: an expression or a boolean.
    pub addunlocked: Option<String>,
    /// `annex.dotfiles`: dotfiles are annexed like other files.
    pub dotfiles: bool,
    /// `annex.gitaddtoannex`: false if the clean filter shall never annex.
    pub git_add_to_annex: bool,
    /// `annex.addsmallfiles`: false if files that are not large are left untracked.
    pub add_small_files: bool,
    /// `annex.thin`: unlocked files are hard links to their objects.
    pub thin: bool,
    /// `annex.delayadd`: how long a file must lie still before it is added.
    pub delayadd: Duration,
    /// `annex.diskreserve`, in bytes.
    pub diskreserve: u64,
    /// `annex.verify`: false if contents that come here are not hashed again.
    pub verify: bool,
    /// `annex.autocommit`.
    pub autocommit: bool,
    /// `annex.resolvemerge`.
    pub resolvemerge: bool,
    /// `annex.synconlyannex`: only the git-annex branch and content are synced.
    pub synconlyannex: bool,
    /// `annex.securehashesonly`: keys of other backends are refused.
    pub securehashesonly: bool,
    /// `annex.crippledfilesystem`: no symlinks and no permissions to rely on.
    pub crippled: bool,
}

impl Settings {
    /// Reads all settings. `config_log` holds the current value of each key in `config.log`; git's configuration
    /// overrides it.
    ///
    /// # Errors
    ///
    /// Refused with a message where a value decides what happens to content and cannot be honoured: a backend that
    /// this program cannot compute, a reserve or a delay that cannot be read.
    pub fn read(annex: &Annex, config_log: &BTreeMap<String, String>) -> Result<Self> {
        let config = snapshot(annex)?;
        let text = |name: &str| config.get_string(name).ok().filter(|value| !value.is_empty());
        let shared = |name: &str| config_log.get(name).filter(|value| !value.is_empty());
        let flag = |name: &str| config.get_bool(name).ok();
        let shared_flag = |name: &str| flag(name).or_else(|| git2::Config::parse_bool(shared(name)?.as_str()).ok());
        let refused = |name: &str, value: &str, reason: &str| {
            Error::Refused(format!(
                "{name} is set to {value:?}, which {reason}; nothing was changed. Correct it with 'git config {name} …'"
            ))
        };

        let backend = text("annex.backend").unwrap_or_else(|| "SHA256E".to_owned());
        if Backend::parse(backend.as_bytes()).is_none() {
            return Err(refused(
                "annex.backend",
                &backend,
                "is no backend that Anabranch can compute",
            ));
        }
        let number = |name: &str, default: usize| match text(name) {
            None => Ok(default),
            Some(value) => value
                .trim()
                .parse()
                .map_err(|_| refused(name, &value, "is not a number")),
        };
        let delayadd = match text("annex.delayadd") {
            None => Duration::ZERO,
            Some(value) => value
                .trim()
                .parse()
                .map(Duration::from_secs)
                .map_err(|_| refused("annex.delayadd", &value, "is not a number of seconds"))?,
        };
        let diskreserve = match text("annex.diskreserve") {
            None => DISK_RESERVE,
            Some(value) => parse_size(&value).ok_or_else(|| refused("annex.diskreserve", &value, "is not a size"))?,
        };
        Ok(Self {
            backend,
            max_extension_length: number("annex.maxextensionlength", 4)?,
            max_extensions: number("annex.maxextensions", 2)?,
            largefiles: text("annex.largefiles"),
            largefiles_default: shared("annex.largefiles").cloned(),
            addunlocked: text("annex.addunlocked").or_else(|| shared("annex.addunlocked").cloned()),
            dotfiles: shared_flag("annex.dotfiles").unwrap_or(false),
            git_add_to_annex: flag("annex.gitaddtoannex").unwrap_or(true),
            add_small_files: flag("annex.addsmallfiles").unwrap_or(true),
            thin: flag("annex.thin").unwrap_or(false),
            delayadd,
            diskreserve,
            verify: flag("annex.verify").unwrap_or(true),
            autocommit: shared_flag("annex.autocommit").unwrap_or(true),
            resolvemerge: shared_flag("annex.resolvemerge").unwrap_or(true),
            synconlyannex: shared_flag("annex.synconlyannex").unwrap_or(false),
            securehashesonly: shared_flag("annex.securehashesonly").unwrap_or(false),
            crippled: flag("annex.crippledfilesystem").unwrap_or(false),
        })
    }
}

/// True if a repository would find room for so many bytes more, besides those that its owner keeps free. `config_log` is as for
/// [`Settings::read`].
pub fn has_room(annex: &Annex, bytes: u64, config_log: &BTreeMap<String, String>) -> bool {
    let settings = Settings::read(annex, config_log);
    settings.is_ok_and(|settings| annex.store().check_reserve(bytes, settings.diskreserve).is_ok())
}

/// What git's configuration says about one remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteSettings {
    /// The remote's name.
    pub name: RemoteName,
    /// Where it is: what git fetches from, after git's `insteadOf`, or a special remote.
    pub address: Address,
    /// Where git pushes to: that address, unless `pushurl`, `pushInsteadOf` or a second `url` say otherwise.
    pub pushed_to: Vec<Address>,
    /// `annex-uuid`: what was there when somebody last looked.
    pub uuid: Option<Uuid>,
    /// `annex-cost`, else git-annex's default for the kind of remote.
    pub cost: Cost,
    /// `annex-ignore`: no content is moved. Also true where a command would have to be run to know, and false where git-annex
    /// only guesses.
    pub ignore: bool,
    /// `annex-ignore-auto` beside it: git-annex once did not find itself there, and `annex-ignore` is nobody's wish.
    pub ignore_is_guess: bool,
    /// `annex-sync`: false if the remote is left alone. Also false where a command would have to be run to know.
    pub sync: bool,
    /// `annex-pull`.
    pub pull: bool,
    /// `annex-push`.
    pub push: bool,
    /// `annex-readonly`: nothing is pushed, stored or removed.
    pub readonly: bool,
    /// `annex-shell`: the program that is run on another computer as git-annex-shell.
    pub shell: Option<String>,
    /// `annex-trustlevel`: overrides `trust.log` here.
    pub trust: Option<String>,
    /// `annex-verify`, else `annex.verify`: false if contents that travel between here and there are not hashed again.
    pub verify: bool,
    /// A special remote that git-annex has enabled (`annex-verified` says how) and that nobody has said to be the right one
    /// (`git annex verifyremote`). Until then git-annex sends nothing from here, to whatever remote: it could leak there.
    pub unverified: bool,
    /// `annex-private`: nothing about it is recorded on the git-annex branch, which is not supported.
    pub private: bool,
    /// `annex-config-uuid`: it is a second way to another special remote, whose description is not its own (`--sameas`).
    pub is_sameas: bool,
}

impl RemoteSettings {
    /// True if these settings let contents be sent there.
    #[must_use]
    pub fn takes_contents(&self) -> bool {
        self.push && !self.readonly && !self.ignore && self.is_pushed_to()
    }

    /// True if these settings let contents be got from there.
    #[must_use]
    pub fn gives_contents(&self) -> bool {
        self.pull && !self.ignore
    }

    /// True if contents may be sent there as far as git's configuration goes: it is one of the places that git pushes to.
    #[must_use]
    pub fn is_pushed_to(&self) -> bool {
        self.address.is_special() || self.pushed_to.contains(&self.address)
    }

    /// Returns the directories that git pushes to, if they are others than the one that it fetches from.
    ///
    /// # Errors
    ///
    /// Refused with a message where one of them is not on this machine.
    pub fn pushes_elsewhere(&self) -> Result<Option<Vec<&Path>>> {
        if self.address.is_special() || self.pushed_to == [self.address.clone()] {
            return Ok(None);
        }
        let refused = |address: &Address| {
            Error::Refused(format!(
                "the configuration (pushurl or pushInsteadOf) sends pushes to {address}, which is not on this computer and not supported yet; nothing was pushed. 'git push {}' does it",
                self.name
            ))
        };
        let paths = self
            .pushed_to
            .iter()
            .map(|address| address.path().ok_or_else(|| refused(address)));
        paths.collect::<Result<_>>().map(Some)
    }
}

/// The settings `remote.<name>.annex-<type>` that mark a special remote and hold its local parameter, with its type.
const SPECIAL: [(&str, &str); 20] = [
    ("annex-directory", "directory"),
    ("annex-rsyncurl", "rsync"),
    ("annex-externaltype", "external"),
    ("annex-s3", "S3"),
    ("annex-glacier", "glacier"),
    ("annex-webdav", "webdav"),
    ("annex-rclone", "rclone"),
    ("annex-gcrypt", "gcrypt"),
    ("annex-bup", "bup"),
    ("annex-buprepo", "bup"),
    ("annex-borgrepo", "borg"),
    ("annex-ddarrepo", "ddar"),
    ("annex-tahoe", "tahoe"),
    ("annex-androiddirectory", "adb"),
    ("annex-hooktype", "hook"),
    ("annex-git-lfs", "git-lfs"),
    ("annex-httpalso", "httpalso"),
    ("annex-web", "web"),
    ("annex-compute", "compute"),
    ("annex-mask", "mask"),
];

/// Returns the remotes that git's configuration names, in its order.
///
/// Left out are sections that describe no remote, and names that cannot be part of a ref.
pub fn remotes(annex: &Annex) -> Result<Vec<RemoteSettings>> {
    let config = snapshot(annex)?;
    let mut names = Vec::<String>::new();
    let doing = || Error::git("read the configuration of the remotes");
    config
        .entries(Some("^remote\\..*\\.(url|annex-uuid)$"))
        .map_err(doing())?
        .for_each(|entry| {
            let name = entry
                .name()
                .ok()
                .and_then(|name| name.strip_prefix("remote.")?.rsplit_once('.'));
            if let Some((name, _)) = name
                && !names.iter().any(|known| known == name)
            {
                names.push(name.to_owned());
            }
        })
        .map_err(doing())?;
    let mut addresses = address::addresses(&config)?;
    let verify = config.get_bool("annex.verify").unwrap_or(true);
    let top = annex.work_tree().unwrap_or(annex.git_dir());
    let mut read = |name: String| {
        let text = |key: &str| {
            let value = config.get_string(&format!("remote.{name}.{key}")).ok();
            value.filter(|value| !value.is_empty())
        };
        let flag = |key: &str| config.get_bool(&format!("remote.{name}.{key}")).ok();
        let addresses = addresses.remove(&name).unwrap_or_default();
        let is_set = |key: &str| flag(key).unwrap_or(false);
        let ignore_is_guess = is_set("annex-ignore") && is_set("annex-ignore-auto");
        let mark = SPECIAL.iter().find(|(key, _)| text(key).is_some());
        let address = match (mark, addresses.fetch.first()) {
            (None, Some(url)) => Address::parse(url, top),
            (mark, _) => Address::Special {
                kind: mark.map(|&(_, kind)| kind.to_owned()),
                place: mark.and_then(|(key, _)| text(key)).filter(|value| value != "true"),
            },
        };
        let default = match &address {
            Address::Path(_) => Cost::LOCAL,
            Address::Special { kind: Some(kind), .. } if kind == "directory" => {
                Cost::parse("150").unwrap_or(Cost::NETWORK)
            }
            Address::Ssh(_) | Address::Http(_) | Address::Special { .. } | Address::Unknown(_) => Cost::NETWORK,
        };
        Some(RemoteSettings {
            address,
            pushed_to: addresses.push.iter().map(|url| Address::parse(url, top)).collect(),
            uuid: text("annex-uuid").and_then(|uuid| Uuid::parse(&uuid)),
            cost: text("annex-cost")
                .and_then(|cost| Cost::parse(&cost))
                .unwrap_or(default),
            ignore: is_set("annex-ignore") && !ignore_is_guess || text("annex-ignore-command").is_some(),
            ignore_is_guess,
            sync: flag("annex-sync").unwrap_or(true) && text("annex-sync-command").is_none(),
            pull: flag("annex-pull").unwrap_or(true),
            push: flag("annex-push").unwrap_or(true),
            readonly: flag("annex-readonly").unwrap_or(false),
            shell: text("annex-shell"),
            trust: text("annex-trustlevel"),
            verify: flag("annex-verify").unwrap_or(verify),
            // A version of git-annex that knows nothing of this has written nothing.
            unverified: text("annex-verified").is_some_and(|verified| verified != VERIFIED),
            private: flag("annex-private").unwrap_or(false),
            is_sameas: text("annex-config-uuid").is_some(),
            name: RemoteName::parse(&name)?,
        })
    };
    Ok(names.into_iter().filter_map(&mut read).collect())
}

/// Says that a special remote is the right one, as `git annex verifyremote --safe` does.
pub fn verify(annex: &Annex, name: &RemoteName) -> Result<()> {
    set(annex, &format!("remote.{name}.annex-verified"), Some(VERIFIED))
}

/// Removes a remote from the configuration of this repository, as git-annex advises where a special remote is not the right
/// one. What is in it stays.
pub fn remove(annex: &Annex, name: &RemoteName) -> Result<()> {
    let doing = || Error::git(format!("remove the remote {name} from the configuration"));
    let section = format!("remote.{name}.");
    let mut settings = Vec::new();
    snapshot(annex)?
        .entries(Some("^remote\\."))
        .map_err(doing())?
        .for_each(|entry| {
            let name = entry.name().unwrap_or_default();
            if name.starts_with(&section) && !settings.iter().any(|known| known == name) {
                settings.push(name.to_owned());
            }
        })
        .map_err(doing())?;
    settings.iter().try_for_each(|setting| set(annex, setting, None))
}

/// How many bytes a second may travel one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bandwidth {
    /// With all remotes together: `annex.bwlimit-upload` or `-download`, else `annex.bwlimit`.
    pub all: Option<u64>,
    /// With one remote: its `annex-bwlimit-upload` or `-download`, else its `annex-bwlimit`.
    pub remote: Option<u64>,
}

/// Reads how fast contents may travel to (`upload`) or from a remote.
///
/// # Errors
///
/// Refused with a message where a limit is set that cannot be read: nothing is to travel faster than was meant.
pub fn bandwidth(annex: &Annex, name: &RemoteName, upload: bool) -> Result<Bandwidth> {
    let config = snapshot(annex)?;
    let way = if upload { "upload" } else { "download" };
    let limit = |prefix: &str| {
        let names = [format!("{prefix}bwlimit-{way}"), format!("{prefix}bwlimit")];
        let set = names.into_iter().find_map(|name| {
            let value = config.get_string(&name).ok().filter(|value| !value.is_empty())?;
            Some((name, value))
        });
        set.map(|(name, value)| {
            parse_size(&value).ok_or_else(|| {
                Error::Refused(format!(
                    "{name} is set to {value:?}, which is not a size; nothing was transferred. Correct it with 'git config {name} …'"
                ))
            })
        })
        .transpose()
    };
    Ok(Bandwidth {
        all: limit("annex.")?,
        remote: limit(&format!("remote.{name}.annex-"))?,
    })
}

/// `annex.thin` alone, for a repository of which nothing else needs to be known.
pub fn is_thin(annex: &Annex) -> bool {
    snapshot(annex)
        .and_then(|config| config.get_bool("annex.thin").map_err(Error::git("read annex.thin")))
        .unwrap_or(false)
}

/// Remembers which repository a remote is (`annex-uuid`), when it was first reached. What git-annex guessed of it before is
/// wrong then.
pub fn remember_uuid(annex: &Annex, remote: &RemoteSettings, uuid: &Uuid) -> Result<()> {
    let name = &remote.name;
    let doing = || Error::git(format!("write the uuid of the remote {name} to the configuration"));
    let setting = |key: &str| format!("remote.{name}.{key}");
    if remote.uuid.is_none() {
        one::edit(annex, doing, |config| {
            config.set_str(&setting("annex-uuid"), uuid.as_str())
        })?;
    }
    if remote.ignore_is_guess {
        set(annex, &setting("annex-ignore"), None)?;
        set(annex, &setting("annex-ignore-auto"), None)?;
    }
    Ok(())
}

/// The file systems on which a remote was found and taken for it, by what [`remember_filesystem`] was told.
pub fn filesystems(annex: &Annex, name: &RemoteName) -> Result<Vec<String>> {
    let doing = || Error::git(format!("read where the remote {name} was found before"));
    let config = snapshot(annex)?;
    let mut entries = config.multivar(&filesystem_setting(name), None).map_err(doing())?;
    let mut known = Vec::new();
    while let Some(entry) = entries.next() {
        known.push(String::from_utf8_lossy(entry.map_err(doing())?.value_bytes()).into_owned());
    }
    Ok(known)
}

/// Remembers that a remote was found on this file system: whoever copies its uuid does not have that.
pub fn remember_filesystem(annex: &Annex, name: &RemoteName, filesystem: &str) -> Result<()> {
    let doing = || Error::git(format!("write where the remote {name} is to the configuration"));
    let setting = filesystem_setting(name);
    // No value is like this, so that it is added to those that are there.
    one::edit(annex, doing, |config| config.set_multivar(&setting, "^$", filesystem))
}

fn filesystem_setting(name: &RemoteName) -> String {
    format!("remote.{name}.anabranch-filesystem")
}

fn snapshot(annex: &Annex) -> Result<git2::Config> {
    annex
        .git()?
        .config()
        .and_then(|mut config| config.snapshot())
        .map_err(Error::git("read the configuration"))
}
