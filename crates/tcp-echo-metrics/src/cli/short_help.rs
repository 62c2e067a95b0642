//! `-h`: the most common flags, on one screen.

use clap::Command;

/// Its flags, with their help.
const FLAGS: [(&str, &str); 18] = [
    ("mode", "What to run"),
    ("listen", "Address of the server"),
    ("allow", "Serve only these networks"),
    ("target", "Target to probe"),
    ("targets", "Probe the targets in this file"),
    ("interval", "Time between probes"),
    ("timeout", "Timeout of a reply"),
    ("window", "Loss window, in slots"),
    ("count", "Report after this many slots"),
    ("duration", "Report after this long"),
    ("output", "Format of the report"),
    ("max-loss", "Exit with 1 above this loss"),
    ("live", "Show the targets in the terminal"),
    ("metrics", METRICS),
    ("web.config.file", "TLS, passwords and headers"),
    ("svc", "Install or control the system service"),
    ("help", "Print this; -help prints everything"),
    ("version", "Print the version"),
];

const METRICS: &str = if cfg!(feature = "page") {
    "Address of /metrics and page"
} else {
    "Address of /metrics"
};

const EXAMPLES: &str = "\
Examples:
  tcp-echo-metrics web.example.com
  tcp-echo-metrics -mode both
  tcp-echo-metrics -mode client -target db=10.0.0.5:4000 -count 100

-help explains all flags.";

/// Whether the arguments, before rewriting, request this and not the whole help.
pub(super) fn is_wanted(args: &[String]) -> bool {
    args.iter().any(|arg| arg == "-h")
}

pub(super) fn text(command: Command) -> String {
    tcp_echo_flags::short_help(command, &FLAGS, EXAMPLES)
}

#[cfg(test)]
#[cfg(all(feature = "service", feature = "terminal", feature = "tls"))]
mod tests {
    use clap::{Arg, CommandFactory as _};

    use super::*;
    use crate::cli::flags::Flags;

    #[test]
    fn all_of_its_flags_exist() {
        let command = Flags::command();
        let names: Vec<_> = command.get_arguments().filter_map(Arg::get_long).collect();
        for (flag, _) in FLAGS {
            assert!(names.contains(&flag), "{flag}");
        }
    }
}
