//! What git's attributes files say of a path: `.gitattributes`, the user's own file, that of the system and
//! `.git/info/attributes`, by git's rules.
//!
//! libgit2 can tell too, but reads the files of all directories again for each path, and cannot leave out the line in
//! `.git/info/attributes` with which git-annex hides all other filters.

mod filters;
mod parse;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bstr::{BString, ByteSlice};
use git2::Repository;
use model::RepoPath;
use rustix::fs::OFlags;

pub(crate) use self::filters::with_filters;
use self::filters::{has_filters, hidden, without_filters};
use self::parse::{Line, State, Subject, parse};
use crate::handles::Git;
use crate::index::{EXECUTABLE, Index, REGULAR};
use crate::oid::to_git;
use crate::{Annex, Error, Result};

/// The line with which git-annex has git pass all files through its filter.
pub(crate) const ANNEX_LINE: &str = "* filter=annex";

/// git passes over a larger file.
const MAX_FILE: u64 = 100 * 1024 * 1024;

/// An attribute of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attribute {
    /// Nothing is said.
    None,
    /// Set without a value.
    Set,
    /// Unset.
    Unset,
    /// Set to a value.
    Text(BString),
}

/// The attributes of the files of one tree at one moment: each file is read once. May be asked by several threads.
pub(crate) struct Attributes {
    source: Source,
    fold_case: bool,
    /// For all files: git's own, those of the system, those of the user. What comes later goes first.
    shared: Vec<Vec<Line>>,
    /// `.git/info/attributes`, without git-annex's line and the filters shown below it.
    info: Vec<Line>,
    /// Those of them that git-annex's line hides.
    hidden: Vec<Line>,
    has_shown_filters: bool,
    directories: Mutex<HashMap<BString, Lines>>,
}

/// The lines of a directory's file, or why it cannot be read.
type Lines = std::result::Result<Arc<Vec<Line>>, String>;

/// Where the files of directories are.
enum Source {
    WorkTree(PathBuf),
    /// As git looks for them: what is not in the work tree is looked up in the index.
    Staged(PathBuf, Box<Mutex<Git>>, Index),
    Tree(Box<Mutex<Git>>, git2::Oid),
}

impl Attributes {
    /// The attributes that hold for files of the work tree.
    pub(crate) fn of_work_tree(annex: &Annex, git: &Repository) -> Result<Self> {
        let top = annex.work_tree().unwrap_or(annex.git_dir()).to_owned();
        Self::read(git, Source::WorkTree(top))
    }

    /// As [`Self::of_work_tree`]; what an attributes file says that was deleted and is still staged counts too, as for git.
    pub(crate) fn staged(annex: &Annex, git: &Repository) -> Result<Self> {
        let top = annex.work_tree().unwrap_or(annex.git_dir()).to_owned();
        let index = Index::read(annex, git)?;
        Self::read(git, Source::Staged(top, Box::new(Mutex::new(annex.git()?)), index))
    }

    /// The attributes that hold for files of a tree that is being checked out.
    pub(crate) fn of_tree(annex: &Annex, git: &Repository, tree: git2::Oid) -> Result<Self> {
        Self::read(git, Source::Tree(Box::new(Mutex::new(annex.git()?)), tree))
    }

    fn read(git: &Repository, source: Source) -> Result<Self> {
        let config = git
            .config()
            .and_then(|mut config| config.snapshot())
            .map_err(Error::git("read the configuration"))?;
        let fold_case = config.get_bool("core.ignorecase").unwrap_or(false);
        let content = |path: Option<PathBuf>| -> Result<Vec<u8>> {
            let Some(path) = path else { return Ok(Vec::new()) };
            let content = read_file(&path, true).map_err(Error::io("read", &path))?;
            Ok(content.unwrap_or_default())
        };
        let lines = |path| Ok(parse(&content(path)?, true, fold_case));
        let info = content(Some(git.commondir().join("info/attributes")))?;
        let users = config.get_path("core.attributesFile").ok().or_else(default_file);
        Ok(Self {
            shared: vec![
                parse(b"[attr]binary -diff -merge -text", true, fold_case),
                lines(system_file())?,
                lines(users)?,
            ],
            info: parse(&without_annex(&info), true, fold_case),
            hidden: hidden(&info, fold_case),
            has_shown_filters: has_filters(&info),
            source,
            fold_case,
            directories: Mutex::new(HashMap::new()),
        })
    }

