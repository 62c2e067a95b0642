//! Flags in environment variables.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use crate::{FlagError, is_given, join};

/// The environment variables of flags: a prefix and the name in capitals, with `_` for `-` and
/// `.`.
///
/// ```
/// use tcp_echo_flags::Variables;
///
/// let variables = Variables { prefix: "ECHO_", without: &["generate"] };
/// assert_eq!(variables.of("idle-timeout"), "ECHO_IDLE_TIMEOUT");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Variables {
    /// The prefix of the names.
    pub prefix: &'static str,
    /// The flags without a variable, besides help and version: those that only print.
    pub without: &'static [&'static str],
}

impl Variables {
    /// The variable of a flag.
    pub fn of(&self, name: &str) -> String {
        let name = name.replace(['-', '.'], "_");
        format!("{}{}", self.prefix, name.to_ascii_uppercase())
    }

    /// The variable of a flag, if it has one.
    pub fn of_flag(&self, flag: &Arg) -> Option<String> {
        let only_prints = matches!(flag.get_action(), ArgAction::Help | ArgAction::Version);
        let name = flag.get_long()?;
        (!only_prints && !self.without.contains(&name)).then(|| self.of(name))
    }

    /// The flags from the environment that are not among `args`, in the form of
    /// [`rewrite`](crate::rewrite). `lookup` looks a variable up; an empty one counts as unset.
    /// Variables of repeatable flags separate values by commas.
    ///
    /// # Errors
    /// [`FlagError::NotUtf8`].
    pub fn flags(
        &self,
        command: &Command,
        args: &[String],
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Vec<String>, FlagError> {
        let mut added = Vec::new();
        for flag in command.get_arguments() {
            let Some((name, from)) = flag.get_long().zip(self.of_flag(flag)) else {
                continue;
            };
            if is_given(args, name) {
                continue;
            }
            let Some(value) = value(&from, &lookup)? else {
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
}

/// The value of a variable, if it is not empty. `lookup` looks it up.
///
/// # Errors
/// [`FlagError::NotUtf8`].
pub fn value(
    variable: &str,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<String>, FlagError> {
    let value = lookup(variable).filter(|value| !value.is_empty());
    value
        .map(|value| utf8(value, || variable.to_owned()))
        .transpose()
}

/// The text of an argument or a variable. `origin` is its place in errors.
///
/// # Errors
/// [`FlagError::NotUtf8`].
pub fn utf8(value: OsString, origin: impl FnOnce() -> String) -> Result<String, FlagError> {
    value.into_string().map_err(|value| FlagError::NotUtf8 {
        origin: origin(),
        value: value.to_string_lossy().into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: Variables = Variables {
        prefix: "ECHO_",
        without: &["generate"],
    };

    fn command() -> Command {
        Command::new("echo")
            .arg(Arg::new("mode").long("mode"))
            .arg(Arg::new("target").long("target").action(ArgAction::Append))
            .arg(Arg::new("generate").long("generate"))
    }

    #[test]
    fn arguments_override_variables() {
        let flags = |args: &[&str], set: &[(&str, &str)]| {
            let args: Vec<String> = args.iter().map(ToString::to_string).collect();
            let lookup = |name: &str| {
                let mut set = set.iter();
                set.find(|(key, _)| *key == name)
                    .map(|(_, value)| value.into())
            };
            VARIABLES.flags(&command(), &args, lookup).unwrap()
        };
        assert_eq!(flags(&[], &[("ECHO_MODE", "both")]), ["--mode=both"]);
        assert!(flags(&["--mode=client"], &[("ECHO_MODE", "both")]).is_empty());
        assert!(flags(&[], &[("ECHO_MODE", ""), ("ECHO_GENERATE", "man")]).is_empty());
        assert_eq!(
            flags(&[], &[("ECHO_TARGET", "a=:1, b=:2")]),
            ["--target=a=:1", "--target=b=:2"]
        );
    }
}
