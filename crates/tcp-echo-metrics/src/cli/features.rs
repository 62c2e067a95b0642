//! The optional features and their flags.

use tcp_echo_flags::Feature;

/// Flags of a missing feature are refused: to ignore them could be dangerous. Without
/// `web.config.file` or `metrics-user` the endpoints have neither TLS nor users.
pub(super) const FEATURES: [Feature; 4] = [
    Feature::new(
        "discovery",
        cfg!(feature = "discovery"),
        &["dns-max", "dns-stale"],
    ),
    Feature::new(
        "service",
        cfg!(feature = "service"),
        &["svc", "svc-name", "svc-user", "svc-account"],
    ),
    Feature::new("terminal", cfg!(feature = "terminal"), &["live"]),
    Feature::new(
        "tls",
        cfg!(feature = "tls"),
        &[
            "web.config.file",
            "metrics-user",
            "metrics-pass",
            "metrics-tls-cert",
            "metrics-tls-key",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::flags::Flags;

    #[test]
    fn a_flag_exists_if_its_feature_is_built_in() {
        let command = Flags::command();
        for feature in FEATURES {
            for flag in feature.flags {
                let exists = command
                    .get_arguments()
                    .any(|arg| arg.get_long() == Some(flag));
                assert_eq!(exists, feature.is_built_in, "{flag} of {}", feature.name);
            }
        }
    }
}
