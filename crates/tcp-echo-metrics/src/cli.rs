//! The command line: Go's spelling and the usual one, the environment behind it,
//! and a [`Config`] of plain types at the end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, CommandFactory, FromArgMatches};

mod config;
mod duration;
mod error;
mod flags;
mod generate;
mod rewrite;
mod short_help;
mod target;
mod values;

pub use config::{
    ClientConfig, Config, IpFamily, Mode, Output, Percent, ReportConfig, ServerConfig,
    ServiceAction, ServiceOptions, Timestamps, WatchConfig,
};
pub use duration::{DurationError, GoDuration};
pub use error::UsageError;
pub use target::{TargetError, TargetSpec};

use flags::Flags;

/// The exit status of bad usage.
const BAD_USAGE: u8 = 2;

/// Why there is nothing to run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The help, the version or what [`parse`] can generate was asked for; this is its
    /// text.
    #[error("{0}")]
    Print(String),
    /// The command line or the environment is wrong.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

impl Stop {
    /// Prints what there is to say, to standard output or standard error, and gives
    /// the exit status: 0 for a text asked for, 2 for bad usage.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Print(text) => match io::stdout().write_all(text.as_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
                _ => ExitCode::SUCCESS,
            },
            Self::Usage(error) => {
                // With standard error closed the status has to speak alone.
                let _ = writeln!(io::stderr(), "tcp-echo-metrics: {error}\ntry --help");
                ExitCode::from(BAD_USAGE)
            }
        }
    }
}

/// Reads a command line, without the program's name, and the environment behind it.
///
/// `variable` looks an environment variable up. Each flag has one: `TCP_ECHO_` and
/// its name in capitals with `_` for `-` and `.`. It counts where the command line
/// doesn't give the flag; empty, it counts as unset; for a repeatable flag, commas
/// separate the values.
///
/// # Errors
/// [`Stop::Usage`] for what can't be used, [`Stop::Print`] for `--help`, `--version` and
/// `--generate`.
pub fn parse<T: Into<OsString>>(
    args: impl IntoIterator<Item = T>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Config, Stop> {
    let mut command = Flags::command();
    let args = (1..)
        .zip(args)
        .map(|(position, arg)| text(arg.into(), || format!("argument {position}")));
    let args = args.collect::<Result<Vec<_>, _>>()?;
    let is_short = short_help::is_wanted(&args);
    let args = rewrite::rewrite(&command, args);
    // Go would ignore what follows, and with it what its author meant.
    if let Some(argument) = args.iter().skip_while(|arg| *arg != "--").nth(1) {
        return Err(UsageError::Unexpected(argument.clone()).into());
    }
    let environment = from_environment(&command, &args, variable)?;

    let from_variable = |name: &str| rewrite::names(&environment).any(|given| given == name);
    let origin = |name: &str| {
        if from_variable(name) {
            variable_of(name)
        } else {
            format!("-{name}")
        }
    };
    let all: Vec<String> = environment.iter().chain(&args).cloned().collect();
    let flags = command
        .try_get_matches_from_mut(&all)
        .and_then(|matches| Flags::from_arg_matches(&matches))
        .map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp if is_short => Stop::Print(short_help::text(Flags::command())),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Print(error.to_string()),
            _ => match UsageError::from_clap(&error, origin) {
                UsageError::Unexpected(argument) if config::is_among(&args, "targets") => {
                    UsageError::UnexpectedFile(argument).into()
                }
                error => error.into(),
            },
        })?;
    if let Some(what) = flags.generate {
        return Err(Stop::Print(what.text(&command, flags::EXAMPLES)));
    }
    let given = all
        .into_iter()
        .filter(|arg| !is_about_the_service(arg) && arg != "--");
    Ok(flags.into_config(given.collect(), origin)?)
}

/// The names of the flags whose values are files, as the help shows them.
pub fn file_flags() -> Vec<String> {
    let command = Flags::command();
    let takes_file = |flag: &Arg| {
        let names = flag.get_value_names().unwrap_or_default();
        names.iter().any(|name| name.as_str() == "FILE")
    };
    command
        .get_arguments()
        .filter(|flag| takes_file(flag))
        .filter_map(|flag| flag.get_long().map(str::to_owned))
        .collect()
}

/// Whether a rewritten argument is `svc` or one of its kin.
fn is_about_the_service(arg: &str) -> bool {
    let name = arg.split('=').next().unwrap_or_default();
    name == "--svc" || name.starts_with("--svc-")
}

/// What the environment adds to `args`, in the same form.
fn from_environment(
    command: &Command,
    args: &[String],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<String>, UsageError> {
    let mut added = Vec::new();
    for flag in command.get_arguments() {
        let Some((name, from)) = flag.get_long().zip(variable_of_flag(flag)) else {
            continue;
        };
        if rewrite::names(args).any(|given| given == name) {
            continue;
        }
        let Some(value) = variable(&from).filter(|value| !value.is_empty()) else {
            continue;
        };
        let value = text(value, || variable_of(name))?;
        if matches!(flag.get_action(), ArgAction::Append) {
            let values = value.split(',').map(str::trim);
            added.extend(values.map(|value| rewrite::join(name, Some(value))));
        } else {
            added.push(rewrite::join(name, Some(&value)));
        }
    }
    Ok(added)
}

/// The environment variable of a flag, if it has one: what is only printed has none.
fn variable_of_flag(flag: &Arg) -> Option<String> {
    let on_request = matches!(flag.get_action(), ArgAction::Help | ArgAction::Version);
    let name = flag.get_long()?;
    (!on_request && name != "generate").then(|| variable_of(name))
}

/// The environment variable of a flag: `TCP_ECHO_IDLE_TIMEOUT` of `idle-timeout`.
fn variable_of(name: &str) -> String {
    let name = name.replace(['-', '.'], "_");
    format!("TCP_ECHO_{}", name.to_ascii_uppercase())
}

/// The text of an argument or a variable, or an error that says which it is.
fn text(value: OsString, origin: impl FnOnce() -> String) -> Result<String, UsageError> {
    value.into_string().map_err(|value| UsageError::NotUtf8 {
        origin: origin(),
        value: value.to_string_lossy().into_owned(),
    })
}
