//! git's long-running filter.
