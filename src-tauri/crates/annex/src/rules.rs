//! How new files are taken in: what `annex.largefiles`, `annex.addunlocked` and `annex.backend` say of each.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use git2::Repository;
use model::RepoPath;
use model::expression::{self, Expression, Facts, Network, NoDetails, Terms};

use crate::large_files::{Attribute, attribute, is_large};
use crate::settings::Settings;
use crate::{Annex, Error, Result};

/// The rules of one repository for new files, at one moment. May be asked by several threads.
pub struct Rules<'a> {
    annex: &'a Annex,
    settings: &'a Settings,
    unlocked: Unlocked,
    attributes: Mutex<Attributes>,
}

enum Unlocked {
    All(bool),
    Some(Box<Expression>),
}

/// Asking libgit2 for an attribute costs several system calls for each file; most folders have no `annex.` attributes.
struct Attributes {
    git: Repository,
    everywhere: bool,
    directories: HashMap<PathBuf, bool>,
}

impl<'a> Rules<'a> {
    /// Reads the rules.
    ///
    /// # Errors
    ///
    /// Refused with a message if an expression cannot be understood or judged here: then nothing may be added, since it
    /// might be added in the wrong way.
    pub fn of(annex: &'a Annex, settings: &'a Settings) -> Result<Self> {
        for (name, text) in [
            ("annex.largefiles", &settings.largefiles),
            ("annex.largefiles", &settings.largefiles_default),
        ] {
            if let Some(text) = text {
                parse(name, text)?;
            }
        }
        let unlocked = match settings.addunlocked.as_deref() {
            None => Unlocked::All(false),
            Some(text) => parse("annex.addunlocked", text)?,
        };
        let git = annex.git()?;
        let everywhere = mentions_annex(git.path().join("info").join("attributes"))
            || git
                .config()
                .and_then(|config| config.get_path("core.attributesFile"))
                .is_ok_and(mentions_annex);
        let attributes = Mutex::new(Attributes {
            git,
            everywhere,
            directories: HashMap::new(),
        });
        Ok(Self {
            annex,
            settings,
            unlocked,
            attributes,
        })
    }

    /// True if a file of this size is to be annexed, false if it goes to git itself.
    pub fn is_large(&self, path: &RepoPath, size: u64) -> bool {
        let mut attributes = self.attributes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_plain = self.settings.largefiles.is_none() && self.settings.largefiles_default.is_none();
        if is_plain && !attributes.may_apply(self.annex, path) {
            return true;
        }
        // An attribute that cannot be judged leaves the file where nothing is lost: in the annex.
        is_large(self.annex, &attributes.git, self.settings, path, size)
            .ok()
            .flatten()
            .unwrap_or(true)
    }

    /// True if a new file of this size stays unlocked.
    pub fn is_unlocked(&self, path: &RepoPath, size: u64) -> bool {
        match &self.unlocked {
            Unlocked::All(all) => *all,
            Unlocked::Some(expression) => expression.matches(&Facts {
                path: Some(path),
                key: None,
                size: Some(size),
                repository: self.annex.uuid(),
                holders: &BTreeSet::new(),
                assume_dropped: false,
                network: &Network::new(&expression::Settings::default()),
                details: &NoDetails,
            }),
        }
    }

    /// The backend that an attribute asks for.
    pub fn backend(&self, path: &RepoPath) -> Option<String> {
        let mut attributes = self.attributes.lock().unwrap_or_else(PoisonError::into_inner);
        if !attributes.may_apply(self.annex, path) {
            return None;
        }
        match attribute(&attributes.git, path, "annex.backend") {
            Ok(Attribute::Text(backend)) => Some(backend),
            Ok(Attribute::None | Attribute::Bool(_)) | Err(_) => None,
        }
    }
}

fn parse(name: &str, text: &str) -> Result<Unlocked> {
    if let Ok(all) = git2::Config::parse_bool(text) {
        return Ok(Unlocked::All(all));
    }
    let refused = |reason: String| {
        Error::Refused(format!(
            "{name} is set to {text:?}, {reason}; nothing was added and nothing is lost. Correct the setting"
        ))
    };
    let expression = Expression::parse(text, Terms::LargeFiles).map_err(|error| refused(format!("but {error}")))?;
    if expression.needs_mime() {
        return Err(refused(
            "but what kind of content a file has cannot be told here yet".to_owned(),
        ));
    }
    Ok(Unlocked::Some(Box::new(expression)))
}

impl Attributes {
    /// False if no attribute file on the way to `path` speaks of git-annex.
    fn may_apply(&mut self, annex: &Annex, path: &RepoPath) -> bool {
        let Some(top) = annex.work_tree() else { return true };
        self.everywhere
            || path.as_path().ancestors().skip(1).any(|directory| {
                if let Some(known) = self.directories.get(directory) {
                    return *known;
                }
                let mentions = mentions_annex(top.join(directory).join(".gitattributes"));
                self.directories.insert(directory.to_owned(), mentions);
                mentions
            })
    }
}

fn mentions_annex(file: PathBuf) -> bool {
    match std::fs::read(file) {
        Ok(content) => content.windows(6).any(|window| window == b"annex."),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound && error.kind() != std::io::ErrorKind::NotADirectory,
    }
}
