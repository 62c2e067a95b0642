//! `cargo xtask ci`: every check of the project, one file each.

use std::process::ExitCode;

use anyhow::Result;

use crate::{bench, dist, e2e, fuzz};
use testkit::report::Report;
use testkit::skip::skip;

mod arrows;
mod big_endian;
mod crates;
mod dependencies;
mod examples;
mod links;
mod metadata;
mod minimal_versions;
mod no_std;
mod notes;
mod other_systems;
mod promtool;
mod readme;
mod rust;
pub(crate) mod tools;
mod workflows;

type Check = fn() -> Result<()>;

/// What cargo and linters find. Those that end soonest come first.
const LINTS: &[(&str, Check)] = &[
    ("format", rust::format),
    ("arrows between crates", arrows::allowed),
    (
        "no metrics or HTTP under the prober",
        arrows::prober_is_lean,
    ),
    ("crates are laid out alike", crates::laid_out),
    ("nothing left undone", notes::none),
    ("links in Markdown", links::resolve),
    ("commands in the README", readme::commands),
    ("actionlint on workflows", workflows::actionlint),
    ("zizmor on workflows", workflows::zizmor),
    ("promtool on rules", promtool::rules),
    ("clippy", rust::clippy),
    (
        "clippy without default features",
        rust::clippy_without_features,
    ),
    ("documentation", rust::documentation),
];

/// Everything that `cargo test` runs; the end-to-end tests come after them.
const TESTS: &[(&str, Check)] = &[
    ("tests", rust::tests),
    ("tests in the documentation", rust::doc_tests),
];

/// What takes longer, in its short form.
const SLOW: &[(&str, Check)] = &[
    ("no_std", no_std::builds),
    ("big-endian", big_endian::tests),
    ("examples", examples::run_all),
    ("benches, briefly", bench::check),
    ("cargo-machete", dependencies::used),
    ("cargo-deny", dependencies::allowed),
    ("cargo-deny advisories", dependencies::without_advisories),
];

/// What builds everything anew. Jobs of the workflow run these, each on a machine of its own.
const ON_REQUEST: &[(&str, Check)] = &[
    ("fuzzing", fuzz::check),
    ("minimal versions", minimal_versions::check),
    ("other systems", other_systems::clippy),
];

/// Runs the checks whose names contain `word`, makes artifacts, and runs the end-to-end tests, some
/// of which test those artifacts.
pub(crate) fn run(word: &str) -> ExitCode {
    let mut report = Report::new();
    for (name, check) in [LINTS, TESTS, SLOW].into_iter().flatten() {
        if name.contains(word) {
            report.step(name, check);
        }
    }
    for (name, check) in ON_REQUEST {
        if word.is_empty() {
            report.step(name, || {
                skip(format!("it takes minutes: cargo xtask ci '{name}'"))
            });
        } else if name.contains(word) {
            report.step(name, check);
        }
    }
    if dist::NAME.contains(word) {
        dist::add_to(&mut report);
    }
    if word.is_empty() {
        e2e::add_to(&mut report, "");
    }
    report.finish()
}

/// Runs all tests: those of the crates, those in the documentation, and end to end.
pub(crate) fn test() -> ExitCode {
    let mut report = Report::new();
    for (name, check) in TESTS {
        report.step(name, check);
    }
    e2e::add_to(&mut report, "");
    report.finish()
}