    /// True if a file of the tree that was asked for so far says something.
    pub(crate) fn are_in_tree(&self) -> bool {
        let directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        directories.values().flatten().any(|lines| !lines.is_empty())
    }

    /// The attributes files above these files, where a tree is asked about.
    pub(crate) fn blobs_above<'p>(
        &self,
        files: impl Iterator<Item = &'p RepoPath>,
    ) -> std::result::Result<HashMap<Vec<u8>, git2::Oid>, git2::Error> {
        let mut blobs = HashMap::new();
        let Source::Tree(git, tree) = &self.source else {
            return Ok(blobs);
        };
        let git = git.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = HashSet::new();
        for file in files {
            for directory in file.as_path().ancestors().skip(1) {
                if !seen.insert(directory.to_owned()) {
                    break;
                }
                let path = directory.join(".gitattributes");
                if let Some(blob) = find_blob(&git, *tree, &path)? {
                    blobs.insert(path.as_os_str().as_bytes().to_vec(), blob);
                }
            }
        }
        Ok(blobs)
    }

    /// True if files outside of the tree say something.
    pub(crate) fn are_shared(&self) -> bool {
        !self.info.is_empty() || self.shared[1..].iter().any(|lines| !lines.is_empty())
    }

    /// What is said of a file.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be known: an attributes file cannot be read.
    pub(crate) fn of<const N: usize>(
        &self,
        path: &RepoPath,
        names: [&str; N],
    ) -> std::result::Result<[Attribute; N], String> {
        // What goes first comes first, each with the length of its directory's path (with its slash).
        let mut levels = Vec::new();
        let mut directory = Some(path.parent());
        while let Some(this) = directory {
            let prefix = this.as_ref().map_or(0, |directory| directory.as_bytes().len() + 1);
            levels.push((
                prefix,
                self.directory(this.as_ref().map_or(b"", |directory| directory.as_bytes()))?,
            ));
            directory = this.map(|directory| directory.parent());
        }
        let mut files: Vec<(usize, &[Line])> = vec![(0, &self.info)];
        files.extend(levels.iter().map(|(prefix, lines)| (*prefix, lines.as_slice())));
        files.extend(self.shared.iter().rev().map(|lines| (0, lines.as_slice())));
        // All but git's own.
        if files[..files.len() - 1].iter().all(|(_, lines)| lines.is_empty()) {
            return Ok([const { Attribute::None }; N]);
        }
        let mut macros: HashMap<&[u8], &Line> = HashMap::new();
        for line in files.iter().flat_map(|(_, lines)| lines.iter().rev()) {
            if let Subject::Macro(name) = &line.subject {
                macros.entry(name).or_insert(line);
            }
        }
        let folded;
        let compared = match self.fold_case {
            true => {
                folded = path.as_bytes().to_ascii_lowercase();
                &folded
            }
            false => path.as_bytes(),
        };
        let mut known = HashMap::new();
        for (prefix, lines) in files {
            for line in lines.iter().rev() {
                let is_match = match &line.subject {
                    Subject::Files(pattern, _) => pattern.matches(&compared[prefix..], false),
                    Subject::Macro(_) => false,
                };
                if is_match {
                    fill(line, &macros, &mut known);
                }
            }
        }
        Ok(names.map(|name| match known.get(name.as_bytes()) {
            None | Some(State::Unspecified) => Attribute::None,
            Some(State::Set) => Attribute::Set,
            Some(State::Unset) => Attribute::Unset,
            Some(State::Value(value)) => Attribute::Text(value.clone()),
        }))
    }

    /// The lines of a directory's own file.
    fn directory(&self, directory: &[u8]) -> Lines {
        let mut directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = directories.get(directory.as_bstr()) {
            return known.clone();
        }
        let content = match &self.source {
            Source::WorkTree(top) => of_directory(top, directory),
            Source::Staged(top, git, index) => match of_directory(top, directory) {
                Ok(None) => read_staged(&git.lock().unwrap_or_else(PoisonError::into_inner), index, directory)
                    .map_err(|error| error.message().to_owned()),
                read => read,
            },
            Source::Tree(git, tree) => read_blob(&git.lock().unwrap_or_else(PoisonError::into_inner), *tree, directory)
                .map_err(|error| error.message().to_owned()),
        };
        let lines = content
            .map(|content| {
                Arc::new(parse(
                    &content.unwrap_or_default(),
                    directory.is_empty(),
                    self.fold_case,
                ))
            })
            .map_err(|why| {
                let slash = if directory.is_empty() { "" } else { "/" };
                format!("{}{slash}.gitattributes cannot be read ({why})", directory.as_bstr())
            });
        directories.insert(directory.into(), lines.clone());
        lines
    }
}

