//! Checks of the dependencies: licences, sources, known vulnerabilities, and unused ones.

use anyhow::Result;

use super::tools;
use crate::shell::{SHORT, output, run};
use testkit::skip::skip;

/// Checks bans, licences and sources according to deny.toml.
pub(super) fn allowed() -> Result<()> {
    let mut deny = tools::of_cargo("cargo-deny")?;
    deny.args(["--locked", "check", "bans", "licenses", "sources"]);
    run(&mut deny, SHORT)
}

/// Checks for known vulnerabilities. The database is fetched with git, which some networks block.
pub(super) fn without_advisories() -> Result<()> {
    let mut fetch = tools::of_cargo("cargo-deny")?;
    if output(fetch.args(["--locked", "fetch", "db"])).is_err() {
        return skip("the advisory database can't be fetched");
    }
    let mut deny = tools::of_cargo("cargo-deny")?;
    deny.args(["--locked", "check", "--disable-fetch", "advisories"]);
    run(&mut deny, SHORT)
}

/// Finds dependencies that no source file names.
pub(super) fn used() -> Result<()> {
    run(&mut tools::of_cargo("cargo-machete")?, SHORT)
}
