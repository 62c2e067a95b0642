//! What `-generate` prints.

use clap::Command;
use tcp_echo_flags::{Shell, completions};

use super::man;

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Generate {
    /// The manual page, as roff.
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
    /// The generated text. `examples` is the end of the help.
    pub(super) fn text(self, command: &Command, examples: &str) -> String {
        match self {
            Self::Man => man::page(command, examples),
            Self::CompleteBash => completions(Shell::Bash, command),
            Self::CompleteZsh => completions(Shell::Zsh, command),
            Self::CompleteFish => completions(Shell::Fish, command),
            Self::CompletePowershell => completions(Shell::PowerShell, command),
        }
    }
}
