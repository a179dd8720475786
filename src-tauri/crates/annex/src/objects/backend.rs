//! A reader of loose objects that libgit2 asks before its own.
//!
//! libgit2 up to 1.9.7 loops for ever when it reads a truncated loose object (mended later: its pull request 7346). A power cut
//! can truncate an object that git wrote without fsync. libgit2 also waits for ever if a FIFO has the name of an object. So every
//! repository that we open gets this backend, for its own objects and those of its alternates. libgit2 asks its packs first.

use std::ffi::{CString, OsStr, c_int, c_void};
use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use git2::{Binding, Error, ObjectType, Oid, Repository, RepositoryOpenFlags};
use libgit2_sys as raw;

use super::inflated::{BUFFER, Opened};
use super::large::{is_damage, name_of};
use super::set_up_git;

/// The priority of libgit2's packs. Of equal backends, libgit2 asks the one first that was added first.
const PRIORITY: c_int = 2;

/// Opens the git repository at exactly this path.
pub(crate) fn open(path: &Path) -> Result<Repository, Error> {
    set_up_git();
    let git = Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, std::iter::empty::<&Path>())?;
    add_to(&git)?;
    Ok(git)
}

/// libgit2 knows only the first member; a pointer to it is also a pointer to the whole.
#[repr(C)]
struct Backend {
    head: raw::git_odb_backend,
    /// The directory of the repository's own objects, then those of its alternates.
    objects: Vec<PathBuf>,
}

#[allow(unsafe_code)]
fn add_to(git: &Repository) -> Result<(), Error> {
    let mut odb = std::ptr::null_mut();
    // SAFETY: the repository is open. The reference that we get is freed below.
    let got = unsafe { raw::git_repository_odb(&raw mut odb, git.raw()) };
    answer(got)?;
    let backend = Box::into_raw(Box::new(Backend {
        head: raw::git_odb_backend {
            version: raw::GIT_ODB_BACKEND_VERSION,
            odb: std::ptr::null_mut(),
            read: Some(read),
            read_prefix: None,
            read_header: Some(read_header),
            write: None,
            writestream: None,
            readstream: None,
            exists: None,
            exists_prefix: None,
            refresh: None,
            // libgit2 calls it without checking that it is there.
            foreach: Some(each),
            writepack: None,
            writemidx: None,
            freshen: None,
            free: Some(free),
        },
        objects: with_alternates(git.commondir().join("objects")),
    }));
    // SAFETY: both pointers are valid. libgit2 frees the backend together with the object database, unless it refuses the
    // backend here. The repository keeps the database alive.
    unsafe {
        let added = raw::git_odb_add_backend(odb, backend.cast(), PRIORITY);
        if added < 0 {
            drop(Box::from_raw(backend));
        }
        raw::git_odb_free(odb);
        answer(added)
    }
}

fn answer(code: c_int) -> Result<(), Error> {
    match code {
        0.. => Ok(()),
        code => Err(Error::last_error(code)),
    }
}

#[allow(unsafe_code)]
extern "C" fn free(backend: *mut raw::git_odb_backend) {
    // SAFETY: libgit2 calls this once, for a backend that `add_to` made.
    drop(unsafe { Box::from_raw(backend.cast::<Backend>()) });
}

/// libgit2's own backend lists the loose objects.
extern "C" fn each(
    _backend: *mut raw::git_odb_backend,
    _tell: raw::git_odb_foreach_cb,
    _payload: *mut c_void,
) -> c_int {
    0
}

/// See `git_odb_backend` in libgit2's `sys/odb_backend.h`.
#[allow(unsafe_code)]
extern "C" fn read_header(
    size: *mut usize,
    kind: *mut raw::git_object_t,
    backend: *mut raw::git_odb_backend,
    id: *const raw::git_oid,
) -> c_int {
    // SAFETY: libgit2 passes a backend of ours, an object's id, and valid pointers for the answers.
    unsafe {
        let (objects, id) = (&(*backend.cast::<Backend>()).objects, Binding::from_raw(id));
        match first(objects, id, header) {
            Ok(None) => raw::GIT_ENOTFOUND,
            Ok(Some((found, opened))) => {
                *size = opened.size as usize;
                *kind = found.raw();
                0
            }
            Err(problem) => refuse(&problem),
        }
    }
}

