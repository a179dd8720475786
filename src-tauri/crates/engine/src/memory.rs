//! Gives memory back to the system after a burst of work.

/// How many memory arenas the C library keeps for all threads.
///
/// Its default is eight per processor, and each keeps the memory of a past burst. Two are enough for threads that
/// mostly read, write and hash.
#[cfg(target_env = "gnu")]
const ARENAS: nix::libc::c_int = 2;

/// Makes the threads share a few memory arenas. Must be called before they start.
pub(crate) fn share() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "only the C library can do it")]
    // SAFETY: it takes no pointer, and may be called at any time (mallopt(3)).
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, ARENAS);
    }
}

/// Gives free memory back to the system. Otherwise the C library keeps it, separately for each arena, even after the
/// thread that used it has ended.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "only the C library can do it")]
    // SAFETY: it takes no pointer, and may be called from any thread at any time (malloc_trim(3)).
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
