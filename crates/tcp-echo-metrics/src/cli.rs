//! The command line and the environment, parsed into a [`Config`].

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use tcp_echo_flags::{FlagError, Variables, is_given, refuse_missing, utf8};

mod config;
mod error;
mod features;
mod flags;
mod generate;
mod man;
mod refused;
#[cfg(feature = "service")]
mod service;
mod short_help;
mod validate;
mod values;
#[cfg(feature = "tls")]
mod web_options;

#[cfg(feature = "service")]
pub use config::ServiceAction;
pub use config::{ClientConfig, Config, Hello, IpFamily, Mode, ServerConfig, Timestamps};
pub use error::UsageError;

use features::FEATURES;
use flags::Flags;

const VARIABLES: Variables = Variables {
    prefix: "TCP_ECHO_",
    without: &["generate"],
};

/// Variables of the original, and those that replace them here.
const ORIGINAL_VARIABLES: [(&str, &str); 2] = [
    ("TCP_ECHO_METRICS_USER", "TCP_PING_METRICS_USER"),
    ("TCP_ECHO_METRICS_PASS", "TCP_PING_METRICS_PASS"),
];

/// The exit status of bad usage.
pub const BAD_USAGE: u8 = 2;

/// There is nothing to run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The text of the help, of the version, or of `-generate`.
    #[error("{0}")]
    Print(String),
    /// The command line or the environment is wrong.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

impl From<FlagError> for Stop {
    fn from(error: FlagError) -> Self {
        Self::Usage(error.into())
    }
}

impl Stop {
    /// Prints the text to standard output, or the error to standard error. Returns the exit
    /// status: 0 or 2.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Print(text) => match io::stdout().write_all(text.as_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
                _ => ExitCode::SUCCESS,
            },
            Self::Usage(error) => {
                // If standard error is closed, the exit status is all there is.
                let _ = writeln!(io::stderr(), "tcp-echo-metrics: {error}\ntry --help");
                ExitCode::from(BAD_USAGE)
            }
        }
    }
}

/// Parses a command line, without the name of the program, and the environment.
///
/// `variable` looks an environment variable up. Each flag has one: `TCP_ECHO_` and its name in
/// capitals, with `_` for `-` and `.`. The command line overrides it. An empty variable counts as
/// unset. Variables of repeatable flags separate values by commas. `TCP_PING_METRICS_USER` and
/// `TCP_PING_METRICS_PASS` are read where those of this program are unset.
///
/// # Errors
/// [`Stop::Usage`] for bad usage, [`Stop::Print`] for `-help`, `-version` and `-generate`.
pub fn parse<T: Into<OsString>>(
    args: impl IntoIterator<Item = T>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Config, Stop> {
    let mut command = Flags::command();
    let args = (1..)
        .zip(args)
        .map(|(position, arg)| utf8(arg.into(), || format!("argument {position}")));
    let args = args.collect::<Result<Vec<_>, _>>()?;
    let is_short = short_help::is_wanted(&args);
    let args = tcp_echo_flags::rewrite(&command, args);
    refused::refuse(&args)?;
    let variable = |name: &str| or_original(name, &variable);
    refuse_missing(&FEATURES, &args, &VARIABLES, variable)?;
    let variables = VARIABLES.flags(&command, &args, variable)?;

    let origin = |name: &str| {
        if is_given(&variables, name) {
            VARIABLES.of(name)
        } else {
            format!("-{name}")
        }
    };
    let all: Vec<String> = variables.iter().chain(&args).cloned().collect();
    let flags = command
        .try_get_matches_from_mut(&all)
        .and_then(|matches| Flags::from_arg_matches(&matches))
        .map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp if is_short => Stop::Print(short_help::text(Flags::command())),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Print(error.to_string()),
            _ => match FlagError::from_clap(&error, origin) {
                FlagError::InvalidArgument { value, .. } if is_given(&args, "targets") => {
                    UsageError::UnexpectedFile(value).into()
                }
                error => error.into(),
            },
        })?;
    if let Some(generate) = flags.generate {
        return Err(Stop::Print(generate.text(&command, flags::EXAMPLES)));
    }
    let given = all
        .into_iter()
        .filter(|arg| !is_of_service(arg) && !is_secret(arg) && arg != "--");
    Ok(validate::config(flags, given.collect(), origin)?)
}

/// Looks a variable up, or the one of the original that it replaces.
fn or_original(name: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<OsString> {
    let value = variable(name).filter(|value| !value.is_empty());
    value.or_else(|| {
        let original = ORIGINAL_VARIABLES.iter().find(|(ours, _)| *ours == name);
        original.and_then(|(_, original)| variable(original))
    })
}

/// Whether a rewritten argument has a secret.
fn is_secret(arg: &str) -> bool {
    let name = arg.split('=').next().unwrap_or_default();
    name == "--metrics-pass"
}

/// Whether a rewritten argument is a flag of the service.
fn is_of_service(arg: &str) -> bool {
    let name = arg.split('=').next().unwrap_or_default();
    name == "--svc" || name.starts_with("--svc-")
}