/// As [`read_header`], and the content.
#[allow(unsafe_code)]
extern "C" fn read(
    data: *mut *mut c_void,
    size: *mut usize,
    kind: *mut raw::git_object_t,
    backend: *mut raw::git_odb_backend,
    id: *const raw::git_oid,
) -> c_int {
    // SAFETY: as above. libgit2 owns the allocation from then on. It has room for the content and, as libgit2's own objects
    // have, for a zero behind it.
    unsafe {
        let (objects, id) = (&(*backend.cast::<Backend>()).objects, Binding::from_raw(id));
        let content = match first(objects, id, content) {
            Ok(None) => return raw::GIT_ENOTFOUND,
            Ok(Some((found, content))) => {
                *kind = found.raw();
                content
            }
            Err(problem) => return refuse(&problem),
        };
        let place = raw::git_odb_backend_data_alloc(backend, content.len() + 1);
        if place.is_null() {
            return raw::GIT_ERROR;
        }
        std::ptr::copy_nonoverlapping(content.as_ptr(), place.cast(), content.len());
        place.cast::<u8>().add(content.len()).write(0);
        *data = place;
        *size = content.len();
        0
    }
}

/// Tells libgit2 why an object cannot be read.
#[allow(unsafe_code)]
fn refuse(problem: &Problem) -> c_int {
    let path = problem.path.display();
    let message = match is_damage(&problem.error) {
        true => format!("{path} is cut off or damaged; 'git fsck' tells what is damaged"),
        false => format!("{path}: {}", problem.error),
    };
    let message = CString::new(message).unwrap_or_default();
    // SAFETY: libgit2 copies the message.
    unsafe { raw::git_error_set_str(raw::GIT_ERROR_ODB as c_int, message.as_ptr()) };
    raw::GIT_ERROR
}

/// A loose object that cannot be read.
struct Problem {
    path: PathBuf,
    error: io::Error,
}

/// A directory of objects and its alternates, as deep as libgit2 follows them.
fn with_alternates(objects: PathBuf) -> Vec<PathBuf> {
    const DEEPEST: usize = 5;
    let mut all = vec![objects];
    let mut generation = 0..1;
    for _ in 0..DEEPEST {
        for at in generation.clone() {
            let Ok(text) = fs::read(all[at].join("info/alternates")) else {
                continue;
            };
            for line in text.split(|byte| *byte == b'\n') {
                let named = all[at].join(OsStr::from_bytes(line.trim_ascii_end()));
                if !line.is_empty() && line[0] != b'#' && !all.contains(&named) {
                    all.push(named);
                }
            }
        }
        generation = generation.end..all.len();
    }
    all
}

/// Asks each directory in turn. A damaged object in one doesn't hide a good one in the next.
fn first<T>(directories: &[PathBuf], id: Oid, ask: fn(&Path) -> io::Result<Option<T>>) -> Result<Option<T>, Problem> {
    let mut problem = None;
    for objects in directories {
        let path = name_of(objects, id);
        match ask(&path) {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            Err(error) => problem = problem.or(Some(Problem { path, error })),
        }
    }
    match problem {
        None => Ok(None),
        Some(problem) => Err(problem),
    }
}

/// Opens a loose object and reads its header; none if there is no such object.
fn header(path: &Path) -> io::Result<Option<(ObjectType, Opened<BufReader<File>>)>> {
    let no_waiting = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(no_waiting).open(path);
    let file = match file {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let opened = Opened::of(BufReader::with_capacity(BUFFER, file))?.ok_or(ErrorKind::InvalidData)?;
    let kind = std::str::from_utf8(&opened.kind).ok().and_then(ObjectType::from_str);
    Ok(Some((kind.ok_or(ErrorKind::InvalidData)?, opened)))
}

/// Reads a loose object; none if there is no such object.
fn content(path: &Path) -> io::Result<Option<(ObjectType, Vec<u8>)>> {
    /// A wrong size in the header must not make us allocate that much at once.
    const AT_FIRST: u64 = 1 << 20;
    let Some((kind, opened)) = header(path)? else {
        return Ok(None);
    };
    let size = opened.size;
    let mut content = Vec::with_capacity(size.min(AT_FIRST) as usize);
    opened.take(size.saturating_add(1)).read_to_end(&mut content)?;
    match content.len() as u64 == size {
        true => Ok(Some((kind, content))),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}
