//! Rewrites flags from Go's spelling to the one that clap knows.
//!
//! Go takes the argument after a flag as its value, whatever it looks like: in `-svc -mode` the
//! value of `svc` is `-mode`. So every flag and its value become one argument, `--svc=-mode`.

use clap::{Arg, ArgAction, Command};

/// Rewrites arguments, without the name of the program, to `--name=value`.
///
/// `command` has the flags. An argument that is no known flag is unchanged, for clap to refuse,
/// with one exception: an unknown name after one dash gets a second one, since clap would
/// parse it as short flags and report its first letter. Arguments from `--` on are unchanged.
/// To rewrite again changes nothing.
pub fn rewrite(command: &Command, args: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut rewritten = Vec::new();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            rewritten.push(arg);
            rewritten.extend(args);
            break;
        }
        let Some((name, value)) = split(&arg) else {
            rewritten.push(arg);
            continue;
        };
        let value = value.map(str::to_owned);
        match find(command, name) {
            Some(flag) => {
                let name = name.to_owned();
                let value = value.or_else(|| takes_next(flag).then(|| args.next()).flatten());
                rewritten.push(join(&name, value.as_deref()));
            }
            None => match switch(command, &arg, name) {
                Some(long) => rewritten.push(join(long, value.as_deref())),
                None if is_short(command, &arg) => rewritten.push(arg),
                None => rewritten.push(join(name, value.as_deref())),
            },
        }
    }
    rewritten
}

/// The names of the flags in rewritten arguments, in their order.
pub fn names(rewritten: &[String]) -> impl Iterator<Item = &str> {
    rewritten
        .iter()
        .take_while(|arg| *arg != "--")
        .filter_map(|arg| Some(split(arg)?.0))
}

/// The rewritten argument of a flag and its value.
pub fn join(name: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("--{name}={value}"),
        None => format!("--{name}"),
    }
}

/// Whether a flag is among rewritten arguments.
pub fn is_given(rewritten: &[String], name: &str) -> bool {
    names(rewritten).any(|given| given == name)
}

/// The flag of that long name.
fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(name))
}

/// Splits `-name`, `--name`, `-name=value` or `--name=value`. As in Go, a flag has a name that
/// is not empty and does not begin with a dash.
fn split(arg: &str) -> Option<(&str, Option<&str>)> {
    let rest = arg.strip_prefix('-')?;
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    let (name, value) = match rest.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (rest, None),
    };
    (!name.is_empty() && !name.starts_with('-')).then_some((name, value))
}

/// Whether the flag takes the next argument as its value.
fn takes_next(flag: &Arg) -> bool {
    matches!(flag.get_action(), ArgAction::Set | ArgAction::Append) && !flag.is_require_equals_set()
}

/// The long name of a boolean flag given by its letter, as in `-v` and `-v=false`.
fn switch<'a>(command: &'a Command, arg: &str, name: &str) -> Option<&'a str> {
    if arg.starts_with("--") {
        return None;
    }
    let flag = command.get_arguments().find(|flag| {
        flag.is_require_equals_set()
            && flag
                .get_short()
                .is_some_and(|short| name.chars().eq([short]))
    });
    flag?.get_long()
}

