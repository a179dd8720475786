//! The outcome of each change, written as soon as it is known, so that an interrupted run can resume.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

/// What came of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// This test failed.
    Noticed(String),
    /// This test did not end.
    Hung(String),
    /// All tests that reach it passed, or there is none.
    NotNoticed {
        is_reached: bool,
    },
    DoesNotCompile,
}

impl Outcome {
    fn fields(&self) -> [&str; 2] {
        match self {
            Outcome::Noticed(test) => ["noticed", test],
            Outcome::Hung(test) => ["hang", test],
            Outcome::NotNoticed { is_reached: true } => ["not noticed", ""],
            Outcome::NotNoticed { is_reached: false } => ["not reached", ""],
            Outcome::DoesNotCompile => ["does not compile", ""],
        }
    }

    fn parse(word: &str, test: &str) -> Option<Outcome> {
        Some(match word {
            "noticed" => Outcome::Noticed(test.to_owned()),
            "hang" => Outcome::Hung(test.to_owned()),
            "not noticed" => Outcome::NotNoticed { is_reached: true },
            "not reached" => Outcome::NotNoticed { is_reached: false },
            "does not compile" => Outcome::DoesNotCompile,
            _ => return None,
        })
    }
}

/// All of them, by the changes' names, and the file that they are in.
pub(super) struct Outcomes {
    file: File,
    known: BTreeMap<String, Outcome>,
}

impl Outcomes {
    /// Reads what came out of the same source before; of another source, nothing.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(super) fn open(path: &Path, digest: &str) -> Result<Outcomes> {
        let known = parse(&fs::read_to_string(path).unwrap_or_default(), digest);
        // Written again: a line may have been cut off in its middle.
        let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        let mut outcomes = Outcomes {
            file,
            known: BTreeMap::new(),
        };
        writeln!(outcomes.file, "{digest}")?;
        for (name, outcome) in known {
            outcomes.add(&name, outcome)?;
        }
        Ok(outcomes)
    }

    /// What came of a change, if that is known.
    pub(super) fn of(&self, name: &str) -> Option<&Outcome> {
        self.known.get(name)
    }

    /// Writes down what came of a change.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn add(&mut self, name: &str, outcome: Outcome) -> Result<()> {
        let [word, test] = outcome.fields();
        self.file
            .write_all(format!("{name}\t{word}\t{test}\n").as_bytes())
            .context("the outcomes cannot be written")?;
        self.known.insert(name.to_owned(), outcome);
        Ok(())
    }

    /// Lets the next run begin from the start.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(super) fn forget(&mut self) -> Result<()> {
        self.known.clear();
        self.file.set_len(0).context("the outcomes cannot be written")
    }
}

fn parse(text: &str, digest: &str) -> BTreeMap<String, Outcome> {
    let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    if lines.next() != Some(digest) {
        return BTreeMap::new();
    }
    let known = lines.filter_map(|line| {
        let mut fields = line.split('\t');
        let name = fields.next()?.to_owned();
        Some((name, Outcome::parse(fields.next()?, fields.next()?)?))
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_where_it_was_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outcomes.tsv");
        let noticed = Outcome::Noticed("annex locks::a_test".to_owned());
        let mut outcomes = Outcomes::open(&path, "1").unwrap();
        outcomes.add("a", noticed.clone()).unwrap();
        outcomes.add("b", Outcome::NotNoticed { is_reached: false }).unwrap();
        drop(outcomes);
        fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"c\tnoticed\tann")
            .unwrap();

        let outcomes = Outcomes::open(&path, "1").unwrap();
        assert_eq!(outcomes.of("a"), Some(&noticed));
        assert_eq!(outcomes.of("b"), Some(&Outcome::NotNoticed { is_reached: false }));
        assert_eq!(outcomes.of("c"), None);
        assert_eq!(Outcomes::open(&path, "2").unwrap().of("a"), None);
    }
}
