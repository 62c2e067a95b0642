//! Fuzzes command lines with an environment: the recorded flags of an accepted command line parse to
//! the same configuration, and a rejected one has a clean one-line error.

use std::{collections::BTreeMap, ffi::OsString};

use tcp_echo_metrics::cli::{self, Config, Stop};

use crate::text::is_clean_line;

/// The prefix of a line with an environment variable.
const VARIABLE: &str = "TCP_ECHO_";

/// The input has one argument per line, and variables as `NAME=value`.
pub fn run(data: &[u8]) {
    let Some((arguments, environment)) = command_line(data) else {
        return;
    };
    let parsed = cli::parse(arguments, |name| environment.get(name).cloned());
    match parsed {
        Ok(config) => recorded_flags_suffice(&config),
        Err(Stop::Print(text)) => assert!(!text.is_empty()),
        Err(Stop::Usage(error)) => {
            let message = error.to_string();
            assert!(is_clean_line(&message), "{message:?}");
        }
    }
}

/// Splits an input into arguments and environment; `None` if it is too large to be useful.
pub(crate) fn command_line(data: &[u8]) -> Option<(Vec<OsString>, BTreeMap<String, OsString>)> {
    if data.len() > 4096 {
        return None;
    }
    let mut arguments = Vec::new();
    let mut environment = BTreeMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let equals = line.iter().position(|byte| *byte == b'=');
        let (name, value) = line.split_at(equals.unwrap_or(line.len()));
        match (std::str::from_utf8(name), value.split_first()) {
            (Ok(name), Some((_, value))) if name.starts_with(VARIABLE) => {
                environment.insert(name.to_owned(), os_string(value));
            }
            _ => arguments.push(os_string(line)),
        }
    }
    Some((arguments, environment))
}

#[cfg(unix)]
fn os_string(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn os_string(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn recorded_flags_suffice(config: &Config) {
    let again = cli::parse(&config.given, |_| None);
    let again = again.unwrap_or_else(|stop| panic!("{:?}: {stop}", config.given));
    let expected = Config {
        service: None,
        service_options: again.service_options.clone(),
        ..config.clone()
    };
    assert_eq!(again, expected);
}
