//! Every bench runs once, as a test.

use std::fs;

use anyhow::Result;

use super::metadata::packages;
use crate::report::skip;
use crate::shell::{LONG, cargo, run};

/// Benches by criterion take a test run for what it is; those that count
/// instructions under valgrind do not.
pub(super) fn run_all() -> Result<()> {
    let mut any = false;
    for package in packages()? {
        for bench in package.targets("bench") {
            if !fs::read_to_string(&bench.source)?.contains("criterion") {
                println!("    not by criterion, not run: {}", bench.name);
                continue;
            }
            any = true;
            let name = &bench.name;
            run(
                &mut cargo(&[
                    "bench",
                    "--locked",
                    "-p",
                    &package.name,
                    "--bench",
                    name,
                    "--",
                    "--test",
                ]),
                LONG,
            )?;
        }
    }
    if any {
        Ok(())
    } else {
        skip("there are no benches by criterion")
    }
}
