use std::cell::RefCell;

use rustix::io::Errno;

thread_local! {
    static FAULT: RefCell<Option<(Vec<u8>, Errno)>> = const { RefCell::new(None) };
}

/// What the system refuses to a user, it grants to root; so a test says what it refuses.
pub(super) fn seam(path: &[u8]) -> rustix::io::Result<()> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    FAULT.with_borrow(|fault| match fault {
        Some((at, errno)) if at == path => Err(*errno),
        _ => Ok(()),
    })
}
