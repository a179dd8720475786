//! Moving bytes from one file to another while something looks at them.

use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use nix::libc;
use rustix::fs::{FallocateFlags, OFlags};

use crate::Error;

/// From this size on, reading, writing and hashing run on threads of their own.
pub(crate) const LARGE: u64 = 8 << 20;

/// What moves at a time, and how many blocks travel between the two threads: small enough to stay in the cache.
const BLOCK: usize = 512 << 10;

/// What direct input and output wants positions, lengths and memory to be a multiple of, on every disk so far.
const ALIGNED: usize = 4096;
const BLOCKS: usize = 6;

/// How much is written before the system is asked to begin with the disk: 16 MiB.
pub(super) const WINDOW: u64 = 16_777_216;

/// Why content did not arrive as a whole.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// The caller lost interest.
    Cancelled,
    /// The source could not be read.
    Reading(io::Error),
    /// The destination could not be written.
    Writing(io::Error),
    /// All was read, but it is not what the key says.
    Wrong,
    /// Something around it failed.
    Failed(Error),
}

/// The result of moving content.
pub(crate) type Copied<T> = Result<T, Unfinished>;

impl From<Error> for Unfinished {
    fn from(error: Error) -> Self {
        Unfinished::Failed(error)
    }
}

/// How far a content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The bytes of it that are there.
    pub there: u64,
    /// Those of them that were moved there since it was last said; none while what is there already is read again.
    pub moved: u64,
}

/// Whom to tell how far it is, and who may end it.
pub(crate) struct Onlooker<'p> {
    pub(crate) progress: &'p dyn Fn(Reached),
    pub(crate) cancelled: Option<&'p AtomicBool>,
}

impl Onlooker<'_> {
    fn reached(&self, there: u64, moved: u64) -> Copied<()> {
        (self.progress)(Reached { there, moved });
        match self.cancelled {
            Some(cancelled) if cancelled.load(Ordering::Relaxed) => Err(Unfinished::Cancelled),
            _ => Ok(()),
        }
    }
}

/// Takes the content as it passes by, in order.
pub(super) type Absorb<'h> = dyn FnMut(&[u8]) + Send + 'h;

/// Reads a small file of about `size` bytes in one go; what has grown meanwhile is read to its end.
pub(super) fn read_small(source: &File, size: u64) -> Copied<Vec<u8>> {
    let expected = usize::try_from(size).unwrap_or(0);
    let mut content = vec![0; expected + 1];
    let mut filled = 0;
    loop {
        match read_some(source, filled as u64, &mut content[filled..])? {
            0 => break,
            n => filled += n,
        }
        // The usual case: all there, and a second read that returns 0 is saved.
        if filled == expected {
            break;
        }
        if filled == content.len() {
            content.resize(filled * 2, 0);
        }
    }
    content.truncate(filled);
    Ok(content)
}

/// Copies `source` from position `start` on to the same position of `dest`, which holds the bytes before it already, and
/// shows every byte to `absorb`. Returns the size that `dest` has then.
///
/// `expected` is the size that is likely; from [`LARGE`] on it decides that reading, writing and absorbing each have a
/// thread, so that the whole takes as long as the slowest of them, not as long as all. Large content goes past the page cache where
/// the file system can: it has to be on disk before anybody may know of it, and would push out what others use. So does
/// reading from a `source` that is itself an object.
///
/// Of a `source` with holes, what is zeros becomes a hole again: a disk image takes no more room than it did.
pub(super) fn copy(
    source: Source<'_>,
    dest: &File,
    start: u64,
    expected: u64,
    absorb: Option<&mut Absorb<'_>>,
    onlooker: &Onlooker<'_>,
) -> Copied<u64> {
    let large = expected.saturating_sub(start) >= LARGE;
    let has_holes = source.has_holes();
    if large && !has_holes {
        preallocate(dest, start, expected)?;
    }
    let mut to = Writer::new(dest, start, large, has_holes);
    let mut from = Reader::new(source, start, large);
    let write = |part: &[u8]| {
        to.write(part)
            .and_then(|()| onlooker.reached(to.position, part.len() as u64))
    };
    let outcome = if large {
        pipeline(move |block| from.read(block), write, absorb)
    } else {
        in_turn(move |block| from.read(block), write, absorb)
    };
    match outcome {
        // A hole at the end was not written.
        Ok(()) => dest.set_len(to.position).map_err(Unfinished::Writing)?,
        Err(why) => {
            // Frees what was allocated beyond what is there; the rest is where the next attempt resumes.
            let _ = dest.set_len(to.position);
            return Err(why);
        }
    }
    Ok(to.position)
}

