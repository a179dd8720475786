//! The content filter that git runs where git-annex is not installed: git's long-running filter protocol, version 2
//! (gitattributes(5)).

mod packets;
mod spool;

use std::cell::RefCell;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Write};
use std::os::unix::fs::MetadataExt;

use crate::handles::Git;
use model::{Key, RepoPath};

use self::packets::{Packets, write_content, write_list};
use self::spool::Spool;
use crate::attributes::{Attribute, Attributes};
use crate::conversions::Conversions;
use crate::index::{GITLINK, Index, SYMLINK};
use crate::large_files::is_large;
use crate::locks::LockFile;
use crate::logs::{Presence, VectorClock};
use crate::magic::mime_of;
use crate::oid::to_git;
use crate::pointer::{MAX_POINTER, key_of_pointer, key_of_symlink, pointer_for};
use crate::settings::Settings;
use crate::store::{Making, Store};
use crate::{Annex, Backend, Error, Hasher, Result, naming};

/// So many keys are noted on the git-annex branch at a time.
const NOTED_TOGETHER: usize = 1000;

/// Answers git on `input` and `output` until it closes the connection.
///
/// What git adds (clean) is stored as an object and becomes a pointer if the file is annexed already, if its content
/// is, or if `annex.largefiles` says so. What git checks out (smudge) gets its content if that is here. A file that
/// cannot be filtered is reported on the standard error, and git takes it as it is.
///
/// # Errors
///
/// The connection broke, or git speaks another protocol; git then goes on without the filter.
pub fn run(annex: &Annex, input: impl Read, output: impl Write) -> Result<()> {
    let broken = || Error::io("talk to git about a file in", annex.git_dir());
    let mut packets = Packets::new(BufReader::with_capacity(1 << 17, input));
    let mut output = BufWriter::with_capacity(1 << 17, output);
    greet(&mut packets, &mut output).map_err(broken())?;
    let git = annex.git()?;
    let filter = Filter {
        annex,
        attributes: Attributes::of_work_tree(annex, &git)?,
        conversions: Conversions::of_work_tree(annex)?,
        git,
        settings: Settings::read(annex, &annex.branch().facts()?.config)?,
        store: annex.store(),
        stored: RefCell::new(Vec::new()),
    };
    let served = filter.serve(&mut packets, &mut output);
    filter.note_stored().and(served)
}

fn greet(packets: &mut Packets<impl Read>, output: &mut impl Write) -> io::Result<()> {
    let closed = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let hello = packets.list()?.ok_or_else(closed)?;
    let known = hello.first().is_some_and(|line| line == b"git-filter-client");
    if !known || !hello.iter().any(|line| line == b"version=2") {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "git speaks another version of the filter protocol",
        ));
    }
    write_list(output, &["git-filter-server", "version=2"])?;
    output.flush()?;
    packets.list()?.ok_or_else(closed)?;
    write_list(output, &["capability=clean", "capability=smudge"])?;
    output.flush()
}

/// Why a request was not answered.
enum Failure {
    /// This file could not be filtered; others can.
    File(Error),
    /// git is gone.
    Connection(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::File(error)
    }
}

type Answer<T = Box<dyn Read>> = std::result::Result<T, Failure>;

struct Filter<'a> {
    annex: &'a Annex,
    git: Git,
    attributes: Attributes,
    conversions: Conversions,
    settings: Settings,
    store: Store<'a>,
    /// Keys whose contents are here now, which is not noted on the git-annex branch yet.
    stored: RefCell<Vec<Key>>,
}

