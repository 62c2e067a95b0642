//! A help of the most common flags.

use clap::{Arg, Command};

/// The help of `command` with only these flags, by long names, each with a short help instead of
/// its own. `examples` is its end.
///
/// ```
/// use clap::{Arg, Command};
/// use tcp_echo_flags::short_help;
///
/// let flag = |name| Arg::new(name).long(name).help("A long explanation");
/// let command = Command::new("echo").args([flag("mode"), flag("seldom")]);
/// let help = short_help(command, &[("mode", "What to run")], "echo --mode both");
/// assert!(help.contains("What to run") && help.contains("echo --mode both"));
/// assert!(!help.contains("seldom"));
/// ```
pub fn short_help(
    command: Command,
    flags: &[(&str, &'static str)],
    examples: &'static str,
) -> String {
    let shorten = |flag: Arg| {
        let of = |(name, _): &&(&str, &str)| flag.get_long() == Some(*name);
        match flags.iter().find(of) {
            Some((_, help)) => {
                // A default of false goes without saying.
                let is_off = flag.get_default_values() == ["false"];
                flag.help(*help).hide_default_value(is_off)
            }
            None => flag.hide(true),
        }
    };
    let mut command = command
        .next_line_help(false)
        .after_help(examples)
        .mut_args(shorten);
    command.render_help().to_string()
}
