//! Flags in environment variables.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};
use tcp_echo_flags::{is_given, join};

use super::error::UsageError;

/// The flags from the environment that are not among `args`, in the same form. `variable`
/// looks a variable up.
pub(super) fn flags(
    command: &Command,
    args: &[String],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<String>, UsageError> {
    let mut added = Vec::new();
    for flag in command.get_arguments() {
        let Some((name, from)) = flag.get_long().zip(variable_of_flag(flag)) else {
            continue;
        };
        if is_given(args, name) {
            continue;
        }
        let Some(value) = value(&from, &variable)? else {
            continue;
        };
        if matches!(flag.get_action(), ArgAction::Append) {
            let values = value.split(',').map(str::trim);
            added.extend(values.map(|value| join(name, Some(value))));
        } else {
            added.push(join(name, Some(&value)));
        }
    }
    Ok(added)
}

/// The value of a variable, if it is not empty.
pub(super) fn value(
    name: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<String>, UsageError> {
    let value = variable(name).filter(|value| !value.is_empty());
    value
        .map(|value| utf8(value, || name.to_owned()))
        .transpose()
}

/// The variable of a flag, if it has one: flags that only print have none.
pub(super) fn variable_of_flag(flag: &Arg) -> Option<String> {
    let only_prints = matches!(flag.get_action(), ArgAction::Help | ArgAction::Version);
    let name = flag.get_long()?;
    (!only_prints && name != "generate").then(|| variable_of(name))
}

/// The variable of a flag: `TCP_ECHO_IDLE_TIMEOUT` of `idle-timeout`.
pub(super) fn variable_of(name: &str) -> String {
    let name = name.replace(['-', '.'], "_");
    format!("TCP_ECHO_{}", name.to_ascii_uppercase())
}

/// The text of an argument or a variable, or an error that names its origin.
pub(super) fn utf8(value: OsString, origin: impl FnOnce() -> String) -> Result<String, UsageError> {
    value.into_string().map_err(|value| UsageError::NotUtf8 {
        origin: origin(),
        value: value.to_string_lossy().into_owned(),
    })
}
