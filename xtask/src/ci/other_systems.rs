//! Clippy as it is on Windows and on macOS: what is left out there, or is there alone, can't
//! be seen on Linux.

use anyhow::Result;

use crate::dist;
use crate::shell::{LONG, run, target_dir};

pub(super) fn clippy() -> Result<()> {
    for mut command in dist::clippy_for_other_systems()? {
        command
            .args([
                "--locked",
                "--workspace",
                "--all-targets",
                "--quiet",
                "--keep-going",
            ])
            .env("CARGO_TARGET_DIR", target_dir().join("other-systems"));
        run(&mut command, LONG)?;
    }
    Ok(())
}
