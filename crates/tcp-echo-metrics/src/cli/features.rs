//! The optional features and their flags.

use tcp_echo_flags::Feature;

/// Flags of a missing feature are refused: to ignore them could be dangerous. Without
/// `web.config.file` the endpoints have neither TLS nor users.
pub(super) const FEATURES: [Feature; 4] = [
    Feature {
        name: "discovery",
        is_built_in: cfg!(feature = "discovery"),
        flags: &["dns-max", "dns-stale"],
    },
    Feature {
        name: "service",
        is_built_in: cfg!(feature = "service"),
        flags: &["svc", "svc-name", "svc-user", "svc-account"],
    },
    Feature {
        name: "terminal",
        is_built_in: cfg!(feature = "terminal"),
        flags: &["live"],
    },
    Feature {
        name: "tls",
        is_built_in: cfg!(feature = "tls"),
        flags: &["web.config.file"],
    },
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
