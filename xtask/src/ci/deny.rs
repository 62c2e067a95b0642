//! Licences, sources and known faults of the dependencies.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::report::skip;
use crate::shell::{LONG, SHORT, cargo, has, output, root, run};

pub(super) fn offline() -> Result<()> {
    run(&mut deny(&["check", "bans", "licenses", "sources"])?, SHORT)
}

/// The database is fetched by git, which not every machine may do: there it is skipped.
pub(super) fn advisories() -> Result<()> {
    if output(&mut deny(&["fetch", "db"])?).is_err() {
        return skip("the advisory database cannot be fetched from here");
    }
    run(
        &mut deny(&["check", "--disable-fetch", "advisories"])?,
        SHORT,
    )
}

fn deny(arguments: &[&str]) -> Result<Command> {
    let mut command = cargo(&["deny", "--locked"]);
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(tool()?);
    command.env("PATH", env::join_paths(folders)?);
    command.args(arguments);
    Ok(command)
}

/// The folder of cargo-deny where it is not on the path already. Building it
/// takes minutes, so only a machine of CI does that, below `target`.
fn tool() -> Result<Option<PathBuf>> {
    let tools = root().join("target/tools");
    let folder = tools.join("bin");
    if has("cargo-deny") {
        return Ok(None);
    }
    if folder.join("cargo-deny").is_file() {
        return Ok(Some(folder));
    }
    if env::var_os("CI").is_none() {
        return skip("cargo-deny is not installed (cargo install --locked cargo-deny)");
    }
    // It is run once or twice: it need not be fast, but there soon.
    let mut install = cargo(&["install", "--locked", "--quiet", "--debug", "cargo-deny"]);
    if run(install.arg("--root").arg(&tools), LONG).is_err() {
        return skip("cargo-deny is not installed and cannot be built here");
    }
    Ok(Some(folder))
}
