use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;
use model::{Trust, Uuid};

use super::{Branch, Reader};
use crate::Result;
use crate::logs::{MapLog, SingleLog, UuidLog, setting_text};

/// What a value of `trust.log` says.
fn trust(value: &str) -> Trust {
    match value {
        "1" => Trust::Trusted,
        "0" => Trust::Untrusted,
        "X" => Trust::Dead,
        _ => Trust::Semitrusted,
    }
}

/// A special remote as `remote.log` describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialRemote {
    /// Its name (`name`, or `sameas-name` for another way to the same contents).
    pub name: String,
    /// Its type, such as `directory` or `rsync`.
    pub kind: String,
    /// All settings, unescaped, `name` and `type` among them.
    pub settings: BTreeMap<String, String>,
}

/// What the logs of the whole repository say: what all clones agree on. Lines whose uuid cannot be used are left out,
/// and so are empty values, which mean "not set".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// `uuid.log`: every repository ever seen, with its description.
    pub descriptions: BTreeMap<Uuid, String>,
    /// `trust.log`; semitrusted if not listed.
    pub trust: BTreeMap<Uuid, Trust>,
    /// `group.log`.
    pub groups: BTreeMap<Uuid, BTreeSet<String>>,
    /// `preferred-content.log`: expressions, not parsed.
    pub preferred: BTreeMap<Uuid, String>,
    /// `required-content.log`.
    pub required: BTreeMap<Uuid, String>,
    /// `group-preferred-content.log`.
    pub group_preferred: BTreeMap<String, String>,
    /// `numcopies.log`.
    pub numcopies: Option<u32>,
    /// `mincopies.log`.
    pub mincopies: Option<u32>,
    /// `config.log`: git-annex's settings for all clones.
    pub config: BTreeMap<String, String>,
    /// `remote.log`.
    pub special_remotes: BTreeMap<Uuid, SpecialRemote>,
    /// `activity.log`: when `git annex fsck` last ran over a repository, in seconds since the epoch. It may have looked at
    /// a part of it only, and may have found something: nothing more is recorded.
    pub checked: BTreeMap<Uuid, u64>,
}

impl Branch<'_> {
    /// Reads the logs of the whole repository, what waits in the journal included.
    pub fn facts(&self) -> Result<Facts> {
        let repo = self.annex.git()?;
        let contents = Reader::new(self.annex, &repo).read_top(&[
            "uuid.log",
            "trust.log",
            "group.log",
            "preferred-content.log",
            "required-content.log",
            "group-preferred-content.log",
            "numcopies.log",
            "mincopies.log",
            "config.log",
            "remote.log",
            "activity.log",
        ])?;
        let read = |log: &str| contents.get(log).map_or(&[][..], Vec::as_slice);
        Ok(Facts {
            descriptions: by_uuid(read("uuid.log"), str::to_owned),
            trust: by_uuid(read("trust.log"), trust),
            groups: by_uuid(read("group.log"), words),
            preferred: by_uuid(read("preferred-content.log"), str::to_owned),
            required: by_uuid(read("required-content.log"), str::to_owned),
            group_preferred: by_field(read("group-preferred-content.log")),
            numcopies: SingleLog::parse(read("numcopies.log")).value(),
            mincopies: SingleLog::parse(read("mincopies.log")).value(),
            config: by_field(read("config.log")),
            special_remotes: by_uuid(read("remote.log"), special_remote),
            checked: checked(read("activity.log")),
        })
    }
}

fn by_uuid<T>(content: &[u8], parse: impl Fn(&str) -> T) -> BTreeMap<Uuid, T> {
    let log = UuidLog::parse(content);
    log.values()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(uuid, value)| Some((Uuid::from_bytes(uuid)?, parse(&value.to_str_lossy()))))
        .collect()
}

/// The activity of the one kind that there is, with its time.
fn checked(content: &[u8]) -> BTreeMap<Uuid, u64> {
    let log = UuidLog::parse(content);
    log.times()
        .filter(|(_, activity, _)| *activity == b"Fsck")
        .filter_map(|(uuid, _, time)| Some((Uuid::from_bytes(uuid)?, time.date()?)))
        .collect()
}

fn by_field(content: &[u8]) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| bytes.to_str_lossy().into_owned();
    let log = MapLog::parse(content);
    log.values()
        .filter(|(_, value)| !value.is_empty())
        .map(|(field, value)| (text(field), text(value)))
        .collect()
}

fn words(value: &str) -> BTreeSet<String> {
    value.split_ascii_whitespace().map(str::to_owned).collect()
}

fn special_remote(value: &str) -> SpecialRemote {
    let settings: BTreeMap<String, String> = value
        .split(' ')
        .filter_map(|setting| setting.split_once('='))
        .map(|(name, text)| (name.to_owned(), setting_text(text)))
        .collect();
    let get = |name: &str| settings.get(name).cloned();
    SpecialRemote {
        name: get("name").or_else(|| get("sameas-name")).unwrap_or_default(),
        kind: get("type").unwrap_or_default(),
        settings,
    }
}
