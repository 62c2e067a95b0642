//! A script of FreeBSD's rc.d, under daemon(8), which restarts the service after failures.

use super::common::{DESCRIPTION, RESTART_SECONDS};
use super::shell::{quote, quote_all};
use crate::spec::Spec;

pub(super) fn script(spec: &Spec) -> String {
    let Spec { name, .. } = spec;
    // Names of variables have no dashes and dots.
    let variable = name.replace(['-', '.'], "_");
    // FreeBSD has no privilege for low ports but root.
    let account = match &spec.account {
        Some(account) => account,
        None if spec.low_port => "root",
        None => "nobody",
    };
    let mut words = vec![
        "-S".to_owned(),
        "-T".to_owned(),
        name.clone(),
        "-R".to_owned(),
        RESTART_SECONDS.to_string(),
        "-u".to_owned(),
        account.to_owned(),
        "-P".to_owned(),
        format!("/var/run/{name}.pid"),
        "-p".to_owned(),
        format!("/var/run/{name}.child.pid"),
        spec.program.clone(),
    ];
    words.extend(spec.arguments.iter().cloned());
    // rc.subr evaluates the arguments again after the assignment.
    let words = quote(&quote_all(&words));
    format!(
        r#"#!/bin/sh
# Written by tcp-echo-metrics -svc=install, which replaces it when run again.
#
# PROVIDE: {variable}
# REQUIRE: LOGIN NETWORKING
# KEYWORD: shutdown

. /etc/rc.subr

name="{variable}"
desc="{DESCRIPTION}"
rcvar="{variable}_enable"

load_rc_config "${{name}}"
: "${{{variable}_enable:=NO}}"

pidfile="/var/run/{name}.pid"
command="/usr/sbin/daemon"
command_args={words}

extra_commands="reload"
reload_cmd="{variable}_reload"

{variable}_reload()
{{
	kill -HUP "$(cat "/var/run/{name}.child.pid")"
}}

run_rc_command "$1"
"#
    )
}
