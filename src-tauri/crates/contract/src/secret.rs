use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that only its receiver may see. It is overwritten when it is not needed any more.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Secret(String);

impl Secret {
    /// Makes a text secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        std::hint::black_box(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_receiver_sees_it() {
        let secret = Secret::new("open sesame".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"open sesame\"");
    }
}
