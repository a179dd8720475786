//! New git objects of one burst, kept in memory until they are made durable together.
//!
//! libgit2 looks on disk for every object before it writes it, rescanning the pack directory each time, and its
//! in-memory backend can only be saved by packing everything that a commit reaches. So objects are collected here:
//! a burst is one pack and three fsyncs, whatever its size. Packs do not pile up, since small ones are folded.

mod backend;
mod deflate;
mod durable;
mod fold;
mod inflated;
mod kept;
mod large;
mod pack;
mod pack_file;
mod rewrite;
mod source;
mod tree;
mod tree_delta;
mod whole;

use std::collections::HashMap;
use std::sync::Arc;

use git2::{ObjectType, Oid};
use sha1::{Digest, Sha1};

pub(crate) use backend::open;
pub(crate) use kept::Kept;
pub(crate) use large::{LARGE, Made, each_part};
use source::{Copied, Source};
pub(crate) use tree::{DIRECTORY, Tree, TreeEntry};

use crate::identity::written;
use crate::{Directory, Error, Result};

/// git never changes an object once it is written. Until then it has a name that git takes for the remains of a crash, and
/// clears away in time.
const OBJECT_MODE: u32 = 0o444;
/// Above so many bytes the objects collected are written at once, to bound memory.
const MUCH: usize = 128 << 20;

/// The new objects of one burst. Nothing of it exists for others before [`Bulk::finish`].
pub(crate) struct Bulk<'r> {
    repo: &'r git2::Repository,
    odb: git2::Odb<'r>,
    objects: HashMap<Oid, usize>,
    contents: Vec<(Oid, ObjectType, Vec<u8>)>,
    bytes: usize,
    kept: Kept,
}

impl<'r> Bulk<'r> {
    /// Starts with no new objects; those of `repo` can be read.
    pub(crate) fn begin(repo: &'r git2::Repository) -> Result<Self> {
        let odb = repo.odb().map_err(Error::git("open the object database"))?;
        Ok(Self {
            repo,
            odb,
            objects: HashMap::new(),
            contents: Vec::new(),
            bytes: 0,
            kept: Kept::default(),
        })
    }

    /// Adds an object and tells its id.
    pub(crate) fn write(&mut self, kind: ObjectType, content: Vec<u8>) -> Result<Oid> {
        let id = hash(kind, &content)?;
        if !self.objects.contains_key(&id) {
            self.bytes += content.len();
            self.objects.insert(id, self.contents.len());
            self.contents.push((id, kind, content));
            if self.bytes > MUCH {
                self.flush()?;
            }
        }
        Ok(id)
    }

    /// Adds a blob.
    pub(crate) fn blob(&mut self, content: &[u8]) -> Result<Oid> {
        self.write(ObjectType::Blob, content.to_vec())
    }

    /// Adds a tree.
    pub(crate) fn tree(&mut self, tree: Tree) -> Result<Oid> {
        self.write(ObjectType::Tree, tree.into_bytes())
    }

    /// Adds a commit by `who`; `message` gets its final newline.
    pub(crate) fn commit(
        &mut self,
        tree: Oid,
        parents: &[Oid],
        who: &git2::Signature<'_>,
        message: &str,
    ) -> Result<Oid> {
        let mut content = format!("tree {tree}\n").into_bytes();
        for parent in parents {
            content.extend_from_slice(format!("parent {parent}\n").as_bytes());
        }
        for role in ["author", "committer"] {
            content.extend_from_slice(format!("{role} ").as_bytes());
            content.extend_from_slice(who.name_bytes());
            content.extend_from_slice(b" <");
            content.extend_from_slice(who.email_bytes());
            content.extend_from_slice(format!("> {}\n", written(who.when())).as_bytes());
        }
        content.extend_from_slice(format!("\n{}\n", message.trim_end()).as_bytes());
        self.write(ObjectType::Commit, content)
    }

    /// The content of a blob, new or old.
    pub(crate) fn read_blob(&self, id: Oid) -> Result<Vec<u8>> {
        self.read(id, ObjectType::Blob, <[u8]>::to_vec)
    }

    /// The entries of a tree, new or old.
    pub(crate) fn read_tree(&self, id: Oid) -> Result<Tree> {
        self.read(id, ObjectType::Tree, Tree::parse)?
            .ok_or_else(|| Error::Damaged(format!("the git tree {id} is damaged; nothing was changed")))
    }

    /// What a tree, new or old, says about one name. Cheaper than reading all of it.
    pub(crate) fn find(&self, tree: Oid, name: &[u8]) -> Result<Option<TreeEntry>> {
        self.read(tree, ObjectType::Tree, |bytes| {
            tree::items(bytes)
                .map_while(|item| item)
                .find(|(found, _)| *found == name)
                .map(|(_, entry)| entry)
        })
    }

    fn read<T>(&self, id: Oid, kind: ObjectType, take: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let wrong = || Error::Damaged(format!("the git object {id} is not a {kind}; nothing was changed"));
        if let Some(&at) = self.objects.get(&id) {
            let (_, found, content) = &self.contents[at];
            return (*found == kind).then(|| take(content)).ok_or_else(wrong);
        }
        let object = self
            .odb
            .read(id)
            .map_err(Error::git(format!("read the git object {id}")))?;
        (object.kind() == kind).then(|| take(object.data())).ok_or_else(wrong)
    }

