//! The targets of release binaries.

use std::env;

/// A target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) system: System,
    pub(super) machine: Machine,
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

pub(super) const LINUX: [Target; 2] = [
    Target::new(System::Linux, Machine::X86),
    Target::new(System::Linux, Machine::Arm),
];

pub(super) const WINDOWS: Target = Target::new(System::Windows, Machine::X86);

pub(super) const MACOS: [Target; 2] = [
    Target::new(System::MacOs, Machine::X86),
    Target::new(System::MacOs, Machine::Arm),
];

pub(super) const ALL: [Target; 5] = [LINUX[0], LINUX[1], WINDOWS, MACOS[0], MACOS[1]];

impl Target {
    const fn new(system: System, machine: Machine) -> Self {
        Self { system, machine }
    }

    /// Returns the target triple.
    pub(super) fn triple(self) -> &'static str {
        match (self.system, self.machine) {
            // Static: it runs on every Linux, and in an otherwise empty image.
            (System::Linux, Machine::X86) => "x86_64-unknown-linux-musl",
            (System::Linux, Machine::Arm) => "aarch64-unknown-linux-musl",
            (System::Windows, Machine::X86) => "x86_64-pc-windows-gnu",
            (System::Windows, Machine::Arm) => "aarch64-pc-windows-gnullvm",
            (System::MacOs, Machine::X86) => "x86_64-apple-darwin",
            (System::MacOs, Machine::Arm) => "aarch64-apple-darwin",
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

    pub(super) fn exe(self) -> &'static str {
        match self.system {
            System::Windows => ".exe",
            System::Linux | System::MacOs => "",
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
