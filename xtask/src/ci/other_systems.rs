//! Clippy for Windows and macOS, whose conditional code is not checked on Linux.

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
