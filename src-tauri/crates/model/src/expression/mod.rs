//! git-annex's expression language: preferred content, `annex.largefiles`, `annex.addunlocked`.
