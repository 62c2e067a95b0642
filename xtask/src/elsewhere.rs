//! The verbs that are for Linux, as other systems have them: skipped, and reported so.

use std::process::ExitCode;

use anyhow::Result;

use crate::report::{Report, skip};

pub(crate) mod bench {
    use super::{ExitCode, Result, alone, skipped};

    pub(crate) fn run(_: &[&str]) -> ExitCode {
        alone("benches")
    }

    pub(crate) fn runs() -> Result<()> {
        skipped()
    }
}

pub(crate) mod races {
    use super::{ExitCode, alone};

    pub(crate) fn run(_: &str) -> ExitCode {
        alone("races")
    }
}

/// A report of nothing else.
fn alone(verb: &str) -> ExitCode {
    let mut report = Report::new();
    report.step(verb, skipped);
    report.finish()
}

fn skipped() -> Result<()> {
    skip("it is for Linux")
}
