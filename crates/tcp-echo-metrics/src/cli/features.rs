//! Flags of optional features that this build lacks.

use std::ffi::OsString;

use super::VARIABLES;
use super::error::UsageError;

/// Each feature with flags, whether it is built in, and its flags.
const FEATURES: [(&str, bool, &[&str]); 4] = [
    (
        "discovery",
        cfg!(feature = "discovery"),
        &["dns-max", "dns-stale"],
    ),
    (
        "service",
        cfg!(feature = "service"),
        &["svc", "svc-name", "svc-user", "svc-account"],
    ),
    ("terminal", cfg!(feature = "terminal"), &["live"]),
    ("tls", cfg!(feature = "tls"), &["web.config.file"]),
];

/// Refuses flags of missing features, on the command line and in the environment. To ignore
/// them could be dangerous: without `web.config.file` the endpoints have neither TLS nor users.
pub(super) fn refuse_missing(
    args: &[String],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(), UsageError> {
    refuse(&FEATURES, args, variable)
}

fn refuse(
    features: &[(&'static str, bool, &[&str])],
    args: &[String],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(), UsageError> {
    let missing = features.iter().filter(|(_, is_built_in, _)| !is_built_in);
    let flags =
        missing.flat_map(|(feature, _, flags)| flags.iter().map(move |flag| (feature, flag)));
    for (feature, flag) in flags {
        let name = VARIABLES.of(flag);
        let origin = if tcp_echo_flags::is_given(args, flag) {
            format!("-{flag}")
        } else if tcp_echo_flags::value(&name, &variable)?.is_some() {
            name
        } else {
            continue;
        };
        return Err(UsageError::MissingFeature { origin, feature });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::flags::Flags;

    #[test]
    fn a_flag_exists_if_its_feature_is_built_in() {
        let command = Flags::command();
        for (feature, is_built_in, flags) in FEATURES {
            for flag in flags {
                let exists = command
                    .get_arguments()
                    .any(|arg| arg.get_long() == Some(flag));
                assert_eq!(exists, is_built_in, "{flag} of {feature}");
            }
        }
    }

    #[test]
    fn flags_of_missing_features_are_refused_by_name() {
        let features = [
            ("tls", false, &["web.config.file"][..]),
            ("x", true, &["y"]),
        ];
        let refused = |args: &[&str], set: Option<&str>| {
            let args: Vec<String> = args.iter().map(ToString::to_string).collect();
            let variable = |name: &str| set.filter(|set| *set == name).map(Into::into);
            let refused = refuse(&features, &args, variable);
            refused.err().map(|error| error.to_string())
        };
        assert_eq!(refused(&["--y=1", "--mode=both"], None), None);
        let error = "-web.config.file needs a build with the feature tls";
        assert_eq!(
            refused(&["--web.config.file=a"], None).as_deref(),
            Some(error)
        );
        let error = "TCP_ECHO_WEB_CONFIG_FILE needs a build with the feature tls";
        assert_eq!(
            refused(&[], Some("TCP_ECHO_WEB_CONFIG_FILE")).as_deref(),
            Some(error)
        );
    }
}