/// Notes what a line says and is not known yet: the last words of a line go first, and a macro means what it was defined
/// as.
fn fill<'l>(line: &'l Line, macros: &HashMap<&[u8], &'l Line>, known: &mut HashMap<&'l [u8], &'l State>) {
    for (name, state) in line.states.iter().rev() {
        if known.contains_key(name.as_bytes()) {
            continue;
        }
        known.insert(name, state);
        if let (State::Set, Some(definition)) = (state, macros.get(name.as_bytes())) {
            fill(definition, macros, known);
        }
    }
}

/// The content of a file; none if there is none. git follows a symlink only where `follows` is true.
fn read_file(path: &Path, follows: bool) -> std::io::Result<Option<Vec<u8>>> {
    let flags = if follows {
        OFlags::NONBLOCK
    } else {
        OFlags::NONBLOCK | OFlags::NOFOLLOW
    };
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match file {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Ok(None);
    }
    let mut content = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut content)?;
    Ok(Some(content))
}

fn of_directory(top: &Path, directory: &[u8]) -> std::result::Result<Option<Vec<u8>>, String> {
    let path = top.join(OsStr::from_bytes(directory)).join(".gitattributes");
    read_file(&path, false).map_err(|error| error.to_string())
}

fn read_staged(git: &Repository, index: &Index, directory: &[u8]) -> std::result::Result<Option<Vec<u8>>, git2::Error> {
    let path = Path::new(OsStr::from_bytes(directory)).join(".gitattributes");
    let entry = index.entry(path.as_os_str().as_bytes());
    match entry.filter(|entry| matches!(entry.mode, REGULAR | EXECUTABLE)) {
        Some(entry) => git
            .find_blob(to_git(entry.oid))
            .map(|blob| Some(blob.content().to_vec())),
        None => Ok(None),
    }
}

fn read_blob(git: &Repository, tree: git2::Oid, directory: &[u8]) -> std::result::Result<Option<Vec<u8>>, git2::Error> {
    let path = Path::new(OsStr::from_bytes(directory)).join(".gitattributes");
    let Some(blob) = find_blob(git, tree, &path)? else {
        return Ok(None);
    };
    git.find_blob(blob).map(|blob| Some(blob.content().to_vec()))
}

/// The blob of a regular file.
fn find_blob(git: &Repository, tree: git2::Oid, path: &Path) -> std::result::Result<Option<git2::Oid>, git2::Error> {
    let entry = match git.find_tree(tree)?.get_path(path) {
        Ok(entry) => entry,
        Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_file = entry.kind() == Some(git2::ObjectType::Blob) && entry.filemode() & 0o170_000 == 0o100_000;
    Ok(is_file.then(|| entry.id()))
}

/// What others than git-annex and Anabranch have written into `.git/info/attributes`.
fn without_annex(content: &[u8]) -> Vec<u8> {
    let is_others = |line: &&[u8]| line.trim_ascii() != ANNEX_LINE.as_bytes();
    bstr::join(b"\n", without_filters(content).split(|&b| b == b'\n').filter(is_others))
}

/// The user's own file where git's configuration names none.
fn default_file() -> Option<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let settings = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))?;
    Some(settings.join("git/attributes"))
}

/// The file of the system: git looks for it in `/etc` if it is the system's own program, else beside its `bin`.
fn system_file() -> Option<PathBuf> {
    let disabled = std::env::var("GIT_ATTR_NOSYSTEM").is_ok_and(|text| git2::Config::parse_bool(text).unwrap_or(false));
    if disabled {
        return None;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&path).find(|directory| directory.join("git").is_file());
    let prefix = program.as_deref().and_then(Path::parent);
    Some(match prefix {
        Some(prefix) if prefix != Path::new("/usr") && prefix != Path::new("/") => prefix.join("etc/gitattributes"),
        Some(_) | None => PathBuf::from("/etc/gitattributes"),
    })
}
