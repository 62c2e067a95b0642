//! `-h`: the flags that most people need, on one screen.

use clap::{Arg, Command};

/// The flags that it has, and what it says of them.
const FLAGS: [(&str, &str); 18] = [
    ("mode", "What to run"),
    ("listen", "Where the server listens"),
    ("allow", "The networks that are served"),
    ("target", "What to probe"),
    ("targets", "Probe what this file lists"),
    ("interval", "Time between probes"),
    ("timeout", "How long a reply may take"),
    ("window", "Slots that the loss is of"),
    ("count", "Report after so many slots"),
    ("duration", "Report after this long"),
    ("output", "Format of the report"),
    ("max-loss", "Exit with 1 above this loss"),
    ("live", "Show the targets in the terminal"),
    ("metrics", "Where /metrics and the page are"),
    ("web.config.file", "TLS, passwords and headers"),
    ("svc", "Install or control the system's service"),
    ("help", "Print this; -help prints everything"),
    ("version", "Print the version"),
];

const EXAMPLES: &str = "\
Examples:
  tcp-echo-metrics -mode both
  tcp-echo-metrics -mode client -target db=10.0.0.5:4000 -count 100

-help explains these and all other flags.";

/// Whether the arguments, as they were typed, ask for this and not for the whole help.
pub(super) fn is_wanted(args: &[String]) -> bool {
    args.iter().any(|arg| arg == "-h")
}

pub(super) fn text(command: Command) -> String {
    let shorten = |flag: Arg| {
        let of = |(name, _): &&(&str, &str)| flag.get_long() == Some(*name);
        match FLAGS.iter().find(of) {
            // What is off by default needs no word of it.
            Some((name, help)) => flag.help(*help).hide_default_value(*name == "live"),
            None => flag.hide(true),
        }
    };
    let mut command = command
        .next_line_help(false)
        .after_help(EXAMPLES)
        .mut_args(shorten);
    command.render_help().to_string()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::flags::Flags;

    #[test]
    fn all_of_its_flags_are_there() {
        let command = Flags::command();
        let names: Vec<_> = command.get_arguments().filter_map(Arg::get_long).collect();
        for (flag, _) in FLAGS {
            assert!(names.contains(&flag), "{flag}");
        }
    }
}