    /// Makes all objects durable; only after this may a ref point to them. Hold the result until one does.
    pub(crate) fn finish(mut self) -> Result<Kept> {
        self.save()?;
        Ok(self.kept)
    }

    /// As [`Self::finish`], for a burst that may get more objects. Hold the burst itself until a ref points to them.
    pub(crate) fn save(&mut self) -> Result<()> {
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        if self.contents.is_empty() {
            return Ok(());
        }
        self.kept.append(store(self.repo, self.contents.as_slice())?);
        self.odb
            .refresh()
            .map_err(Error::git("read the list of git's pack files"))?;
        self.objects.clear();
        self.contents.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Copies objects of another repository here; all of them are on disk when this returns. Each is read and checked on its
/// own, whatever the other repository says of it.
pub(crate) fn copy(from: &git2::Repository, to: &git2::Repository, objects: &[Oid]) -> Result<Kept> {
    if objects.is_empty() {
        return Ok(Kept::default());
    }
    let odb = from
        .odb()
        .map_err(Error::git(format!("open the objects of {}", from.path().display())))?;
    let (here, there) = (from.commondir().join("objects"), Arc::new(directory(to)?));
    let mut rest = Vec::with_capacity(objects.len());
    for &object in objects {
        if !large::copy(&odb, &here, &there, object)? {
            rest.push(object);
        }
    }
    if rest.is_empty() {
        return Ok(Kept::default());
    }
    let (from, objects) = (&odb, rest.as_slice());
    store(to, &Copied { from, objects })
}

/// Copies objects of this repository to another, as [`copy`] does, but whole packs as they are: what they hold was made
/// here, or checked when it came.
pub(crate) fn send(from: &git2::Repository, to: &git2::Repository, objects: &[Oid]) -> Result<Kept> {
    let packs = Arc::new(directory(to)?.make("pack")?);
    let mut kept = Kept::default();
    let left = whole::copy(&from.commondir().join("objects/pack"), &packs, objects, &mut kept)?;
    kept.append(copy(from, to, &left)?);
    fold_if_possible(&packs);
    Ok(kept)
}

/// Writes objects as one pack.
///
/// Each file is made durable on its own: to write out the whole file system would wait for everything that anyone else
/// is writing.
fn store<S: Source + ?Sized>(repo: &git2::Repository, objects: &S) -> Result<Kept> {
    let packs = Arc::new(directory(repo)?.make("pack")?);
    let kept = pack::write(&packs, objects)?;
    fold_if_possible(&packs);
    Ok(kept)
}

/// Folds small packs where others have added some.
pub(crate) fn fold_packs(repo: &git2::Repository) {
    if let Ok(Some(packs)) = directory(repo).and_then(|objects| objects.find("pack")) {
        fold_if_possible(&Arc::new(packs));
    }
}

/// Folds small packs. If that fails, the next burst tries again.
fn fold_if_possible(packs: &Arc<Directory>) {
    let _ = fold::fold(packs, false);
}

/// Folds small packs until few are left. To be called when there is nothing else to do.
pub(crate) fn fold_at_rest(repo: &git2::Repository) -> Result<()> {
    if let Some(packs) = directory(repo)?.find("pack")? {
        let packs = Arc::new(packs);
        while fold::fold(&packs, true)? {}
    }
    Ok(())
}

/// Where git's objects are. Never made: where it is missing, the drive is gone.
pub(crate) fn directory(repo: &git2::Repository) -> Result<Directory> {
    let top = Directory::top(repo.commondir())?;
    let missing = || top.failed("open", "objects".as_ref(), rustix::io::Errno::NOENT);
    top.find("objects")?.ok_or_else(missing)
}

fn hash(kind: ObjectType, content: &[u8]) -> Result<Oid> {
    let mut hasher = Sha1::new();
    hasher.update(format!("{kind} {}\0", content.len()));
    hasher.update(content);
    Oid::from_bytes(&hasher.finalize()).map_err(Error::git("name a git object"))
}

/// Makes libgit2 fsync what it writes below the git directory (loose objects, refs, reflogs), and read objects as git does,
/// for the whole process: git checks an object's hash where it comes from elsewhere, and so does [`copy`], not each time
/// that it is read.
///
/// The number of open packs stays unlimited (`GIT_OPT_SET_MWINDOW_FILE_LIMIT`): to keep to a limit, libgit2 (1.9.7) closes a
/// pack that another thread may be freeing, and writes into freed memory. Few packs stay open, since [`fold`] keeps them few
/// and handles are closed when they are old.
fn set_up_git() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        git2::opts::strict_hash_verification(false);
        // The answer can only be that the option is unknown, which the linked version rules out.
        // SAFETY: this option takes one int, and is set before any libgit2 object of this process exists.
        #[allow(unsafe_code)]
        unsafe {
            libgit2_sys::git_libgit2_opts(libgit2_sys::GIT_OPT_ENABLE_FSYNC_GITDIR as std::ffi::c_int, 1);
        }
        // SAFETY: as above.
        #[allow(unsafe_code)]
        unsafe {
            // A full cache is slower than none: for each object, libgit2 searches all the emptied buckets for one to evict.
            libgit2_sys::git_libgit2_opts(libgit2_sys::GIT_OPT_ENABLE_CACHING as std::ffi::c_int, 0);
        }
    });
}

#[cfg(test)]
mod tests;
