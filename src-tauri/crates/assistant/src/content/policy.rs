//! The rules for what may be transferred between a folder and its places: by place, directory and direction.

use model::{RemoteName, RepoPath};

use crate::facts::Direction;

/// The exchange that is allowed with a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exchange {
    /// Names and content, both ways.
    Everything,
    /// Names, but no content.
    GitOnly,
    /// Names, and content sent to the remote.
    ContentUp,
    /// Names, and content received from the remote.
    ContentDown,
    /// Nothing. Names are exchanged as whole commits, so for a single directory this bars only its content.
    Nothing,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The remote that it applies to; none for all.
    pub remote: Option<RemoteName>,
    /// The directory that it applies to, with everything below it; none for the whole folder.
    pub directory: Option<RepoPath>,
    /// The exchange that is allowed.
    pub exchange: Exchange,
}

/// The rules of one folder. Of several rules that match a file, the one with the longest directory wins; then one that
/// names the remote; then the last. Without rules, everything is exchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    rules: Vec<Rule>,
}

impl Exchange {
    fn allows(self, direction: Direction) -> bool {
        match (self, direction) {
            (Exchange::Everything, _)
            | (Exchange::ContentUp, Direction::Send)
            | (Exchange::ContentDown, Direction::Get) => true,
            (Exchange::GitOnly | Exchange::Nothing, _)
            | (Exchange::ContentUp, Direction::Get)
            | (Exchange::ContentDown, Direction::Send) => false,
        }
    }
}

impl Policy {
    /// Creates a policy from rules in the order in which they were written.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// The rules, in the order in which they were written.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// True if commits are exchanged with a remote.
    pub fn allows_git(&self, remote: &RemoteName) -> bool {
        self.exchange(remote, None) != Exchange::Nothing
    }

    /// True if a key may be transferred in that direction, that is, if any of its files may.
    pub fn allows(&self, remote: &RemoteName, direction: Direction, files: &[RepoPath]) -> bool {
        let mut files = files.iter();
        self.allows_git(remote) && files.any(|file| self.exchange(remote, Some(file)).allows(direction))
    }

    /// True if no content is barred in that direction.
    pub fn is_open(&self, remote: &RemoteName, direction: Direction) -> bool {
        let mut concerned = self.rules.iter().filter(|rule| rule.concerns(remote));
        concerned.all(|rule| rule.exchange.allows(direction))
    }

    /// True if all content is barred in that direction.
    pub fn is_closed(&self, remote: &RemoteName, direction: Direction) -> bool {
        let concerned = || self.rules.iter().filter(|rule| rule.concerns(remote));
        concerned().any(|rule| rule.directory.is_none()) && concerned().all(|rule| !rule.exchange.allows(direction))
    }

    /// The exchange allowed for a file, or, without a file, for the folder as a whole.
    fn exchange(&self, remote: &RemoteName, file: Option<&RepoPath>) -> Exchange {
        let concerned = self.rules.iter().filter(|rule| {
            let covers = match (&rule.directory, file) {
                (None, _) => true,
                (Some(directory), Some(file)) => file.is_within(directory),
                (Some(_), None) => false,
            };
            rule.concerns(remote) && covers
        });
        let length = |rule: &&Rule| {
            let directory = rule.directory.as_ref();
            (
                directory.map_or(0, |directory| directory.as_bytes().len()),
                rule.remote.is_some(),
            )
        };
        // Of equal rules, the last wins.
        concerned
            .max_by_key(length)
            .map_or(Exchange::Everything, |rule| rule.exchange)
    }
}

impl Rule {
    fn concerns(&self, remote: &RemoteName) -> bool {
        self.remote.as_ref().is_none_or(|named| named == remote)
    }
}

#[cfg(test)]
mod tests {
    use model::{RemoteName, RepoPath};
    use proptest::prelude::*;

    use super::{Exchange, Policy, Rule};
    use crate::facts::Direction::{self, Get, Send};

    fn remote(name: &str) -> RemoteName {
        RemoteName::parse(name).unwrap()
    }

    fn path(name: &str) -> RepoPath {
        RepoPath::parse(name.as_bytes()).unwrap()
    }

