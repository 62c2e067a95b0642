//! Stubs of the Linux-only verbs for other systems, which report them as skipped.

use std::process::ExitCode;

use anyhow::Result;

use crate::report::{Report, skip};

pub(crate) mod bench {
    use super::{ExitCode, Result, report_skipped, skipped};

    pub(crate) fn run(_: &[&str]) -> ExitCode {
        report_skipped("benches")
    }

    pub(crate) fn runs() -> Result<()> {
        skipped()
    }
}

pub(crate) mod races {
    use super::{ExitCode, report_skipped};

    pub(crate) fn run(_: &str) -> ExitCode {
        report_skipped("races")
    }
}

/// Reports the verb as skipped.
fn report_skipped(verb: &str) -> ExitCode {
    let mut report = Report::new();
    report.step(verb, skipped);
    report.finish()
}

fn skipped() -> Result<()> {
    skip("Linux only")
}
