//! What kind of content a file has, as libmagic says it, which git-annex asks too.
//!
//! The library is the one of the system, opened when it is first needed: few folders have rules about kinds of content,
//! and the others need not have it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, OnceLock, PoisonError};

use model::expression::Mime;
use nix::libc;

/// Type and encoding; a symlink means what it leads to, since files are named by their descriptors.
const FLAGS: c_int = 0x10 | 0x400 | 0x2;

const MISSING: &str = "the library libmagic, which tells what kind of content a file has, is not installed (on Debian: the package libmagic1)";

type Opened = *mut c_void;

struct Magic {
    opened: Opened,
    file: unsafe extern "C" fn(Opened, *const c_char) -> *const c_char,
    error: unsafe extern "C" fn(Opened) -> *const c_char,
}

// SAFETY: libmagic may be used by any thread, by one at a time; it is kept behind a mutex.
#[allow(unsafe_code, reason = "the pointer is libmagic's")]
unsafe impl Send for Magic {}

/// Tells what kind of content an open file has.
///
/// # Errors
///
/// The reason, in words for people, why it cannot be told.
pub(crate) fn mime_of(file: &File) -> Result<Mime, String> {
    static MAGIC: OnceLock<Result<Mutex<Magic>, String>> = OnceLock::new();
    let magic = MAGIC.get_or_init(|| Magic::open().map(Mutex::new)).as_ref();
    let magic = magic
        .map_err(Clone::clone)?
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    magic.mime_of(file)
}

#[allow(
    unsafe_code,
    reason = "the library is opened at run time, so that it need not be there"
)]
impl Magic {
    fn open() -> Result<Self, String> {
        // SAFETY: the functions have these signatures in every libmagic with this version in its name, which is never
        // closed again.
        unsafe {
            let library = libc::dlopen(c"libmagic.so.1".as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            if library.is_null() {
                return Err(MISSING.to_owned());
            }
            let function = |name: &CStr| match libc::dlsym(library, name.as_ptr()) {
                found if found.is_null() => Err(MISSING.to_owned()),
                found => Ok(found),
            };
            let open =
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int) -> Opened>(function(c"magic_open")?);
            let load = std::mem::transmute::<*mut c_void, unsafe extern "C" fn(Opened, *const c_char) -> c_int>(
                function(c"magic_load")?,
            );
            let file = std::mem::transmute::<*mut c_void, unsafe extern "C" fn(Opened, *const c_char) -> *const c_char>(
                function(c"magic_file")?,
            );
            let error = std::mem::transmute::<*mut c_void, unsafe extern "C" fn(Opened) -> *const c_char>(function(
                c"magic_error",
            )?);
            let opened = open(FLAGS);
            if opened.is_null() {
                return Err("libmagic cannot be used here".to_owned());
            }
            let magic = Self { opened, file, error };
            match load(opened, std::ptr::null()) {
                0 => Ok(magic),
                _ => Err(magic.trouble()),
            }
        }
    }

    fn mime_of(&self, file: &File) -> Result<Mime, String> {
        let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("because no number has a NUL");
        // SAFETY: the answer is valid until the next call, and copied before.
        let told = unsafe {
            let told = (self.file)(self.opened, path.as_ptr());
            if told.is_null() {
                return Err(self.trouble());
            }
            CStr::from_ptr(told).to_string_lossy().into_owned()
        };
        let (mime_type, rest) = told.split_once(';').unwrap_or((&told, ""));
        Ok(Mime {
            mime_type: mime_type.to_owned(),
            encoding: rest.strip_prefix(" charset=").unwrap_or_default().to_owned(),
        })
    }

    fn trouble(&self) -> String {
        // SAFETY: as above; null means that there was no error.
        let told = unsafe {
            let told = (self.error)(self.opened);
            if told.is_null() {
                "no reason given".into()
            } else {
                CStr::from_ptr(told).to_string_lossy()
            }
        };
        format!("libmagic cannot tell what kind of content it has ({told})")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::mime_of;

    /// As the program of the same library says it.
    #[test]
    fn it_is_what_file_says() {
        let directory = tempfile::tempdir().unwrap();
        let contents: [(&str, &[u8]); 6] = [
            ("text", b"some text\n"),
            ("utf8", "\u{e9}t\u{e9}\n".as_bytes()),
            ("binary", b"\0\x01\x02\x03"),
            ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0"),
            ("script", b"#!/bin/sh\nexit 0\n"),
            ("empty", b""),
        ];
        for (name, content) in contents {
            let path = directory.path().join(name);
            std::fs::write(&path, content).unwrap();
            let ours = mime_of(&File::open(&path).unwrap());
            let output = std::process::Command::new("file")
                .args(["--brief", "--mime"])
                .arg(&path)
                .output();
            if let (Ok(ours), Ok(output)) = (ours, output) {
                let theirs = String::from_utf8(output.stdout).unwrap();
                assert_eq!(
                    format!("{}; charset={}\n", ours.mime_type, ours.encoding),
                    theirs,
                    "{name}"
                );
            }
        }
    }
}
