//! What the system answers, in words for people.

use std::io::{self, ErrorKind};

/// The system's answer as the end of a sentence, without its number.
#[must_use]
pub fn readable_error(error: &io::Error) -> String {
    /// `EIO`: Rust has no kind for it.
    const INPUT_OUTPUT: i32 = 5;
    let kind = error.kind();
    if kind == ErrorKind::PermissionDenied {
        "you have no permission".to_owned()
    } else if kind == ErrorKind::ReadOnlyFilesystem {
        "its disk is read-only".to_owned()
    } else if kind == ErrorKind::StorageFull || kind == ErrorKind::QuotaExceeded {
        "its disk is full".to_owned()
    } else if error.raw_os_error() == Some(INPUT_OUTPUT) {
        "its disk reports an error".to_owned()
    } else {
        let words = error.to_string();
        words.split(" (os error").next().unwrap_or(&words).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_has_a_number() {
        let words = |number| readable_error(&io::Error::from_raw_os_error(number));
        // EIO, EACCES, EROFS, ENOSPC, ENOENT.
        assert_eq!(
            [5, 13, 30, 28, 2].map(words),
            [
                "its disk reports an error",
                "you have no permission",
                "its disk is read-only",
                "its disk is full",
                "No such file or directory"
            ]
        );
        assert_eq!(readable_error(&io::Error::other("it is broken")), "it is broken");
    }
}
