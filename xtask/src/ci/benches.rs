//! Every bench runs once, as a test.

use std::fs;

use anyhow::Result;

use super::metadata::packages;
use crate::report::skip;
use crate::shell::{LONG, cargo, run};

/// As `cargo test` starts them, benches by criterion run everything once; those that count
/// instructions under valgrind do not. Unoptimized they are built in a fraction of the time.
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
            let arguments = ["test", "--locked", "-p", &package.name, "--bench", name];
            run(&mut cargo(&arguments), LONG)?;
        }
    }
    if any {
        Ok(())
    } else {
        skip("there are no benches by criterion")
    }
}
