//! The targets of release binaries.

use std::env;

/// A target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) system: System,
    pub(super) machine: Machine,
    pub(super) triple: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum System {
    Linux,
    Windows,
    MacOs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Machine {
    X86,
    Arm,
}

/// Static: they run on every Linux, and in an otherwise empty image.
pub(super) const LINUX: [Target; 2] = [
    Target::new(System::Linux, Machine::X86, "x86_64-unknown-linux-musl"),
    Target::new(System::Linux, Machine::Arm, "aarch64-unknown-linux-musl"),
];

pub(super) const WINDOWS: Target =
    Target::new(System::Windows, Machine::X86, "x86_64-pc-windows-gnu");

pub(super) const MACOS: [Target; 2] = [
    Target::new(System::MacOs, Machine::X86, "x86_64-apple-darwin"),
    Target::new(System::MacOs, Machine::Arm, "aarch64-apple-darwin"),
];

pub(super) const ALL: [Target; 5] = [LINUX[0], LINUX[1], WINDOWS, MACOS[0], MACOS[1]];

impl Target {
    const fn new(system: System, machine: Machine, triple: &'static str) -> Self {
        Self {
            system,
            machine,
            triple,
        }
    }

    /// Returns the name in artifacts.
    pub(super) fn name(self) -> String {
        let system = match self.system {
            System::Linux => "linux",
            System::Windows => "windows",
            System::MacOs => "macos",
        };
        format!("{system}-{}", self.machine.name())
    }

    /// Returns whether the binary runs on this machine.
    pub(super) fn is_host(self) -> bool {
        self.name() == format!("{}-{}", env::consts::OS, env::consts::ARCH)
    }

    /// Returns the file name of a program.
    pub(super) fn program(self, name: &str) -> String {
        match self.system {
            System::Windows => format!("{name}.exe"),
            System::Linux | System::MacOs => name.to_owned(),
        }
    }
}

impl Machine {
    /// Returns the architecture in the spelling of Linux and RPM.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "aarch64",
        }
    }

    /// Returns the architecture in the spelling of Debian and Go.
    pub(super) fn short(self) -> &'static str {
        match self {
            Self::X86 => "amd64",
            Self::Arm => "arm64",
        }
    }
}