/// Shows the first `size` bytes of `file` to `absorb`, reading and absorbing on threads of their own when it is large.
/// Returns how many there were, which is less only if the file is shorter.
pub(super) fn show(file: &File, size: u64, absorb: &mut Absorb<'_>, onlooker: &Onlooker<'_>) -> Copied<u64> {
    let mut from = Reader::new(Source::File(file), 0, false);
    let read = move |block: &mut Block| {
        let most = usize::try_from(size - from.position).map_or(BLOCK, |left| left.min(BLOCK));
        from.read(&mut block[..most])
    };
    let mut position = 0;
    let pass = |part: &[u8]| {
        position += part.len() as u64;
        onlooker.reached(position, 0)
    };
    if size < LARGE {
        in_turn(read, pass, Some(absorb))?;
    } else {
        pipeline(read, pass, Some(absorb))?;
    }
    Ok(position)
}

/// Reads, passes on and absorbs block by block.
fn in_turn(
    mut read: impl FnMut(&mut Block) -> Copied<usize>,
    mut pass: impl FnMut(&[u8]) -> Copied<()>,
    mut absorb: Option<&mut Absorb<'_>>,
) -> Copied<()> {
    let mut block = Block::new();
    loop {
        let filled = read(&mut block)?;
        if filled == 0 {
            return Ok(());
        }
        if let Some(absorb) = &mut absorb {
            absorb(&block[..filled]);
        }
        pass(&block[..filled])?;
    }
}

/// Does the same with a thread that reads and one that absorbs, and a few blocks going round: past the page cache both
/// disks have something to do all the time, and the processor too.
fn pipeline(
    mut read: impl FnMut(&mut Block) -> Copied<usize> + Send,
    mut pass: impl FnMut(&[u8]) -> Copied<()>,
    absorb: Option<&mut Absorb<'_>>,
) -> Copied<()> {
    let (empty_to, empty_from) = sync_channel::<Block>(BLOCKS);
    let (filled_to, filled_from) = sync_channel::<Copied<(Block, usize)>>(BLOCKS);
    for _ in 0..BLOCKS {
        let _ = empty_to.try_send(Block::new());
    }
    // Each end only closes when the others are done, or when one panicked, which the scope hands on.
    thread::scope(move |scope| {
        scope.spawn(move || {
            for mut block in empty_from {
                let filled = match read(&mut block) {
                    Ok(0) => break,
                    Ok(filled) => Ok((block, filled)),
                    Err(why) => Err(why),
                };
                let is_last = filled.is_err();
                if filled_to.send(filled).is_err() || is_last {
                    break;
                }
            }
        });
        // Only one of them gives blocks back to the reader: when that ends, so does the reader.
        let next = match absorb {
            None => Next::Reader(empty_to),
            Some(absorb) => {
                let (passed_to, passed_from) = sync_channel::<(Block, usize)>(BLOCKS);
                scope.spawn(move || {
                    for (block, filled) in passed_from {
                        absorb(&block[..filled]);
                        let _ = empty_to.send(block);
                    }
                });
                Next::Absorber(passed_to)
            }
        };
        for filled in filled_from {
            let (block, filled) = filled?;
            pass(&block[..filled])?;
            match &next {
                Next::Reader(empty_to) => _ = empty_to.send(block),
                Next::Absorber(passed_to) => _ = passed_to.send((block, filled)),
            }
        }
        Ok(())
    })
}

/// Who gets a block that was passed on.
enum Next {
    Reader(SyncSender<Block>),
    Absorber(SyncSender<(Block, usize)>),
}

/// Where content is read from.
#[derive(Clone, Copy)]
pub(super) enum Source<'f> {
    /// Somebody's file, most likely just written and still in memory.
    File(&'f File),
    /// An object, which was written past the page cache.
    Object(&'f File),
}

impl Source<'_> {
    fn has_holes(self) -> bool {
        let (Source::File(file) | Source::Object(file)) = self;
        has_holes(file)
    }
}

/// True for a file that takes less room than its size.
pub(super) fn has_holes(file: &File) -> bool {
    file.metadata()
        .is_ok_and(|found| found.blocks().saturating_mul(512) < found.len())
}

/// A block of memory that direct input and output can use.
struct Block {
    bytes: Vec<u8>,
    start: usize,
}

impl Block {
    fn new() -> Self {
        let bytes = vec![0; BLOCK + ALIGNED];
        let start = bytes.as_ptr().align_offset(ALIGNED).min(ALIGNED);
        Self { bytes, start }
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + BLOCK]
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + BLOCK]
    }
}

/// Makes what goes through this descriptor pass the page cache, or not. False where the file system cannot.
fn set_direct(file: &File, direct: bool) -> bool {
    let flags = rustix::fs::fcntl_getfl(file);
    flags.is_ok_and(|mut flags| {
        flags.set(OFlags::DIRECT, direct);
        rustix::fs::fcntl_setfl(file, flags).is_ok()
    })
}

/// Reads blocks from a file.
struct Reader<'f> {
    file: &'f File,
    position: u64,
    direct: bool,
}

impl<'f> Reader<'f> {
    fn new(source: Source<'f>, position: u64, large: bool) -> Self {
        match source {
            Source::File(file) => Self {
                file,
                position,
                direct: false,
            },
            Source::Object(file) => Self {
                file,
                position,
                direct: large && set_direct(file, true),
            },
        }
    }

