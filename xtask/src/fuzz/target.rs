//! One target: its program, its inputs, and what it said.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::{home, nice};
use crate::shell::root;

/// The longest that one input may take, in seconds, on a busy machine.
const SLOWEST: u32 = 25;
/// The most memory that a target may take, in megabytes.
const MEMORY: u32 = 3072;

pub(super) struct Target {
    name: String,
    program: PathBuf,
    /// Inputs that are kept with the source.
    corpus: PathBuf,
    /// Inputs that once made it fail.
    found: PathBuf,
    /// Inputs that this machine has come to.
    own: PathBuf,
    /// Inputs that make it fail.
    artifacts: PathBuf,
}

/// What a run came to, by what libFuzzer printed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    executions: u64,
    coverage: u64,
    a_second: u64,
    new: u64,
    /// The input that made it fail.
    artifact: Option<String>,
}

impl Outcome {
    /// Takes note of a line, which has the figures so far as words.
    fn read(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let number = |word: Option<&str>| word.and_then(|word| word.parse().ok());
        while let Some(word) = words.next() {
            match word {
                "stat::number_of_executed_units:" => {
                    self.executions = number(words.next()).unwrap_or(self.executions);
                }
                "stat::average_exec_per_sec:" => {
                    self.a_second = number(words.next()).unwrap_or(self.a_second);
                }
                "stat::new_units_added:" => self.new = number(words.next()).unwrap_or(self.new),
                "cov:" if line.starts_with('#') => {
                    self.coverage = number(words.next()).unwrap_or(self.coverage);
                }
                "to" if line.contains("Test unit written") => {
                    self.artifact = words.next().map(str::to_owned);
                }
                _ => {}
            }
        }
    }
}

impl Target {
    pub(super) fn new(name: &str, folder: &Path) -> Result<Self> {
        let target = Self {
            name: name.to_owned(),
            program: folder.join(name),
            corpus: home().join("corpus").join(name),
            found: home().join("found").join(name),
            own: root().join("target/fuzzing").join(name),
            artifacts: home().join("artifacts").join(name),
        };
        for folder in [&target.own, &target.artifacts] {
            fs::create_dir_all(folder)?;
        }
        Ok(target)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs it for so long, and fails where it does.
    pub(super) fn run(&self, limit: Duration) -> Result<()> {
        let mut command = self.command();
        command.arg(format!("-max_total_time={}", limit.as_secs()));
        command.arg("-print_final_stats=1");
        let dictionary = home().join(format!("dictionaries/{}.dict", self.name));
        if dictionary.exists() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        // It adds to the first folder only.
        let kept = [&self.own, &self.corpus, &self.found];
        command.args(kept.into_iter().filter(|folder| folder.exists()));
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let log = self.own.with_extension("log");
        let mut lines = String::new();
        let mut outcome = Outcome::default();
        let output = child.stderr.take().context("no standard error")?;
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            outcome.read(&line);
            lines.push_str(&line);
            lines.push('\n');
        }
        let status = child.wait()?;
        fs::write(&log, lines)?;
        let Outcome {
            executions,
            coverage,
            a_second,
            new,
            artifact,
        } = outcome;
        println!(
            "    {:<12} {executions:>10} executions, {a_second:>6} a second, coverage \
             {coverage}, {new} new inputs",
            self.name
        );
        if status.success() {
            return Ok(());
        }
        let Some(artifact) = artifact else {
            bail!("{status}; it printed {}", log.display());
        };
        bail!(
            "{artifact} makes it fail; it printed {}; to see it again: \
             cargo run -p tcp-echo-fuzz --bin {} {artifact}",
            log.display(),
            self.name
        )
    }

    /// Makes of the inputs kept and those of this machine the fewest that cover the same.
    pub(super) fn merge(&self) -> Result<()> {
        let merged = self.own.with_extension("merged");
        if merged.exists() {
            fs::remove_dir_all(&merged)?;
        }
        fs::create_dir_all(&merged)?;
        let mut command = self.command();
        command.arg("-merge=1").arg(&merged);
        let kept = [&self.corpus, &self.own];
        command.args(kept.into_iter().filter(|folder| folder.exists()));
        let output = command.stderr(Stdio::piped()).output()?;
        if !output.status.success() {
            bail!("{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        }
        if self.corpus.exists() {
            fs::remove_dir_all(&self.corpus)?;
        }
        fs::create_dir_all(&self.corpus)?;
        let (mut files, mut bytes) = (0, 0);
        for file in fs::read_dir(&merged)? {
            let file = file?;
            bytes += fs::copy(file.path(), self.corpus.join(file.file_name()))?;
            files += 1;
        }
        fs::remove_dir_all(&merged)?;
        println!("    {:<12} {files} inputs of {bytes} bytes", self.name);
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = nice(&self.program);
        command
            .arg(format!("-timeout={SLOWEST}"))
            .arg(format!("-rss_limit_mb={MEMORY}"))
            .arg(format!("-artifact_prefix={}/", self.artifacts.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn what_libfuzzer_prints_is_understood() {
        let mut outcome = Outcome::default();
        for line in [
            "#2\tINITED cov: 9 ft: 387 corp: 95/10899b exec/s: 0 rss: 143Mb",
            "#1438938\tDONE   cov: 92 ft: 414 corp: 99/18Kb lim: 4096 exec/s: 89933 rss: 516Mb",
            "stat::number_of_executed_units: 1438938",
            "stat::average_exec_per_sec:     89933",
            "stat::new_units_added:          267",
            "artifact_prefix='a/'; Test unit written to a/crash-0a",
        ] {
            outcome.read(line);
        }
        let expected = Outcome {
            executions: 1_438_938,
            coverage: 92,
            a_second: 89_933,
            new: 267,
            artifact: Some("a/crash-0a".to_owned()),
        };
        assert_eq!(outcome, expected);
    }
}
