//! Memory that a burst of work has used is given back to the system.

/// Gives back what is free. The C library keeps it otherwise, for each of its arenas apart: a thread that has ended leaves
/// what it used there.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code, reason = "only the C library can do it")]
    // SAFETY: it takes no pointer, and may be called from any thread at any time (malloc_trim(3)).
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
