//! Files as git would check them out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use git2::{IndexEntry, IndexTime, Oid};
use model::RepoPath;

use super::program::{Scratch, list, reason};
use super::{Conversion, Conversions};
use crate::{Annex, Error, Result};

/// The files of a tree that is being checked out, as git would check them out. Costs nothing until a file is asked about
/// that git itself keeps.
pub(crate) struct Outgoing {
    annex: Annex,
    tree: Option<Oid>,
    conversions: OnceLock<Conversions>,
    made: Mutex<Made>,
}

/// The file that git has written, or why it could not.
pub(crate) type Converted = std::result::Result<PathBuf, String>;

#[derive(Default)]
struct Made {
    files: HashMap<(RepoPath, Oid), Converted>,
    scratches: Vec<Scratch>,
}

impl Conversion {
    /// True if git may check out other bytes than it has.
    fn changes_on_the_way_out(&self) -> bool {
        self.filter.is_some() || self.encoding || self.ident || self.returns
    }
}

impl Outgoing {
    /// The files of a tree; none for an empty one.
    pub(crate) fn of_tree(annex: &Annex, tree: Option<Oid>) -> Self {
        Self {
            annex: annex.clone(),
            tree,
            conversions: OnceLock::new(),
            made: Mutex::default(),
        }
    }

    /// True if files surely have the same bytes in git and outside under each of these paths, and had.
    pub(crate) fn keeps_bytes(&self, paths: [&RepoPath; 2]) -> Result<bool> {
        let Some(conversions) = self.conversions()? else {
            return Ok(true);
        };
        for path in paths {
            conversions.of(path).map_err(refused)?;
        }
        Ok(!conversions.are_possible() && !conversions.attributes.are_in_tree())
    }

    /// Gets ready for writing files, each with its blob if git itself keeps it: has git convert them all at once, and see
    /// the filters that new attributes files ask for.
    pub(crate) fn prepare_all<'f>(
        &self,
        files: impl Iterator<Item = (&'f RepoPath, Option<Oid>)> + Clone,
    ) -> Result<()> {
        let mut attributes_files = files
            .clone()
            .filter(|(path, _)| *path.file_name() == ".gitattributes")
            .peekable();
        if attributes_files.peek().is_some()
            && let Some(conversions) = self.conversions()?
        {
            for (path, _) in attributes_files {
                conversions.of(path).map_err(refused)?;
            }
            conversions.show_filters()?;
        }
        let mut kept = files.filter_map(|(path, blob)| Some((path, blob?))).peekable();
        match kept.peek() {
            Some(_) => self.prepare(kept),
            None => Ok(()),
        }
    }

    /// True if git may check out other bytes of a file than it has.
    pub(crate) fn converts(&self, path: &RepoPath) -> Result<bool> {
        let Some(conversions) = self.conversions()? else {
            return Ok(false);
        };
        let conversion = conversions.of(path).map_err(refused)?;
        Ok(conversion.changes_on_the_way_out() && conversions.can_check_out(&conversion))
    }

