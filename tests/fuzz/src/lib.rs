//! What the fuzz targets share: how input is cut into pieces, and how much memory is kept.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// A line of the protocol may have no more bytes than this; the crate `p2p` keeps it to itself.
pub const LONGEST_LINE: usize = 32 << 10;

/// Counts what this thread has allocated and not freed.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // The thread may be ending.
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How many bytes this thread has allocated and not freed.
pub fn live() -> isize {
    LIVE.get()
}

/// Takes a number off the beginning of the input; 0 at its end.
pub fn take(input: &mut &[u8]) -> usize {
    let Some((&first, rest)) = input.split_first() else {
        return 0;
    };
    *input = rest;
    first.into()
}

/// The same bytes again and again, more than may be kept: nothing must grow by them. They come in pieces of some length.
pub fn repeated(bytes: &[u8]) -> Vec<u8> {
    const ALL: usize = 3 * LONGEST_LINE;
    bytes.repeat(if bytes.is_empty() { 0 } else { ALL.div_ceil(bytes.len()) })
}

/// Cuts bytes into pieces, most of them of the same length; 0 cuts nothing.
pub fn pieces(bytes: &[u8], length: usize) -> impl Iterator<Item = &[u8]> {
    let length = if length == 0 { bytes.len() } else { length };
    bytes.chunks(length.max(1))
}
