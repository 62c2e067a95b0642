//! The verbs that are for Linux, as other systems have them: skipped, and said so.

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

pub(crate) mod chaos {
    use super::{ExitCode, alone};

    pub(crate) fn run(_: &[&str]) -> ExitCode {
        alone("chaos")
    }
}

pub(crate) mod soak {
    use super::{ExitCode, alone};

    pub(crate) fn run(_: &[&str]) -> ExitCode {
        alone("soak")
    }
}

pub(crate) mod e2e {
    use super::{ExitCode, Report, alone, skipped};

    pub(crate) fn run(_: &str) -> ExitCode {
        alone("end to end")
    }

    pub(crate) fn races(_: &str) -> ExitCode {
        alone("races")
    }

    pub(crate) fn pictures() -> ExitCode {
        alone("pictures")
    }

    pub(crate) fn windows() -> ExitCode {
        alone("windows")
    }

    pub(crate) fn add_to(report: &mut Report, _: &str) {
        report.step("end to end", skipped);
    }

    pub(crate) fn add_windows_to(report: &mut Report) {
        report.step("windows", skipped);
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