    fn rule(of: &str, directory: &str, exchange: Exchange) -> Rule {
        Rule {
            remote: RemoteName::parse(of),
            directory: RepoPath::parse(directory.as_bytes()).ok(),
            exchange,
        }
    }

    /// Whether commits, content sent and content received are allowed.
    fn allowed(policy: &Policy, of: &str, file: &str) -> (bool, bool, bool) {
        let (remote, files) = (remote(of), [path(file)]);
        let content = |direction| policy.allows(&remote, direction, &files);
        (policy.allows_git(&remote), content(Send), content(Get))
    }

    #[test]
    fn each_mode_allows_the_exchange_it_names() {
        for (exchange, whole, directory) in [
            (Exchange::Everything, (true, true, true), (true, true, true)),
            (Exchange::GitOnly, (true, false, false), (true, false, false)),
            (Exchange::ContentUp, (true, true, false), (true, true, false)),
            (Exchange::ContentDown, (true, false, true), (true, false, true)),
            (Exchange::Nothing, (false, false, false), (true, false, false)),
        ] {
            let policy = Policy::new(vec![rule("usb", "", exchange)]);
            assert_eq!(allowed(&policy, "usb", "raw/a"), whole, "{exchange:?}");
            assert_eq!(allowed(&policy, "nas", "raw/a"), (true, true, true));
            let policy = Policy::new(vec![rule("usb", "raw", exchange)]);
            assert_eq!(allowed(&policy, "usb", "raw/a"), directory, "{exchange:?}");
            assert_eq!(allowed(&policy, "usb", "rawer/a"), (true, true, true));
        }
    }

    #[test]
    fn the_longest_directory_wins_then_the_named_remote_then_the_last() {
        let policy = Policy::new(vec![
            rule("usb", "raw/keep", Exchange::Everything),
            rule("usb", "raw", Exchange::GitOnly),
            rule("", "raw", Exchange::ContentUp),
            rule("", "", Exchange::ContentDown),
            rule("", "", Exchange::GitOnly),
        ]);
        assert_eq!(allowed(&policy, "usb", "raw/keep/x"), (true, true, true));
        assert_eq!(allowed(&policy, "usb", "raw/x"), (true, false, false));
        assert_eq!(allowed(&policy, "nas", "raw/x"), (true, true, false));
        assert_eq!(allowed(&policy, "nas", "other"), (true, false, false));
    }

    #[test]
    fn a_key_with_several_files_is_allowed_if_one_of_them_is() {
        let policy = Policy::new(vec![rule("usb", "raw", Exchange::Nothing)]);
        let both = [path("raw/a"), path("a")];
        assert!(policy.allows(&remote("usb"), Send, &both));
        assert!(!policy.allows(&remote("usb"), Send, &both[..1]));
        assert!(!policy.allows(&remote("usb"), Send, &[]), "nobody names it");
    }

    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        let exchange = prop::sample::select(vec![
            Exchange::Everything,
            Exchange::GitOnly,
            Exchange::ContentUp,
            Exchange::ContentDown,
            Exchange::Nothing,
        ]);
        let rule = (
            prop::sample::select(vec!["", "usb", "nas"]),
            prop::sample::select(vec!["", "a", "a/b", "c"]),
            exchange,
        )
            .prop_map(|(of, directory, exchange)| rule(of, directory, exchange));
        prop::collection::vec(rule, 0..6)
    }

    proptest! {
        /// An open or closed direction is decided without checking files, so it must agree with the check of each file.
        #[test]
        fn open_and_closed_directions_agree_with_the_check_of_each_file(
            rules in rules(),
            file in prop::sample::select(vec!["x", "a/x", "a/b/x", "c/x"]),
            up in any::<bool>(),
        ) {
            let policy = Policy::new(rules);
            let direction: Direction = if up { Send } else { Get };
            if policy.is_open(&remote("usb"), direction) {
                prop_assert!(policy.allows(&remote("usb"), direction, &[path(file)]));
            }
            if policy.is_closed(&remote("usb"), direction) {
                prop_assert!(!policy.allows(&remote("usb"), direction, &[path(file)]));
            }
        }
    }
}
