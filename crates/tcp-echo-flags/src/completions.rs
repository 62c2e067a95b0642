//! Completions for shells.
//!
//! They are our own and not those of `clap_complete`, which knows long flags with two dashes
//! only, and in bash no values after `=`.

use clap::{Arg, ArgAction, Command};

mod bash;
mod fish;
mod powershell;
mod zsh;

/// A shell with completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shell {
    /// bash, 4 and later.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
    /// `PowerShell`, 5.1 and later.
    PowerShell,
}

/// A script that has the shell complete the flags of `command`, and the names of hosts if it has
/// arguments such as `HOST[:PORT]`.
pub fn completions(shell: Shell, command: &Command) -> String {
    let (name, flags) = (command.get_name(), flags(command));
    let takes_hosts = command
        .get_positionals()
        .any(|arg| value_name(arg).contains("HOST"));
    match shell {
        Shell::Bash => bash::script(name, &flags, takes_hosts),
        Shell::Zsh => zsh::script(name, &flags, takes_hosts),
        Shell::Fish => fish::script(name, &flags, takes_hosts),
        Shell::PowerShell => powershell::script(name, &flags),
    }
}

/// A flag as shells see it.
struct Flag {
    long: String,
    short: Option<char>,
    /// A summary of its help, in one line.
    help: String,
    value: Value,
    repeats: bool,
}

/// The value of a flag.
enum Value {
    /// It has none.
    None,
    /// It has none, or one of these words after `=`.
    Optional(Vec<String>),
    /// A file.
    File,
    /// A text described by `name`, such as one of these words.
    Text { name: String, words: Vec<String> },
}

impl Flag {
    /// All spellings, its letter first.
    fn spellings(&self) -> impl Iterator<Item = String> {
        let short = self.short.map(|short| format!("-{short}"));
        let long = ["-", "--"].map(|dashes| format!("{dashes}{}", self.long));
        short.into_iter().chain(long)
    }

    /// The words that its value may be.
    fn words(&self) -> &[String] {
        match &self.value {
            Value::Optional(words) | Value::Text { words, .. } => words,
            Value::None | Value::File => &[],
        }
    }
}

fn flags(command: &Command) -> Vec<Flag> {
    command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set())
        .filter_map(|arg| {
            Some(Flag {
                long: arg.get_long()?.to_owned(),
                short: arg.get_short(),
                help: summary(&arg.get_help().map(ToString::to_string).unwrap_or_default()),
                value: value(arg),
                repeats: matches!(arg.get_action(), ArgAction::Append),
            })
        })
        .collect()
}

fn value(arg: &Arg) -> Value {
    if !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) {
        return Value::None;
    }
    let name = value_name(arg);
    let mut words: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    if words.is_empty() {
        // Capitals are a placeholder.
        let is_word = |text: &&str| !text.contains(|c: char| c.is_ascii_uppercase());
        words.extend(name.split('|').filter(is_word).map(str::to_owned));
    }
    if arg.is_require_equals_set() {
        Value::Optional(words)
    } else if name == "FILE" {
        Value::File
    } else {
        Value::Text { name, words }
    }
}

/// The value of a flag as in the help, such as `auto|COUNT`.
pub fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<&str> = names.iter().map(clap::builder::Str::as_str).collect();
    names.join(" ")
}

/// The first clause of a text, without its full stop.
fn summary(text: &str) -> String {
    let ends = [". ", "; ", ": ", " [default"];
    let end = ends.iter().filter_map(|end| text.find(end)).min();
    let first = &text[..end.unwrap_or(text.len())];
    first.trim_end_matches('.').replace('\n', " ")
}

/// `text` in single quotes, with `quote` for each single quote in it.
fn quoted(text: &str, quote: &str) -> String {
    format!("'{}'", text.replace('\'', quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_the_first_clause() {
        for (text, first) in [
            ("What to run. server echoes.", "What to run"),
            ("Where it is; or not.", "Where it is"),
            (
                "Close it after this long [default: 5m]",
                "Close it after this long",
            ),
            ("Print this help.", "Print this help"),
            ("", ""),
        ] {
            assert_eq!(summary(text), first);
        }
    }

    #[test]
    fn scripts_complete_both_spellings_of_visible_flags() {
        let command = Command::new("my-echo.d").args([
            Arg::new("mode")
                .long("mode")
                .value_parser(["server", "client"]),
            Arg::new("secret").long("secret").hide(true),
        ]);
        for (shell, spellings) in [
            (
                Shell::Bash,
                &["_my_echo_d my-echo.d", "'-mode'", "'--mode'"][..],
            ),
            (Shell::Zsh, &["#compdef my-echo.d", "{-mode,--mode}"]),
            (Shell::Fish, &["-c my-echo.d -l mode -o mode"]),
            (
                Shell::PowerShell,
                &["-CommandName 'my-echo.d'", "Name = 'mode'"],
            ),
        ] {
            let script = completions(shell, &command);
            for text in spellings {
                assert!(script.contains(text), "{text} in {shell:?}:\n{script}");
            }
            assert!(!script.contains("secret"), "{shell:?}");
        }
    }

    #[test]
    fn hosts_are_completed_where_arguments_are_hosts() {
        let command = Command::new("echo");
        let with_hosts = command
            .clone()
            .arg(Arg::new("host").value_name("HOST[:PORT]"));
        for (shell, text) in [
            (Shell::Bash, "compgen -A hostname"),
            (Shell::Zsh, "_hosts"),
            (Shell::Fish, "hostnames"),
        ] {
            assert!(completions(shell, &with_hosts).contains(text), "{shell:?}");
            let without = completions(shell, &command);
            assert!(
                !without.to_lowercase().contains("host"),
                "{shell:?}: {without}"
            );
        }
    }
}
