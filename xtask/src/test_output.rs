//! Parses test results from the output of `cargo test`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use testkit::report::Outcome;

/// The results of a run of `cargo test`.
pub(crate) struct Results {
    /// The name and outcome of each test.
    pub(crate) tests: Vec<(String, Outcome)>,
    /// An error if the run was interrupted.
    pub(crate) complete: Result<()>,
}

/// Runs the command, prints its output and parses the results.
pub(crate) fn of(command: &mut Command) -> Result<Results> {
    let arguments = command.get_args().map(|word| word.to_string_lossy());
    let line = arguments.collect::<Vec<_>>().join(" ");
    println!("    $ cargo {line}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo does not start")?;
    let output = child.stdout.take().context("no output")?;
    let mut reader = Reader::default();
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        reader.line(&line);
    }
    Ok(reader.finish(child.wait()?.success()))
}

/// A line-based parser.
#[derive(Default)]
struct Reader {
    tests: Vec<(String, Outcome)>,
    /// The numbers of passed, failed and ignored tests in the summaries of the test programs.
    counted: [usize; 3],
    /// The failed test whose message is in the next line.
    failed: Option<String>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if let Some(failed) = self.failed.take() {
            self.explain(&failed, line);
        } else if let Some(summary) = line.strip_prefix("test result: ") {
            for (sum, word) in self.counted.iter_mut().zip(["passed", "failed", "ignored"]) {
                *sum += count(summary, word);
            }
        } else if let Some(test) = line.strip_prefix("test ") {
            self.tests.extend(result(test));
        } else if let Some(name) = line.strip_prefix("---- ") {
            let name = name.trim_end_matches(" ----");
            self.failed = Some(name.trim_end_matches(" stdout").to_owned());
        }
    }

    /// Sets the message of a failed test to its first line.
    fn explain(&mut self, name: &str, line: &str) {
        for (test, outcome) in &mut self.tests {
            if test == name && matches!(outcome, Outcome::Failed(_)) {
                *outcome = Outcome::Failed(line.to_owned());
            }
        }
    }

    fn finish(self, succeeded: bool) -> Results {
        Results {
            complete: self.complete(succeeded),
            tests: self.tests,
        }
    }

    fn complete(&self, succeeded: bool) -> Result<()> {
        let mut named = [0; 3];
        for (_, outcome) in &self.tests {
            named[match outcome {
                Outcome::Passed => 0,
                Outcome::Failed(_) => 1,
                Outcome::Skipped(_) => 2,
            }] += 1;
        }
        ensure!(
            named == self.counted,
            "passed, failed and ignored tests: {:?} in the summaries, but {named:?} listed",
            self.counted
        );
        ensure!(named != [0; 3], "no test ran");
        ensure!(succeeded || named[1] > 0, "cargo test failed");
        Ok(())
    }
}

/// Parses the number before a word in a summary.
fn count(summary: &str, word: &str) -> usize {
    let words: Vec<&str> = summary.split([' ', ';', '.']).collect();
    let pair = words.windows(2).find(|pair| pair[1] == word);
    pair.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

/// Parses the name and the outcome in a test's line.
fn result(test: &str) -> Option<(String, Outcome)> {
    let (name, result) = test.split_once(" ... ")?;
    let outcome = match result {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed("no message".to_owned()),
        _ => {
            // `ignored, REASON` as libtest prints it, `ignored (REASON)` as libtest-mimic does.
            let reason = result.strip_prefix("ignored")?;
            let reason = match reason.strip_prefix(" (") {
                Some(reason) => reason.strip_suffix(')').unwrap_or(reason),
                None => reason.trim_start_matches(", "),
            };
            let reason = if reason.is_empty() {
                "no reason"
            } else {
                reason
            };
            Outcome::Skipped(reason.to_owned())
        }
    };
    Some((name.trim_end().to_owned(), outcome))
}

#[cfg(test)]
mod tests {
    use super::{Reader, Results};

    const OUTPUT: &str = "
running 5 tests
test short                ... ok
test no root: it needs it ... ignored (network namespaces need root (or so))
test a broken one         ... FAILED

failures:

---- a broken one ----
12 ms ... too long
    | test log ... ok


failures:
    a broken one

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.10s

running 2 tests
test plain ... ok
test other ... ignored, takes the terminal
test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    fn read(output: &str, succeeded: bool) -> Results {
        let mut reader = Reader::default();
        output.lines().for_each(|line| reader.line(line));
        reader.finish(succeeded)
    }

    #[test]
    fn outcomes_and_reasons_are_parsed() {
        let results = read(OUTPUT, false);
        results.complete.unwrap();
        let shown: Vec<_> = results
            .tests
            .iter()
            .map(|(name, outcome)| format!("{name}: {outcome:?}"))
            .collect();
        assert_eq!(
            shown,
            [
                "short: Passed",
                "no root: it needs it: Skipped(\"network namespaces need root (or so)\")",
                "a broken one: Failed(\"12 ms ... too long\")",
                "plain: Passed",
                "other: Skipped(\"takes the terminal\")",
            ]
        );
    }

    #[test]
    fn an_interrupted_run_is_an_error() {
        let cut = OUTPUT.replace("test plain ... ok\n", "");
        assert!(
            read(&cut, false).complete.is_err(),
            "a test without its name"
        );
        assert!(read("", false).complete.is_err(), "no test at all");
        assert!(read("", true).complete.is_err(), "no test at all");
        let passed = "test a ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored;\n";
        read(passed, true).complete.unwrap();
        assert!(
            read(passed, false).complete.is_err(),
            "another program failed"
        );
    }
}
