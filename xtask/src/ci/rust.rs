//! What cargo itself checks.

use anyhow::Result;

use crate::shell::{LONG, SHORT, cargo, has, run};

/// The package whose test programs are a step of their own.
const END_TO_END: &str = "tcp-echo-e2e";
const NOT_END_TO_END: &str = "not (package(tcp-echo-e2e) & kind(test))";

pub(super) fn format() -> Result<()> {
    run(&mut cargo(&["fmt", "--all", "--", "--check"]), SHORT)
}

pub(super) fn clippy() -> Result<()> {
    let arguments = "clippy --locked --workspace --all-targets -- -D warnings";
    run(&mut split(arguments), LONG)
}

/// Without default features, parts that belong to none must not need one.
pub(super) fn clippy_without_features() -> Result<()> {
    let arguments = "clippy --locked --no-default-features --all-targets -p tcp-echo-metrics \
                     -p tcp-echo-exporter -p tcp-echo-targets -- -D warnings";
    run(&mut split(arguments), LONG)
}

pub(super) fn documentation() -> Result<()> {
    let mut command = split("doc --locked --workspace --no-deps");
    run(command.env("RUSTDOCFLAGS", "-D warnings"), LONG)
}

pub(super) fn tests() -> Result<()> {
    if has("cargo-nextest") {
        let mut command = split("nextest run --locked --workspace --no-fail-fast -E");
        run(command.arg(NOT_END_TO_END), LONG)
    } else {
        let arguments = "test --locked --workspace --lib --bins --tests --no-fail-fast";
        run(split(arguments).args(["--exclude", END_TO_END]), LONG)?;
        run(split("test --locked --lib -p").arg(END_TO_END), LONG)
    }
}

pub(super) fn doc_tests() -> Result<()> {
    run(
        &mut split("test --locked --workspace --doc --no-fail-fast"),
        LONG,
    )
}

fn split(arguments: &str) -> std::process::Command {
    cargo(&arguments.split_whitespace().collect::<Vec<_>>())
}
