//! The report of a run: its steps, how each ended and how long it took.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::skip::Skip;

/// How a step ended.
#[derive(Debug)]
pub enum Outcome {
    /// Without an error.
    Passed,
    /// With this error.
    Failed(String),
    /// It did not run, for this reason.
    Skipped(String),
}

impl From<Result<()>> for Outcome {
    fn from(result: Result<()>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(error) => match Skip::reason(error) {
                Ok(reason) => Self::Skipped(reason),
                Err(error) => Self::Failed(format!("{error:#}")),
            },
        }
    }
}

impl Outcome {
    /// Appends it to a file as a line, with the first line of its reason, for [`results`].
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn append(&self, name: &str, file: &Path) -> Result<()> {
        let (word, reason) = match self {
            Self::Passed => ("ok", ""),
            Self::Failed(reason) => ("FAILED", reason.lines().next().unwrap_or_default()),
            Self::Skipped(reason) => ("SKIPPED", reason.lines().next().unwrap_or_default()),
        };
        let line = format!("{word}\t{name}\t{reason}\n");
        let mut file = File::options().create(true).append(true).open(file)?;
        Ok(file.write_all(line.as_bytes())?)
    }
}

/// Returns the names and the outcomes of tests, which [`Outcome::append`] has written.
///
/// # Errors
///
/// If the file can't be read, or a line is not of this form.
pub fn results(file: &Path) -> Result<Vec<(String, Outcome)>> {
    let parse = |line: &str| {
        let mut fields = line.splitn(3, '\t').map(ToOwned::to_owned);
        let (word, name, reason) = (fields.next()?, fields.next()?, fields.next()?);
        let outcome = match &*word {
            "ok" => Outcome::Passed,
            "FAILED" => Outcome::Failed(reason),
            "SKIPPED" => Outcome::Skipped(reason),
            _ => return None,
        };
        Some((name, outcome))
    };
    let text = fs::read_to_string(file)?;
    text.lines()
        .map(|line| parse(line).with_context(|| format!("not a result: {line:?}")))
        .collect()
}

/// The number of slowest entries listed at the end.
const SLOWEST: usize = 10;

struct Entry {
    name: String,
    outcome: Outcome,
    /// The duration; `None` for a single test of a test program.
    took: Option<Duration>,
}

/// The steps of a run so far.
pub struct Report {
    entries: Vec<Entry>,
    start: Instant,
}

impl Report {
    /// Begins a report.
    #[expect(clippy::new_without_default, reason = "it begins to count time")]
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            start: Instant::now(),
        }
    }

    /// Runs a step under its headline; returns its value, if it passes.
    pub fn step<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Option<T> {
        println!("\n==> {name}");
        let start = Instant::now();
        let (value, outcome) = match step() {
            Ok(value) => (Some(value), Outcome::Passed),
            Err(error) => (None, Err(error).into()),
        };
        self.add(name, outcome, start.elapsed());
        value
    }

    /// Adds a step that has run, and prints how it ended.
    pub fn add(&mut self, name: &str, outcome: Outcome, took: Duration) {
        let seconds = took.as_secs_f64();
        match &outcome {
            Outcome::Passed => println!("    ok: {name}, {seconds:.1} s"),
            Outcome::Failed(reason) => println!("    FAILED: {name}, {seconds:.1} s: {reason}"),
            Outcome::Skipped(reason) => println!("    SKIPPED: {name}: {reason}"),
        }
        self.entries.push(Entry {
            name: name.to_owned(),
            outcome,
            took: Some(took),
        });
    }

    /// Adds a test whose result was printed.
    pub fn add_test(&mut self, name: &str, outcome: Outcome) {
        self.entries.push(Entry {
            name: name.to_owned(),
            outcome,
            took: None,
        });
    }

    /// Returns the slowest entries in descending order, or none if the report is short.
    fn slowest(&self) -> Vec<&Entry> {
        let timed = self.entries.iter().filter(|entry| entry.took.is_some());
        let mut entries: Vec<&Entry> = timed.collect();
        if entries.len() <= 2 * SLOWEST {
            return Vec::new();
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.took));
        entries.truncate(SLOWEST);
        entries
    }

    /// Prints the summary, and returns the exit status: a failure if a step failed.
    pub fn finish(self) -> ExitCode {
        println!("\n==> summary, {:.0} s", self.start.elapsed().as_secs_f64());
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for Entry {
            name,
            outcome,
            took,
        } in &self.entries
        {
            let word = match outcome {
                Outcome::Passed => {
                    passed += 1;
                    "ok"
                }
                Outcome::Failed(_) => {
                    failed += 1;
                    "FAILED"
                }
                Outcome::Skipped(_) => {
                    skipped += 1;
                    "SKIPPED"
                }
            };
            let took = took.map_or_else(String::new, |took| format!("{:.1} s", took.as_secs_f64()));
            println!("{word:>8} {took:>9}  {name}");
        }
        let slowest = self.slowest();
        if !slowest.is_empty() {
            println!("\nslowest:");
        }
        for entry in slowest {
            let seconds = entry.took.unwrap_or_default().as_secs_f64();
            println!("{seconds:>16.1} s  {}", entry.name);
        }
        println!();
        for entry in &self.entries {
            if let Outcome::Skipped(reason) = &entry.outcome {
                println!("!!! SKIPPED {}: {reason}", entry.name);
            }
        }
        for entry in &self.entries {
            if let Outcome::Failed(reason) = &entry.outcome {
                println!("!!! FAILED {}: {reason}", entry.name);
            }
        }
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        if failed > 0 || passed == 0 {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Outcome, Report, SLOWEST, results};
    use crate::skip::skip;
    use anyhow::{Context as _, anyhow};

    #[test]
    fn long_reports_list_the_slowest() {
        let mut report = Report::new();
        for seconds in 0..20 {
            report.add("step", Outcome::Passed, Duration::from_secs(seconds));
        }
        assert!(report.slowest().is_empty(), "short report");
        report.add("last", Outcome::Passed, Duration::from_secs(12));
        let slowest = report
            .slowest()
            .into_iter()
            .map(|entry| entry.took.unwrap().as_secs());
        assert_eq!(
            slowest.collect::<Vec<_>>(),
            [19, 18, 17, 16, 15, 14, 13, 12, 12, 11]
        );
        assert_eq!(report.slowest().len(), SLOWEST);
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("results");
        let (failed, skipped) = ("12 ms\ttoo long\nits log", "needs root (or so)");
        for (name, outcome) in [
            ("a: the first", Outcome::Passed),
            ("b", Outcome::Failed(failed.to_owned())),
            ("c", Outcome::Skipped(skipped.to_owned())),
        ] {
            outcome.append(name, &file).unwrap();
        }
        assert_eq!(
            format!("{:?}", results(&file).unwrap()),
            "[(\"a: the first\", Passed), (\"b\", Failed(\"12 ms\\ttoo long\")), \
             (\"c\", Skipped(\"needs root (or so)\"))]"
        );
    }

    #[test]
    fn a_skip_is_not_a_failure() {
        let outcome = Outcome::from(skip("no network").context("outer"));
        assert!(matches!(outcome, Outcome::Skipped(reason) if reason == "no network"));
        let outcome = Outcome::from(Err(anyhow!("broken")));
        assert!(matches!(outcome, Outcome::Failed(reason) if reason == "broken"));
    }
}
