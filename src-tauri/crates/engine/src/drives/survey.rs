//! Finds the annexes on a drive: at its root or one level below, where people and Anabranch put them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use annex::Annex;
use model::Uuid;
use surroundings::Drive;

/// What a drive is called.
pub(crate) fn name_of(drive: &Drive) -> String {
    let known = [drive.label.as_deref().unwrap_or_default(), &drive.model];
    let known = known.into_iter().map(str::trim).find(|name| !name.is_empty());
    known.map_or_else(|| drive.device.to_string_lossy().into_owned(), str::to_owned)
}

/// A repository on a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Its top, or the bare repository itself.
    pub(crate) path: PathBuf,
    pub(crate) uuid: Uuid,
    /// The repositories that its git-annex branch knows.
    pub(crate) knows: BTreeSet<Uuid>,
}

impl Carried {
    /// True if it is a clone of the same files as the repository `uuid`, which knows the repositories `known`.
    pub(crate) fn belongs_to(&self, uuid: &Uuid, known: &BTreeSet<Uuid>) -> bool {
        self.knows.contains(uuid) || known.contains(&self.uuid)
    }
}

/// The limit of entries to examine at the root of a drive.
const ENTRIES: usize = 2_000;

/// Finds the annexes on a drive. Directories that cannot be read are skipped.
pub(crate) fn survey(drive: &Drive) -> Vec<Carried> {
    let Some(root) = drive.points.first() else {
        return Vec::new();
    };
    let entries = root.read_dir().into_iter().flatten().flatten().take(ENTRIES);
    let mut places: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| looks_like_repository(path))
        .collect();
    places.sort();
    let places = std::iter::once(root.clone())
        .filter(|root| looks_like_repository(root))
        .chain(places);
    places.filter_map(|place| examine(&place)).collect()
}

/// The repositories that an annex knows.
pub(crate) fn known_to(annex: &Annex) -> annex::Result<BTreeSet<Uuid>> {
    Ok(annex.branch().facts()?.descriptions.into_keys().collect())
}

fn examine(path: &Path) -> Option<Carried> {
    let annex = Annex::open(path).ok()?;
    Some(Carried {
        path: path.to_owned(),
        uuid: annex.uuid().clone(),
        knows: known_to(&annex).ok()?,
    })
}

fn looks_like_repository(path: &Path) -> bool {
    path.join(".git").is_dir() || (path.join("HEAD").is_file() && path.join("objects").is_dir())
}