impl Filter<'_> {
    fn serve(&self, packets: &mut Packets<impl Read>, output: &mut impl Write) -> Result<()> {
        let broken = || Error::io("talk to git about a file in", self.annex.git_dir());
        while let Some(request) = packets.list().map_err(broken())? {
            let field = |name: &[u8]| request.iter().find_map(|line| line.strip_prefix(name));
            let path = field(b"pathname=").map(RepoPath::parse);
            let answer = match (field(b"command="), path) {
                (Some(b"clean"), Some(Ok(path))) => self.clean(&path, packets),
                (Some(b"smudge"), Some(Ok(_))) => self.smudge(packets),
                _ => {
                    while packets.next().map_err(broken())?.is_some() {}
                    Err(Failure::File(Error::Refused(
                        "git asked for something unknown".to_owned(),
                    )))
                }
            };
            match answer {
                Ok(content) => {
                    write_list(output, &["status=success"]).map_err(broken())?;
                    match write_content(output, content) {
                        Ok(()) => write_list(output, &[]).map_err(broken())?,
                        Err(_) => write_list(output, &["status=error"]).map_err(broken())?,
                    }
                }
                Err(Failure::File(error)) => {
                    let name = field(b"pathname=").map(String::from_utf8_lossy).unwrap_or_default();
                    let _ = writeln!(io::stderr(), "anabranch: {name}: {error}");
                    write_list(output, &["status=error"]).map_err(broken())?;
                }
                Err(Failure::Connection(error)) => return Err(broken()(error)),
            }
            output.flush().map_err(broken())?;
        }
        Ok(())
    }

    /// Notes that the contents of this run are here, in one commit: they have been made durable one by one.
    fn note_stored(&self) -> Result<()> {
        let stored = self.stored.take();
        let changes: Vec<_> = stored
            .into_iter()
            .map(|key| (key, self.annex.uuid().clone(), Presence::Present))
            .collect();
        if !changes.is_empty() {
            self.annex.branch().record_presence(&changes, VectorClock::now())?;
        }
        Ok(())
    }

    fn smudge(&self, packets: &mut Packets<impl Read>) -> Answer {
        let (_lock, content) = self.receive(packets)?;
        let key = content.small().and_then(key_of_pointer);
        if let Some(object) = key.and_then(|key| self.store.open_sound(&key).ok()) {
            return Ok(Box::new(object));
        }
        content.reader().map_err(self.scratch_error())
    }

    fn clean(&self, path: &RepoPath, packets: &mut Packets<impl Read>) -> Answer {
        let (_lock, mut content) = self.receive(packets)?;
        let conversion = self.conversions.of(path).map_err(Error::Refused)?;
        if conversion.has_filter() {
            // git asks here because git-annex's line still hides that filter: the rule is new.
            if let Some(why) = self.conversions.obstacle(&conversion) {
                return Err(Failure::File(Error::Refused(why)));
            }
            let file = content.file().map_err(self.scratch_error())?;
            return Ok(Box::new(Cursor::new(self.conversions.clean(path, file)?)));
        }
        if content.small().and_then(key_of_pointer).is_some() {
            return content.reader().map_err(self.scratch_error());
        }
        let naming = self.naming(path)?;
        if !self.belongs_in_annex(path, &naming, &mut content)? {
            return content.reader().map_err(self.scratch_error());
        }
        Ok(Box::new(Cursor::new(self.store(&naming, &mut content)?)))
    }

    /// How the key of a file is made, if it gets one.
    fn naming(&self, path: &RepoPath) -> Result<Naming> {
        let tracked = self.tracked_key(path)?;
        let name = match &tracked {
            Some(key) if Backend::parse(key.backend()).is_some() => key.backend().to_string(),
            _ => self.backend(path)?,
        };
        Ok(Naming {
            backend: Backend::parse(name.as_bytes()).map_or(Backend::Sha256, |(backend, _)| backend),
            extension: naming::extension(path, self.settings.max_extension_length, self.settings.max_extensions),
            tracked,
            name,
        })
    }

    fn key_of(&self, naming: &Naming, digest: &str, size: u64) -> Key {
        match &naming.tracked {
            Some(same) if self.is_content_of(same, &naming.name, digest, size) => same.clone(),
            _ => naming::key_for(&naming.name, digest, size, &naming.extension),
        }
    }

    /// True if a file is to be annexed, by the settings, or because it was and has not changed, or because its content is.
    fn belongs_in_annex(&self, path: &RepoPath, naming: &Naming, content: &mut Spool) -> Answer<bool> {
        let tracked = naming.tracked.as_ref();
        match self.destination(path, tracked.is_some(), content)? {
            Destination::Annex => Ok(true),
            Destination::Git if tracked.is_none() => Ok(false),
            Destination::Git | Destination::WhereItIs => {
                let mut hasher = Hasher::new(naming.backend);
                content
                    .each_part(&mut |part| hasher.update(part))
                    .map_err(self.scratch_error())?;
                let key = self.key_of(naming, &hasher.finish(), content.size());
                Ok(tracked.map_or_else(|| self.store.is_present(&key), |same| *same == key))
            }
        }
    }

    /// Stores content, and returns the pointer to its key.
    fn store(&self, naming: &Naming, content: &mut Spool) -> Answer<Vec<u8>> {
        if self.settings.securehashesonly && !naming.backend.is_secure() {
            return Err(Failure::File(Error::Refused(format!(
                "annex.securehashesonly forbids keys of the backend {}; nothing was stored",
                naming.name
            ))));
        }
        let file = content.file().map_err(self.scratch_error())?;
        let making = content.path();
        let making = making.as_deref().map_or(Making::Copy, Making::Link);
        let ingested = self.store.ingest(&file, naming.backend, making, None)?;
        let key = self.key_of(naming, &ingested.digest, ingested.size);
        let mut batch = self.store.batch()?;
        batch.add(&key, ingested.incoming);
        for (_, stored) in batch.finish() {
            stored?;
        }
        let pointer = pointer_for(&key);
        self.stored.borrow_mut().push(key);
        if self.stored.borrow().len() >= NOTED_TOGETHER {
            self.note_stored()?;
        }
        Ok(pointer)
    }

    /// True if content that hashes to `digest` is that of `key`: such a file keeps its key, though another backend may
    /// be set now, or its name may give another extension.
    fn is_content_of(&self, key: &Key, backend: &str, digest: &str, size: u64) -> bool {
        if key.size().is_some_and(|known| known != size) {
            return false;
        }
        if key.backend() == backend {
            return naming::is_of(key, backend, digest, size);
        }
        let Some((backend, _)) = Backend::parse(backend.as_bytes()) else {
            return false;
        };
        let mut hasher = Hasher::new(backend);
        let Ok(object) = self.store.open(key) else {
            return false;
        };
        // An object that is also a file of the work tree changes with it.
        if object.metadata().is_ok_and(|found| found.nlink() > 1) {
            return false;
        }
        spool::each_part(object, &mut |part| hasher.update(part)).is_ok() && hasher.finish() == digest
    }

    /// Where `git add` puts a file.
    fn destination(&self, path: &RepoPath, tracked: bool, content: &mut Spool) -> Result<Destination> {
        if !tracked && (!self.settings.git_add_to_annex || (path.is_dotfile() && !self.settings.dotfiles)) {
            return Ok(Destination::Git);
        }
        let size = content.size();
        let content = RefCell::new(content);
        let mime = || mime_of(&content.borrow_mut().file().map_err(|error| error.to_string())?);
        let large = is_large(self.annex, &self.attributes, &self.settings, path, size, &mime);
        Ok(match large.map_err(Error::Refused)? {
            Some(true) => Destination::Annex,
            Some(false) => Destination::Git,
            None if tracked => Destination::Annex,
            None => Destination::WhereItIs,
        })
    }

    fn backend(&self, path: &RepoPath) -> Result<String> {
        let [backend] = self.attributes.of(path, ["annex.backend"]).map_err(Error::Refused)?;
        Ok(match backend {
            Attribute::Text(name) if Backend::parse(&name).is_some() => name.to_string(),
            Attribute::Text(_) | Attribute::None | Attribute::Set | Attribute::Unset => self.settings.backend.clone(),
        })
    }

    /// The key of a file that the index has as annexed.
    fn tracked_key(&self, path: &RepoPath) -> Result<Option<Key>> {
        let doing = || Error::git("read the index");
        let index = Index::read_only(self.annex, &self.git)?;
        let Some(entry) = index.entry(path.as_bytes()).filter(|entry| entry.mode != GITLINK) else {
            return Ok(None);
        };
        let id = to_git(entry.oid);
        let header = self.git.odb().and_then(|odb| odb.read_header(id)).map_err(doing())?;
        if header.0 > MAX_POINTER {
            return Ok(None);
        }
        let blob = self.git.find_blob(id).map_err(doing())?;
        Ok(match entry.mode {
            SYMLINK => key_of_symlink(blob.content()),
            _ => key_of_pointer(blob.content()),
        })
    }

    /// Takes all content of a request. The lock guards the file that large content is kept in.
    fn receive(&self, packets: &mut Packets<impl Read>) -> Answer<(LockFile, Spool)> {
        let lock = LockFile::shared(&self.annex.annex_file("othertmp.lck"));
        let scratch = || self.store.make_directory("othertmp")?.new_file("clean-", 0o600);
        let (mut spool, mut failure) = (Spool::new(), None);
        // Even if it cannot be kept: git sends all of it before it listens.
        while let Some(part) = packets.next().map_err(Failure::Connection)? {
            if failure.is_none() {
                failure = spool.push(part, &scratch).err();
            }
        }
        match failure {
            Some(error) => Err(Failure::File(error)),
            None => Ok((lock?, spool)),
        }
    }

    fn scratch_error(&self) -> impl FnOnce(io::Error) -> Failure {
        let scratch = self.annex.annex_file("othertmp");
        move |error| Failure::File(Error::io("keep content in", &scratch)(error))
    }
}

/// How the key of a file is made.
struct Naming {
    /// The key that the file has in the index, and keeps if its content is the same.
    tracked: Option<Key>,
    /// The backend, as it is named in keys.
    name: String,
    backend: Backend,
    extension: Vec<u8>,
}

enum Destination {
    Annex,
    /// Git, unless it is an annexed file that was not changed: settings are not there to convert files.
    Git,
    /// The annex if the content is there already: an annexed file that was renamed without git's knowledge comes as a
    /// new one.
    WhereItIs,
}
