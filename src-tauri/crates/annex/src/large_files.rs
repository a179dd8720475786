//! Which files are to be annexed by what `annex.largefiles` says.

use std::cell::RefCell;
use std::collections::BTreeSet;

use model::RepoPath;
use model::expression::{self, Details, Expression, Facts, Mime, Network, Terms};

use crate::Annex;
use crate::attributes::{Attribute, Attributes};
use crate::settings::Settings;

/// Tells what kind of content a file has, or why that cannot be told.
pub(crate) type MimeOf<'a> = &'a dyn Fn() -> Result<Mime, String>;

/// True if the file is to be annexed, false if it is to go to git; none where nothing is set for it. Git's configuration
/// comes first, then the attribute, then `config.log`.
///
/// # Errors
///
/// The reason, in words for people, why it cannot be decided.
pub(crate) fn is_large(
    annex: &Annex,
    attributes: &Attributes,
    settings: &Settings,
    path: &RepoPath,
    size: u64,
    mime: MimeOf<'_>,
) -> Result<Option<bool>, String> {
    let decide = |text: &str| {
        LargeFilesRule::parse("annex.largefiles", text)?
            .is_for(annex, path, size, mime)
            .map(Some)
    };
    if let Some(text) = &settings.largefiles {
        return decide(text);
    }
    let [attribute] = attributes.of(path, ["annex.largefiles"])?;
    match attribute {
        Attribute::Text(text) => decide(&text.to_string()),
        Attribute::Set => Ok(Some(true)),
        Attribute::Unset => Ok(Some(false)),
        Attribute::None => settings.largefiles_default.as_deref().map_or(Ok(None), decide),
    }
}

/// A setting that is true or false for all files, or an expression.
pub(crate) enum LargeFilesRule {
    All(bool),
    Some(String, Box<Expression>),
}

impl LargeFilesRule {
    /// Reads the setting `name`; a text that cannot be understood is the reason to wait.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, String> {
        if let Ok(all) = git2::Config::parse_bool(text) {
            return Ok(Self::All(all));
        }
        match Expression::parse(text, Terms::LargeFiles) {
            Ok(expression) => Ok(Self::Some(name.to_owned(), Box::new(expression))),
            Err(error) => Err(format!("{name} is set to {text:?}, but {error}; correct the setting")),
        }
    }

    /// True if a file of this size is meant.
    pub(crate) fn is_for(&self, annex: &Annex, path: &RepoPath, size: u64, mime: MimeOf<'_>) -> Result<bool, String> {
        let (name, expression) = match self {
            Self::All(all) => return Ok(*all),
            Self::Some(name, expression) => (name, expression),
        };
        let details = Asked {
            mime,
            failure: RefCell::new(None),
        };
        let is_match = expression.matches(&Facts {
            path: Some(path),
            key: None,
            size: Some(size),
            repository: annex.uuid(),
            holders: &BTreeSet::new(),
            assume_dropped: false,
            network: &Network::new(&expression::PreferenceSettings::default()),
            details: &details,
        });
        match details.failure.take() {
            Some(why) => Err(format!("{name} asks what kind of content it has, but {why}")),
            None => Ok(is_match),
        }
    }
}

/// Asks for the kind of content when a term needs it, and remembers that it could not be told.
struct Asked<'a> {
    mime: MimeOf<'a>,
    failure: RefCell<Option<String>>,
}

impl Details for Asked<'_> {
    fn mime(&self, _path: &RepoPath) -> Option<Mime> {
        (self.mime)().map_err(|why| self.failure.replace(Some(why))).ok()
    }
}
