//! Checks that the `no_std` crates build without the standard library.

use std::fs;

use anyhow::{Result, bail};

use crate::shell::{LONG, cargo, has, output, program, root, run};
use testkit::skip::skip;

const CRATES: [&str; 2] = ["tcp-echo-wire", "tcp-echo-loss"];

/// Checks that the crates declare `no_std` and build for a target without the standard library.
pub(super) fn builds() -> Result<()> {
    for name in CRATES {
        let file = root().join("crates").join(name).join("src/lib.rs");
        if !fs::read_to_string(file)?.contains("\n#![no_std]") {
            bail!("{name} is not #![no_std]");
        }
    }
    let Some(target) = bare_target()? else {
        return skip(
            "both crates say #![no_std]; no target without a standard library is installed \
             (rustup target add thumbv7em-none-eabi)",
        );
    };
    for name in CRATES {
        run(
            &mut cargo(&["check", "--locked", "--package", name, "--target", &target]),
            LONG,
        )?;
    }
    Ok(())
}

fn bare_target() -> Result<Option<String>> {
    if !has("rustup") {
        return Ok(None);
    }
    let installed = output(&mut program("rustup", &["target", "list", "--installed"]))?;
    Ok(installed
        .lines()
        .find(|target| target.contains("-none"))
        .map(ToOwned::to_owned))
}
