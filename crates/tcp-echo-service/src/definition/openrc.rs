//! A script of `OpenRC`, under its supervisor, which restarts the service after failures.

use super::common::{DESCRIPTION, MAX_FILES, RESTART_SECONDS};
use super::shell::{quote, quote_all};
use crate::spec::Spec;

/// The default account.
const ACCOUNT: &str = "nobody";

pub(super) fn script(spec: &Spec) -> String {
    let Spec { name, program, .. } = spec;
    let account = match &spec.account {
        Some(account) => account,
        // Not every build of OpenRC can give a capability instead.
        None if spec.low_port => "root",
        None => ACCOUNT,
    };
    // OpenRC evaluates the arguments again after the assignment.
    let (program, arguments) = (quote(program), quote(&quote_all(&spec.arguments)));
    let capability = if spec.low_port && spec.account.is_some() {
        "capabilities=\"^cap_net_bind_service\"\n"
    } else {
        ""
    };
    format!(
        r#"#!/sbin/openrc-run
# Written by tcp-echo-metrics -svc=install, which replaces it when run again.

description="{DESCRIPTION}"

supervisor="supervise-daemon"
command={program}
command_args={arguments}
command_user="{account}"
{capability}respawn_delay={RESTART_SECONDS}
respawn_max=0
error_log="/var/log/{name}.log"

extra_started_commands="reload"
description_reload="Read the files of targets again"

depend() {{
	need net
	after firewall
}}

start_pre() {{
	# The maximum number of open files. With rc_ulimit, the service would not start if it is too high.
	# shellcheck disable=SC3045
	ulimit -n {MAX_FILES} 2>/dev/null || ulimit -n "$(ulimit -H -n)"
	checkpath --file --owner "{account}" --mode 0640 "${{error_log}}"
}}

reload() {{
	ebegin "Reloading ${{RC_SVCNAME}}"
	supervise-daemon "${{RC_SVCNAME}}" --signal HUP
	eend $?
}}
"#
    )
}
