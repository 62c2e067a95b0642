//! Checks that every example runs and exits.

use std::time::Duration;

use anyhow::Result;

use super::metadata::packages;
use crate::shell::{LONG, cargo, run};
use testkit::skip::skip;

/// The time limit on a busy machine; each takes seconds.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn run_all() -> Result<()> {
    run(
        &mut cargo(&["build", "--locked", "--workspace", "--examples"]),
        LONG,
    )?;
    let mut any = false;
    for package in packages()? {
        for example in package.targets("example") {
            any = true;
            let name = &example.name;
            run(
                &mut cargo(&[
                    "run",
                    "--locked",
                    "--quiet",
                    "-p",
                    &package.name,
                    "--example",
                    name,
                ]),
                LIMIT,
            )?;
        }
    }
    if any {
        Ok(())
    } else {
        skip("there are no examples")
    }
}
