use std::fmt;
use std::sync::Arc;

/// The name of a remote in `.git/config`, such as `origin`. Only names that are also a safe part of a ref name are
/// allowed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteName(Arc<str>);

impl RemoteName {
    /// Accepts `name` if `refs/remotes/<name>/x` is a ref that git allows.
    pub fn parse(name: &str) -> Option<Self> {
        let refused = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
        let part = |part: &str| {
            !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with('.') && !part.ends_with(".lock")
        };
        let fits = name.len() <= 128 && !name.contains(refused) && !name.contains("..") && !name.contains("@{");
        (fits && name != "@" && name.split('/').all(part)).then(|| Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::RemoteName;

    #[test]
    fn only_names_that_fit_into_refs_are_remote_names() {
        for good in ["origin", "my-drive", "a/b", "été", "x.y"] {
            assert!(RemoteName::parse(good).is_some(), "{good}");
        }
        for bad in [
            "", "-x", "a b", "../x", "a..b", ".x", "x.lock", "a//b", "a\n", "@", "a:b",
        ] {
            assert!(RemoteName::parse(bad).is_none(), "{bad:?}");
        }
    }
}
