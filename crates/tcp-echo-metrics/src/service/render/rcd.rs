//! A script of FreeBSD's rc.d, under daemon(8), which restarts what ends by itself.

use super::shell::{quote, quote_all};
use super::{DESCRIPTION, RESTART_SECONDS, Spec};

pub(super) fn script(spec: &Spec) -> String {
    let Spec { name, .. } = spec;
    // Names of variables have no dashes and dots.
    let variable = name.replace(['-', '.'], "_");
    // A port that takes a privilege takes root there.
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
    // rc.subr evaluates the arguments once more after the assignment.
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
