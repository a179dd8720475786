use std::fmt;

/// The cost of transferring content over an edge, like git-annex's `annex-cost`: lower costs are tried first. Never
/// NaN.
#[derive(Clone, Copy, PartialEq)]
pub struct Cost(f64);

impl Cost {
    /// The cost of another repository on this machine.
    pub const LOCAL: Cost = Cost(100.0);
    /// The cost of a repository on another machine.
    pub const NETWORK: Cost = Cost(200.0);

    /// Parses the value of a setting.
    pub fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok().filter(|cost: &f64| cost.is_finite()).map(Self)
    }
}

impl Eq for Cost {}

impl PartialOrd for Cost {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cost {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl fmt::Debug for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
