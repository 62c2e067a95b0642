//! Checks links in Markdown.

use anyhow::Result;

use super::tools;
use crate::shell::{SHORT, root, run};

/// Checks links to files of the repository and to their headings. Links to other hosts are not
/// checked, so that the check does not depend on the network.
pub(super) fn resolve() -> Result<()> {
    let packages = ["remark-cli@12.0.1", "remark-validate-links@13.1.0"];
    let mut command = tools::of_npm("remark", &packages)?;
    let plugin = root().join("target/tools/remark/node_modules/remark-validate-links/index.js");
    command
        .args([
            "--frail",
            "--quiet",
            "--no-stdout",
            "--ignore-pattern",
            "target",
        ])
        .arg(format!("--use={}=repository:false", plugin.display()));
    run(command.arg("."), SHORT)
}
