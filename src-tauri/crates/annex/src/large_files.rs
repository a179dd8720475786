//! Which files are to be annexed by what `annex.largefiles` says.

use std::collections::BTreeSet;

use git2::{AttrCheckFlags, AttrValue, Repository};
use model::RepoPath;
use model::expression::{self, Expression, Facts, Network, NoDetails, Terms};

use crate::settings::Settings;
use crate::{Annex, Error, Result};

/// True if the file is to be annexed, false if it is to go to git; none where nothing is set for it. Git's configuration
/// comes first, then the attribute, then `config.log`.
pub(crate) fn is_large(
    annex: &Annex,
    git: &Repository,
    settings: &Settings,
    path: &RepoPath,
    size: u64,
) -> Result<Option<bool>> {
    if let Some(text) = &settings.largefiles {
        return matches(annex, text, path, size).map(Some);
    }
    match attribute(git, path, "annex.largefiles")? {
        Attribute::Text(text) => matches(annex, &text, path, size).map(Some),
        Attribute::Bool(large) => Ok(Some(large)),
        Attribute::None => {
            let text = settings.largefiles_default.as_deref();
            text.map(|text| matches(annex, text, path, size)).transpose()
        }
    }
}

/// What `.gitattributes` says about a file.
pub(crate) enum Attribute {
    /// Nothing.
    None,
    /// Set or unset without a value.
    Bool(bool),
    /// A value.
    Text(String),
}

/// Looks up an attribute of a file.
pub(crate) fn attribute(git: &Repository, path: &RepoPath, name: &str) -> Result<Attribute> {
    let flags = AttrCheckFlags::FILE_THEN_INDEX;
    let value = git
        .get_attr_bytes(path.as_path(), name, flags)
        .map_err(Error::git(format!("read the attributes of {path}")))?;
    Ok(match AttrValue::from_bytes(value) {
        AttrValue::True => Attribute::Bool(true),
        AttrValue::False => Attribute::Bool(false),
        AttrValue::String(text) => Attribute::Text(text.to_owned()),
        AttrValue::Bytes(text) => Attribute::Text(String::from_utf8_lossy(text).into_owned()),
        AttrValue::Unspecified => Attribute::None,
    })
}

fn matches(annex: &Annex, text: &str, path: &RepoPath, size: u64) -> Result<bool> {
    if let Ok(all) = git2::Config::parse_bool(text) {
        return Ok(all);
    }
    let refused = |reason: String| {
        Error::Refused(format!(
            "annex.largefiles is set to {text:?}, {reason}; {path} was left as it is. Correct the setting",
        ))
    };
    let expression = Expression::parse(text, Terms::LargeFiles).map_err(|error| refused(format!("but {error}")))?;
    if expression.needs_mime() {
        return Err(refused(
            "but what kind of content a file has cannot be told here yet".to_owned(),
        ));
    }
    Ok(expression.matches(&Facts {
        path: Some(path),
        key: None,
        size: Some(size),
        repository: annex.uuid(),
        holders: &BTreeSet::new(),
        assume_dropped: false,
        network: &Network::new(&expression::Settings::default()),
        details: &NoDetails,
    }))
}
