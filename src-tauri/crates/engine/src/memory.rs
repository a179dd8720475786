//! Memory that a burst of work has used is given back to the system.

/// How many pools of memory the C library keeps for all threads.
///
/// It has eight for each processor by itself, and each keeps what one burst needed. Two are enough for threads that mostly
/// read, write and hash.
#[cfg(target_env = "gnu")]
const ARENAS: nix::libc::c_int = 2;

/// Has the threads share few pools of memory. To be called before they start.
pub(crate) fn share() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code, reason = "only the C library can do it")]
    // SAFETY: it takes no pointer, and may be called at any time (mallopt(3)).
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, ARENAS);
    }
}

/// Gives back what is free. The C library keeps it otherwise, for each of its pools apart: a thread that has ended leaves
/// what it used there.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code, reason = "only the C library can do it")]
    // SAFETY: it takes no pointer, and may be called from any thread at any time (malloc_trim(3)).
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