    fn prepare<'f>(&self, files: impl Iterator<Item = (&'f RepoPath, Oid)>) -> Result<()> {
        let Some(conversions) = self.conversions()? else {
            return Ok(());
        };
        let mut converted = Vec::new();
        for (path, blob) in files {
            let conversion = conversions.of(path).map_err(refused)?;
            if conversion.changes_on_the_way_out() && conversions.can_check_out(&conversion) {
                converted.push((path, blob, conversion));
            }
        }
        self.convert(conversions, converted)
    }

    /// The file that holds what git would check out of a blob at a path, or why git cannot; none if that is the blob itself.
    pub(crate) fn file(&self, path: &RepoPath, blob: Oid) -> Result<Option<Converted>> {
        let find = || {
            let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            made.files.get(&(path.clone(), blob)).cloned()
        };
        if let Some(known) = find() {
            return Ok(Some(known));
        }
        self.prepare([(path, blob)].into_iter())?;
        Ok(find())
    }

    fn conversions(&self) -> Result<Option<&Conversions>> {
        let Some(tree) = self.tree else { return Ok(None) };
        if self.conversions.get().is_none() {
            // If two threads do this at once, the first result stays.
            let _ = self.conversions.set(Conversions::of_tree(&self.annex, tree)?);
        }
        Ok(self.conversions.get())
    }

    fn convert(&self, conversions: &Conversions, files: Vec<(&RepoPath, Oid, Conversion)>) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let scratch = Scratch::new(&self.annex)?;
        let (filtered, plain): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|(_, _, conversion)| conversion.filter.is_some());
        let doing = || Error::io("make a directory in", scratch.path());
        let out = scratch.path().join("files");
        std::fs::create_dir(&out).map_err(doing())?;
        if !filtered.is_empty() {
            conversions.show_filters()?;
        }
        let mut made = HashMap::new();
        for (files, is_filtered) in [(filtered, true), (plain, false)] {
            let paths: Vec<&RepoPath> = files.iter().map(|(path, ..)| *path).collect();
            if paths.is_empty() {
                continue;
            }
            let index = scratch.path().join(if is_filtered { "filtered" } else { "plain" });
            write_index(&index, conversions, &files)?;
            let mut failed = HashMap::new();
            conversions.check_out(&paths, &index, &out, is_filtered, &mut failed)?;
            for (path, blob, _) in files {
                let converted = failed.remove(path).map_or(Ok(out.join(path.as_path())), Err);
                made.insert((path.clone(), blob), converted);
            }
        }
        let mut all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        all.files.extend(made);
        all.scratches.push(scratch);
        Ok(())
    }
}

impl Conversions {
    /// False if the filter of a file does nothing on the way out: then git checks out what it has.
    fn can_check_out(&self, conversion: &Conversion) -> bool {
        let does_filter =
            |name: &bstr::BString| self.drivers.iter().any(|driver| driver.name == *name && driver.smudges);
        conversion.filter.as_ref().is_some_and(does_filter)
            || conversion.encoding
            || conversion.ident
            || conversion.returns
    }

    /// Has git write files below `out`; where git gives up, those that it gives up on get the reason. Those with filters are
    /// made with the work tree at hand, where their programs may be; the others without, so that only the attributes in the
    /// index hold.
    fn check_out(
        &self,
        paths: &[&RepoPath],
        index: &Path,
        out: &Path,
        is_filtered: bool,
        failed: &mut HashMap<RepoPath, String>,
    ) -> Result<()> {
        let mut git = self.git(index, &[]);
        if is_filtered {
            let mut prefix = std::ffi::OsString::from("--prefix=");
            prefix.push(out);
            prefix.push("/");
            git.args(["checkout-index", "-z", "--stdin"]).arg(prefix);
        } else {
            git.arg("--work-tree").arg(out).current_dir(out);
            git.args(["checkout-index", "-z", "--stdin"]);
        }
        let output = self.run(&mut git, &list(paths))?;
        if output.status.success() {
            return Ok(());
        }
        if let [path] = paths {
            failed.insert((*path).clone(), reason(&output));
            return Ok(());
        }
        let (first, second) = paths.split_at(paths.len() / 2);
        self.check_out(first, index, out, is_filtered, failed)?;
        self.check_out(second, index, out, is_filtered, failed)
    }
}

/// Writes an index with these files and the attributes files above them.
fn write_index(path: &Path, conversions: &Conversions, files: &[(&RepoPath, Oid, Conversion)]) -> Result<()> {
    let written = (|| {
        let mut index = git2::Index::open(path)?;
        let mut entries: HashMap<Vec<u8>, Oid> = conversions
            .attributes
            .blobs_above(files.iter().map(|(path, ..)| *path))?;
        entries.extend(files.iter().map(|(path, blob, _)| (path.as_bytes().to_vec(), *blob)));
        for (path, id) in entries {
            index.add(&entry(path, id))?;
        }
        index.write()
    })();
    written.map_err(Error::git("write an index for git"))
}

fn entry(path: Vec<u8>, id: Oid) -> IndexEntry {
    let never = IndexTime::new(0, 0);
    IndexEntry {
        ctime: never,
        mtime: never,
        dev: 0,
        ino: 0,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path,
    }
}

fn refused(why: String) -> Error {
    Error::Refused(format!(
        "{why}, so it is not known how git would check out the files that came; nothing was changed and nothing is lost"
    ))
}