/// Whether the argument consists of short flags, such as `-h`.
fn is_short(command: &Command, arg: &str) -> bool {
    let Some(row) = arg.strip_prefix('-').filter(|row| !row.starts_with('-')) else {
        return false;
    };
    row.chars().all(|c| {
        command
            .get_arguments()
            .any(|arg| arg.get_short() == Some(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Flags in any spelling, values, and noise.
    fn argument() -> impl Strategy<Value = String> {
        prop_oneof![
            "-{0,3}(mode|target|web.config|live|version|V|h|v|l|mood)(=[-a-z=]{0,4})?",
            "[-=a-zµ ]{0,5}",
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn a_second_rewrite_changes_nothing(args in prop::collection::vec(argument(), 0..8)) {
            let once = rewrite(&command(), args);
            prop_assert_eq!(rewrite(&command(), once.clone()), once);
        }

        #[test]
        fn values_arrive_unchanged(value: String, dashes in 1usize..=2, joined: bool) {
            let flag = format!("{}target", "-".repeat(dashes));
            let args = if joined {
                vec![format!("{flag}={value}")]
            } else {
                vec![flag, value.clone()]
            };
            let matches = command()
                .no_binary_name(true)
                .try_get_matches_from(rewrite(&command(), args))
                .unwrap();
            let values: Vec<&String> = matches.get_many("target").unwrap().collect();
            prop_assert_eq!(values, [&value]);
        }
    }

    /// A command with every kind of flag.
    fn command() -> Command {
        Command::new("test")
            .version("1")
            .disable_version_flag(true)
            .args([
                Arg::new("mode").long("mode"),
                Arg::new("target").long("target").action(ArgAction::Append),
                Arg::new("web.config").long("web.config"),
                Arg::new("live")
                    .short('l')
                    .long("live")
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true"),
                Arg::new("version")
                    .short('V')
                    .long("version")
                    .action(ArgAction::Version),
            ])
    }

    fn rewritten(args: &[&str]) -> Vec<String> {
        rewrite(&command(), args.iter().map(ToString::to_string))
    }

    #[test]
    fn all_spellings_become_one() {
        for args in [
            &["-mode=both"][..],
            &["--mode=both"],
            &["-mode", "both"],
            &["--mode", "both"],
        ] {
            assert_eq!(rewritten(args), ["--mode=both"]);
        }
        assert_eq!(rewritten(&["-web.config", "f"]), ["--web.config=f"]);
        assert_eq!(rewritten(&["-mode="]), ["--mode="]);
        assert_eq!(rewritten(&["-mode=a=b"]), ["--mode=a=b"]);
    }

    #[test]
    fn the_next_argument_is_the_value() {
        assert_eq!(rewritten(&["-target", "mode"]), ["--target=mode"]);
        assert_eq!(
            rewritten(&["-target", "-mode", "x"]),
            ["--target=-mode", "x"]
        );
        assert_eq!(rewritten(&["--target", "--mode=x"]), ["--target=--mode=x"]);
        assert_eq!(
            rewritten(&["-target", "--", "-mode"]),
            ["--target=--", "--mode"]
        );
        assert_eq!(rewritten(&["-target", ""]), ["--target="]);
        assert_eq!(
            rewritten(&["-target=", "-mode", "x"]),
            ["--target=", "--mode=x"]
        );
    }

    #[test]
    fn a_flag_without_a_value_takes_none() {
        assert_eq!(rewritten(&["-live", "-mode", "x"]), ["--live", "--mode=x"]);
        assert_eq!(rewritten(&["-live=false"]), ["--live=false"]);
        assert_eq!(
            rewritten(&["-l", "-l=false", "--l"]),
            ["--live", "--live=false", "--l"]
        );
        assert_eq!(rewritten(&["-version", "x"]), ["--version", "x"]);
        assert_eq!(rewritten(&["-V", "-VV"]), ["-V", "-VV"]);
        assert_eq!(rewritten(&["-mode"]), ["--mode"]);
    }

    #[test]
    fn other_arguments_stay_and_unknown_flags_stay_whole() {
        for arg in ["both", "-", "", "---mode", "-=x", "--=x"] {
            assert_eq!(rewritten(&[arg]), [arg]);
        }
        assert_eq!(rewritten(&["-mood=x"]), ["--mood=x"]);
        assert_eq!(rewritten(&["--", "-mode", "x"]), ["--", "-mode", "x"]);
    }

    #[test]
    fn names_end_where_flags_end() {
        let args = rewritten(&["-mode", "--", "-live", "x", "--", "-target", "y"]);
        assert_eq!(names(&args).collect::<Vec<_>>(), ["mode", "live"]);
    }
}
