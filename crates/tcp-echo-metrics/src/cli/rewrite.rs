//! Go's spelling of flags, made into the one that clap knows.
//!
//! Go writes long flags with one dash, and takes the argument after a flag as its
//! value whatever it looks like: in `-svc -mode` the value of `svc` is `-mode`. Here
//! every flag and its value become one argument, `--svc=-mode`, so that clap has
//! nothing left to guess.

use clap::{Arg, ArgAction, Command};

/// Rewrites arguments (without the program's name) into `--name=value`.
///
/// What the flags are and which take values is read from `command`. An argument that
/// is no flag known there stays as it is, for clap to refuse, but for one thing: an
/// unknown word behind one dash gets a second one, since clap would take it for a
/// row of short flags and complain about the first letter. From `--` on nothing is
/// rewritten. Rewriting twice is rewriting once.
pub(super) fn rewrite(command: &Command, args: impl IntoIterator<Item = String>) -> Vec<String> {
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

/// The names of the flags that stand in rewritten arguments, in their order.
pub(super) fn names(rewritten: &[String]) -> impl Iterator<Item = &str> {
    rewritten
        .iter()
        .take_while(|arg| *arg != "--")
        .filter_map(|arg| Some(split(arg)?.0))
}

/// One argument that gives `value` to the flag `name`.
pub(super) fn join(name: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("--{name}={value}"),
        None => format!("--{name}"),
    }
}

/// The flag of that long name.
pub(super) fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(name))
}

/// `-name`, `--name`, `-name=value` or `--name=value` in its parts. A dash alone and
/// a name that is empty or begins with a dash are no flags, as in Go.
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

/// The long name of a flag that is on or off and was given by its letter, as in `-v`
/// and `-v=false`.
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

/// Whether the argument is a row of short flags, such as `-h`.
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

    /// What people and scripts may pass: flags in any spelling, values, and noise.
    fn argument() -> impl Strategy<Value = String> {
        prop_oneof![
            "-{0,3}(mode|target|web.config|live|version|V|h|v|l|mood)(=[-a-z=]{0,4})?",
            "[-=a-zµ ]{0,5}",
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn rewriting_twice_is_rewriting_once(args in prop::collection::vec(argument(), 0..8)) {
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

    /// A command of every kind of flag, also those that the real one lacks.
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
    fn both_spellings_with_and_without_equals_sign() {
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
    fn the_next_argument_is_the_value_whatever_it_looks_like() {
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
    fn what_is_no_flag_stays_and_an_unknown_one_is_named_whole() {
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
