//! What is made of the flags besides their help: a manual page, and completions for
//! shells.
//!
//! The completions are our own and not those of `clap_complete`, since that one knows a long flag
//! behind two dashes only, and not the value behind `=` in bash.

use clap::{Arg, ArgAction, Command};

mod bash;
mod fish;
mod man;
mod powershell;
mod zsh;

/// What can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Generate {
    /// The manual page, in the language of man(7).
    Man,
    /// Completions for bash.
    CompleteBash,
    /// Completions for zsh.
    CompleteZsh,
    /// Completions for fish.
    CompleteFish,
    /// Completions for `PowerShell`.
    CompletePowershell,
}

impl Generate {
    /// The text of it, made of the flags of `command`. `examples` is what follows the
    /// flags in the help.
    pub(super) fn text(self, command: &Command, examples: &str) -> String {
        let flags = || flags(command);
        match self {
            Self::Man => man::page(command, examples),
            Self::CompleteBash => bash::script(&flags()),
            Self::CompleteZsh => zsh::script(&flags()),
            Self::CompleteFish => fish::script(&flags()),
            Self::CompletePowershell => powershell::script(&flags()),
        }
    }
}

/// A flag as a shell should know it.
struct Flag {
    long: String,
    short: Option<char>,
    /// What it is for, in a line.
    help: String,
    value: Value,
    repeats: bool,
}

/// What stands behind a flag.
enum Value {
    /// Nothing.
    None,
    /// Nothing, or one of these words behind `=`.
    Optional(Vec<String>),
    /// The name of a file.
    File,
    /// Something of this name, for which these words stand among others.
    Text { name: String, words: Vec<String> },
}

impl Flag {
    /// It as it may be typed, `-v` first where there is one.
    fn spellings(&self) -> impl Iterator<Item = String> {
        let short = self.short.map(|short| format!("-{short}"));
        let long = ["-", "--"].map(|dashes| format!("{dashes}{}", self.long));
        short.into_iter().chain(long)
    }

    /// The words that may be its value.
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
        // What is written in capitals stands for something else.
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

/// The value of a flag as the help writes it, such as `auto|COUNT`.
fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<&str> = names.iter().map(clap::builder::Str::as_str).collect();
    names.join(" ")
}

/// The first statement of a text, without the full stop.
fn summary(text: &str) -> String {
    let ends = [". ", "; ", ": ", " [default"];
    let end = ends.iter().filter_map(|end| text.find(end)).min();
    let first = &text[..end.unwrap_or(text.len())];
    first.trim_end_matches('.').replace('\n', " ")
}

/// `text` between single quotes, in which `quote` stands for one of its own.
fn quoted(text: &str, quote: &str) -> String {
    format!("'{}'", text.replace('\'', quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_statement() {
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
}
