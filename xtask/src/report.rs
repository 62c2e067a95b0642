//! What ran, how it ended and how long it took.

use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Why a check did not run; it travels as an error, and is none.
#[derive(Debug)]
struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// What a check returns to be named as skipped.
pub(crate) fn skip<T>(why: impl Into<String>) -> Result<T> {
    Err(Skip(why.into()).into())
}

/// How a check ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

impl From<Result<()>> for Outcome {
    fn from(result: Result<()>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(error) => match error.downcast::<Skip>() {
                Ok(skip) => Self::Skipped(skip.0),
                Err(error) => Self::Failed(format!("{error:#}")),
            },
        }
    }
}

struct Entry {
    name: String,
    outcome: Outcome,
    took: Duration,
}

/// All checks of a run.
pub(crate) struct Report {
    entries: Vec<Entry>,
    start: Instant,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            start: Instant::now(),
        }
    }

    /// Runs a check under its headline.
    pub(crate) fn step(&mut self, name: &str, check: impl FnOnce() -> Result<()>) {
        println!("\n==> {name}");
        let start = Instant::now();
        let outcome = check().into();
        self.add(name, outcome, start.elapsed());
    }

    /// Notes a check that ran elsewhere, and says how it ended.
    pub(crate) fn add(&mut self, name: &str, outcome: Outcome, took: Duration) {
        let seconds = took.as_secs_f64();
        match &outcome {
            Outcome::Passed => println!("    ok: {name}, {seconds:.1} s"),
            Outcome::Failed(why) => println!("    FAILED: {name}, {seconds:.1} s: {why}"),
            Outcome::Skipped(why) => println!("    SKIPPED: {name}: {why}"),
        }
        self.entries.push(Entry {
            name: name.to_owned(),
            outcome,
            took,
        });
    }

    /// Prints the summary, and gives the exit status.
    pub(crate) fn finish(self) -> ExitCode {
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
            println!("{word:>8} {:>7.1} s  {name}", took.as_secs_f64());
        }
        println!();
        for entry in &self.entries {
            if let Outcome::Skipped(why) = &entry.outcome {
                println!("!!! SKIPPED {}: {why}", entry.name);
            }
        }
        for entry in &self.entries {
            if let Outcome::Failed(why) = &entry.outcome {
                println!("!!! FAILED {}: {why}", entry.name);
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
    use super::{Outcome, skip};
    use anyhow::{Context as _, anyhow};

    #[test]
    fn a_skip_is_no_failure() {
        let outcome = Outcome::from(skip("no network").context("outer"));
        assert!(matches!(outcome, Outcome::Skipped(why) if why == "no network"));
        let outcome = Outcome::from(Err(anyhow!("broken")));
        assert!(matches!(outcome, Outcome::Failed(why) if why == "broken"));
    }
}
