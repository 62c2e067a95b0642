//! Checks the Prometheus rules with promtool.

use anyhow::Result;
use tcp_echo_dashboards::{rule_files, rule_tests};

use crate::shell::{SHORT, has, program, run};
use testkit::skip::skip;

/// Checks the rules, runs their tests, and checks the sample configuration.
pub(super) fn rules() -> Result<()> {
    if !has("promtool") {
        return skip("promtool is missing (Debian package prometheus)");
    }
    let promtool = |arguments: &[&str]| program("promtool", arguments);
    run(promtool(&["check", "rules"]).args(rule_files()?), SHORT)?;
    run(promtool(&["test", "rules"]).args(rule_tests()?), SHORT)?;
    run(
        &mut promtool(&["check", "config", "dashboards/provisioning/prometheus.yml"]),
        SHORT,
    )
}
