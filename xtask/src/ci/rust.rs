//! What cargo itself checks.

use anyhow::Result;

use crate::shell::{LONG, SHORT, cargo, has, root, run};

pub(super) fn format() -> Result<()> {
    run(&mut cargo(&["fmt", "--all", "--", "--check"]), SHORT)
}

pub(super) fn clippy() -> Result<()> {
    let arguments = "clippy --locked --workspace --all-targets -- -D warnings";
    run(&mut split(arguments), LONG)
}

pub(super) fn documentation() -> Result<()> {
    let mut command = split("doc --locked --workspace --no-deps");
    run(command.env("RUSTDOCFLAGS", "-D warnings"), LONG)
}

pub(super) fn tests() -> Result<()> {
    if has("cargo-nextest") {
        let config = root().join("xtask/nextest.toml");
        let mut command = split("nextest run --locked --workspace --no-fail-fast");
        command
            .arg("--tool-config-file")
            .arg(format!("xtask:{}", config.display()));
        run(&mut command, LONG)
    } else {
        let arguments = "test --locked --workspace --lib --bins --tests --no-fail-fast";
        run(&mut split(arguments), LONG)
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
