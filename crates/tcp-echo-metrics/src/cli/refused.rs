//! Flags of the original's versions over UDP that have no meaning here, and what to use instead.

use tcp_echo_flags::is_given;

use super::error::UsageError;

const LOG: &str = "log lines go to standard error, or to the log of the service; redirect them, \
                   as in 2>>FILE";
const SECRET: &str = "it protects UDP from forged senders, and TCP has none; restrict the \
                      clients with -allow";

/// Each flag, and the advice.
const FLAGS: [(&str, &str); 13] = [
    ("echo-secret", SECRET),
    ("echo-secret-old", SECRET),
    ("log-file", LOG),
    ("log-file-max-age", LOG),
    ("log-file-max-backups", LOG),
    ("log-file-max-mb", LOG),
    ("mem-scavenge", "memory is freed without it; omit it"),
    (
        "metrics-allow-insecure",
        "a password without TLS is accepted, with a warning; omit it",
    ),
    (
        "metrics-gzip",
        "responses are compressed for clients that accept it; omit it",
    ),
    ("mtu-sweep", "use -mtu-probe"),
    ("payload", "a probe has a fixed size; omit it"),
    (
        "reconnect-interval",
        "names are looked up again while the connection lasts; use -dns-refresh",
    ),
    (
        "targets-reload-interval",
        "changes of targets files are followed; omit it",
    ),
];

/// Refuses these flags among rewritten arguments.
pub(super) fn refuse(args: &[String]) -> Result<(), UsageError> {
    match FLAGS.iter().find(|(name, _)| is_given(args, name)) {
        Some((name, advice)) => Err(UsageError::OfOriginal {
            flag: format!("-{name}"),
            advice,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::flags::Flags;

    #[test]
    fn no_flag_of_this_program_is_refused() {
        let command = Flags::command();
        for (name, _) in FLAGS {
            let exists = command
                .get_arguments()
                .any(|arg| arg.get_long() == Some(name));
            assert!(!exists, "{name}");
        }
    }
}
