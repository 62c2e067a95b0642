//! Runs scenarios as tests: most of them in parallel, those that measure alone.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;
use std::{env, fs, panic};

use anyhow::{Context as _, Result, anyhow};
use libtest_mimic::{Arguments, Completion, Trial};
use tempfile::TempDir;
use testkit::context::Context;
use testkit::report::Outcome;
use testkit::shell::{LONG, cargo, run as run_command, target_dir};
use testkit::tools::{self, Tool};
use testkit::{limits, netns};

/// The environment variable with the path of the binary to test. Without it, the binary is built.
const BINARY: &str = "TCP_ECHO_E2E_BINARY";
/// The environment variable with the path of a file to which each result is appended.
const RESULTS: &str = "TCP_ECHO_E2E_RESULTS";

/// The number of test threads. Scenarios mostly sleep, so it may exceed the number of cores.
const THREADS: usize = 4;

/// A scenario. `run` returns an error if the test fails.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The programs that it requires.
    pub(crate) tools: &'static [Tool],
    /// Whether it requires root, as network namespaces do.
    pub(crate) root: bool,
    /// Whether it must not run in parallel with others, because it measures or causes load.
    pub(crate) alone: bool,
    pub(crate) run: fn(&Context) -> Result<()>,
}

/// The defaults of a scenario: no requirements, may run in parallel.
pub(crate) const PLAIN: Scenario = Scenario {
    name: "",
    tools: &[],
    root: false,
    alone: false,
    run: |_| Ok(()),
};

/// Runs the scenarios selected by the command line, with the arguments of libtest.
pub(crate) fn run(scenarios: impl IntoIterator<Item = &'static Scenario>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let mut scenarios: Vec<&Scenario> = scenarios.into_iter().collect();
    // Scenarios that run alone come last.
    scenarios.sort_by_key(|scenario| scenario.alone);
    let is_selected = |scenario: &&Scenario| {
        let trial = Trial::test(scenario.name, || Ok(()));
        !arguments.is_filtered_out(&trial)
    };
    let selected: Vec<&Scenario> = scenarios.iter().copied().filter(is_selected).collect();
    if arguments.list || selected.is_empty() {
        let trials = scenarios.iter().map(|one| Trial::test(one.name, || Ok(())));
        return libtest_mimic::run(&arguments, trials.collect()).exit_code();
    }
    let binary = match Binary::get() {
        Ok(binary) => Arc::new(binary),
        Err(error) => {
            eprintln!("no binary to test: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = tools::install(selected.iter().flat_map(|scenario| scenario.tools)) {
        eprintln!("{error:#}");
    }
    limits::raise_open_files();
    netns::sweep();
    let others = Arc::new(RwLock::new(()));
    let trials = scenarios.into_iter().map(|scenario| {
        let (binary, others) = (Arc::clone(&binary), Arc::clone(&others));
        Trial::ignorable_test(scenario.name, move || {
            let outcome = if let Err(reason) = tools::usable(scenario.tools, scenario.root) {
                Outcome::Skipped(reason)
            } else if scenario.alone {
                let _guard = others.write().unwrap_or_else(PoisonError::into_inner);
                run_one(scenario, &binary.path)
            } else {
                let _guard = others.read().unwrap_or_else(PoisonError::into_inner);
                run_one(scenario, &binary.path)
            };
            if let Some(file) = env::var_os(RESULTS) {
                outcome.append(scenario.name, Path::new(&file))?;
            }
            match outcome {
                Outcome::Passed => Ok(Completion::Completed),
                Outcome::Skipped(reason) => Ok(Completion::ignored_with(reason)),
                Outcome::Failed(message) => Err(message.into()),
            }
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// The binary under test.
struct Binary {
    path: PathBuf,
    /// The folder of the copy, if there is one.
    _folder: Option<TempDir>,
}

impl Binary {
    /// Returns the binary from the environment, or else builds the release binary and copies it, since
    /// another build may replace it while the scenarios run.
    fn get() -> Result<Self> {
        if let Some(path) = env::var_os(BINARY) {
            let path = fs::canonicalize(&path)
                .with_context(|| format!("{BINARY} names {}", path.display()))?;
            return Ok(Self {
                path,
                _folder: None,
            });
        }
        let mut command = cargo(&["build", "--locked", "--release", "-p", "tcp-echo-metrics"]);
        run_command(&mut command, LONG)?;
        let built = target_dir().join("release/tcp-echo-metrics");
        let folder = TempDir::with_prefix("tcp-echo-e2e-")?;
        let path = folder.path().join("tcp-echo-metrics");
        fs::copy(&built, &path).with_context(|| built.display().to_string())?;
        Ok(Self {
            path,
            _folder: Some(folder),
        })
    }
}

/// Runs a scenario and prints its notes; on failure, the message contains the ends of its logs.
fn run_one(scenario: &Scenario, binary: &Path) -> Outcome {
    let start = Instant::now();
    let context = match Context::new(binary) {
        Ok(context) => context,
        Err(error) => return Err(error).into(),
    };
    let run = panic::AssertUnwindSafe(|| (scenario.run)(&context));
    let result = panic::catch_unwind(run)
        .unwrap_or_else(|panic| Err(anyhow!("panicked: {}", panic_text(&*panic))));
    let (outcome, notes) = (Outcome::from(result), context.notes());
    match outcome {
        Outcome::Failed(error) => Outcome::Failed(format!("{error}\n{notes}{}", context.logs())),
        Outcome::Passed => {
            let seconds = start.elapsed().as_secs_f64();
            // In one write, and not to standard output, which has the results.
            eprint!("    {}: {seconds:.1} s\n{notes}", scenario.name);
            Outcome::Passed
        }
        skipped @ Outcome::Skipped(_) => skipped,
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text")
}
