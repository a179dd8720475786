use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for a lock, also if whoever held it panicked.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Work that panicked ended as a failure; what it left is facts, each true by itself.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