    /// Fills as much of `block` as there is: less than its length only at the end.
    fn read(&mut self, block: &mut [u8]) -> Copied<usize> {
        let filled = self.fill(block)?;
        self.position += filled as u64;
        Ok(filled)
    }

    fn fill(&mut self, block: &mut [u8]) -> Copied<usize> {
        let mut filled = 0;
        if self.direct {
            match self.file.read_at(block, self.position) {
                Ok(n) if n == block.len() => return Ok(n),
                // The end, or a file system that refuses: the rest is read in the ordinary way.
                Ok(n) => filled = n,
                Err(_) => {}
            }
            self.direct = !set_direct(self.file, false);
        }
        read_block(self.file, self.position + filled as u64, &mut block[filled..]).map(|rest| filled + rest)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if self.direct {
            set_direct(self.file, false);
        }
    }
}

/// Fills as much of `block` as there is: less than its length only at the end.
fn read_block(source: &File, position: u64, block: &mut [u8]) -> Copied<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match read_some(source, position + filled as u64, &mut block[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// Reads once; 0 at the end.
fn read_some(source: &File, position: u64, block: &mut [u8]) -> Copied<usize> {
    loop {
        match source.read_at(block, position) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome.map_err(Unfinished::Reading),
        }
    }
}

/// Writes at the end of a file and keeps the disk busy meanwhile, so that the final sync has little left to do.
struct Writer<'f> {
    file: &'f File,
    position: u64,
    begun: u64,
    direct: bool,
    leaves_holes: bool,
}

static ZEROS: [u8; ALIGNED] = [0; ALIGNED];

impl<'f> Writer<'f> {
    fn new(file: &'f File, position: u64, large: bool, leaves_holes: bool) -> Self {
        Self {
            file,
            position,
            begun: position,
            direct: large && position.is_multiple_of(ALIGNED as u64) && set_direct(file, true),
            leaves_holes,
        }
    }

    fn write(&mut self, part: &[u8]) -> Copied<()> {
        if !self.leaves_holes {
            return self.put(part);
        }
        let mut rest = part;
        while !rest.is_empty() {
            let (length, is_hole) = run(rest);
            match is_hole {
                true => self.position += length as u64,
                false => self.put(&rest[..length])?,
            }
            rest = &rest[length..];
        }
        Ok(())
    }

    fn put(&mut self, part: &[u8]) -> Copied<()> {
        if self.direct {
            let written = match part.len() % ALIGNED {
                0 => self.file.write_all_at(part, self.position),
                // The end of the content, which no disk block ends with.
                _ => Err(io::ErrorKind::InvalidInput.into()),
            };
            match written {
                Ok(()) => {
                    self.position += part.len() as u64;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.direct = !set_direct(self.file, false);
                    self.begun = self.position;
                }
                Err(error) => return Err(Unfinished::Writing(error)),
            }
        }
        self.file
            .write_all_at(part, self.position)
            .map_err(Unfinished::Writing)?;
        self.position += part.len() as u64;
        if self.position - self.begun >= WINDOW {
            begin_writeback(self.file, self.begun, self.position - self.begun);
            self.begun = self.position;
        }
        Ok(())
    }
}

/// How many bytes at the beginning are all of chunks of zeros, or all of others.
fn run(part: &[u8]) -> (usize, bool) {
    let is_zeros = |chunk: &[u8]| *chunk == ZEROS[..chunk.len()];
    let mut chunks = part.chunks(ALIGNED);
    let Some(first) = chunks.next() else {
        return (0, false);
    };
    let is_hole = is_zeros(first);
    let more = chunks.take_while(|chunk| is_zeros(chunk) == is_hole);
    (first.len() + more.map(<[u8]>::len).sum::<usize>(), is_hole)
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if self.direct {
            set_direct(self.file, false);
        }
    }
}

/// Takes the room at once: a full disk is found out before anything is copied. The size stays what is written, since
/// that is where a transfer resumes.
fn preallocate(dest: &File, start: u64, expected: u64) -> Copied<()> {
    match rustix::fs::fallocate(dest, FallocateFlags::KEEP_SIZE, start, expected - start) {
        Err(errno @ (rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)) => {
            let _ = dest.set_len(start);
            Err(Unfinished::Writing(errno.into()))
        }
        // Not every file system can; then the end of the disk is met on the way.
        _ => Ok(()),
    }
}

/// Asks the system to begin writing a part of the file. Only a hint: what fails here is reported by the final sync.
#[allow(unsafe_code, reason = "neither rustix nor nix offers sync_file_range")]
pub(super) fn begin_writeback(file: &File, from: u64, length: u64) {
    let (Ok(from), Ok(length)) = (i64::try_from(from), i64::try_from(length)) else {
        return;
    };
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and the call touches no memory of ours.
    unsafe {
        libc::sync_file_range(file.as_raw_fd(), from, length, libc::SYNC_FILE_RANGE_WRITE);
    }
}

#[cfg(test)]
mod tests;
