//! How new files are taken in: what `annex.largefiles`, `annex.addunlocked` and `annex.backend` say of each.

use std::fs::File;

use model::RepoPath;

use crate::attributes::{Attribute, Attributes};
use crate::large_files::{LargeFilesRule, is_large};
use crate::magic::mime_of;
use crate::settings::Settings;
use crate::{Annex, Error, Result};

/// The rules of one repository for new files, at one moment. May be asked by several threads.
pub struct Rules<'a> {
    annex: &'a Annex,
    settings: &'a Settings,
    unlocked: LargeFilesRule,
    attributes: Attributes,
}

impl<'a> Rules<'a> {
    /// Reads the rules.
    ///
    /// # Errors
    ///
    /// Refused with a message if a setting cannot be understood: then nothing may be added, since it might be added in
    /// the wrong way.
    pub fn of(annex: &'a Annex, settings: &'a Settings) -> Result<Self> {
        let refused = |why: String| Error::Refused(format!("{why}; nothing was added and nothing is lost"));
        for text in [&settings.largefiles, &settings.largefiles_default]
            .into_iter()
            .flatten()
        {
            LargeFilesRule::parse("annex.largefiles", text).map_err(refused)?;
        }
        let unlocked = match settings.addunlocked.as_deref() {
            None => LargeFilesRule::All(false),
            Some(text) => LargeFilesRule::parse("annex.addunlocked", text).map_err(refused)?,
        };
        Ok(Self {
            annex,
            settings,
            unlocked,
            attributes: Attributes::of_work_tree(annex, &*annex.git()?)?,
        })
    }

    /// True if a file of this size is to be annexed, false if it goes to git itself, none if nothing is set for it.
    ///
    /// # Errors
    ///
    /// The reason, in words for people, why it cannot be decided; the file is to wait.
    pub fn is_large(&self, path: &RepoPath, size: u64, file: &File) -> std::result::Result<Option<bool>, String> {
        let mime = || mime_of(file);
        is_large(self.annex, &self.attributes, self.settings, path, size, &mime)
    }

    /// True if a new file of this size stays unlocked.
    ///
    /// # Errors
    ///
    /// As for [`Rules::is_large`].
    pub fn is_unlocked(&self, path: &RepoPath, size: u64, file: &File) -> std::result::Result<bool, String> {
        self.unlocked.is_for(self.annex, path, size, &|| mime_of(file))
    }

    /// The backend that an attribute asks for.
    ///
    /// # Errors
    ///
    /// As for [`Rules::is_large`].
    pub fn backend(&self, path: &RepoPath) -> std::result::Result<Option<String>, String> {
        let [backend] = self.attributes.of(path, ["annex.backend"])?;
        Ok(match backend {
            Attribute::Text(backend) => Some(backend.to_string()),
            Attribute::None | Attribute::Set | Attribute::Unset => None,
        })
    }
}
