//! External programs that build artifacts, with pinned versions, in `target/tools`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::shell::{LONG, cargo, has, output, program, root, run};
use testkit::skip::skip;

/// A program from crates.io.
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) features: &'static str,
}

pub(super) const CARGO_DEB: Tool = Tool {
    name: "cargo-deb",
    version: "3.8.0",
    // The bundled compressor, which is reproducible, instead of the system's.
    features: "static-lzma",
};
pub(super) const CARGO_GENERATE_RPM: Tool = Tool {
    name: "cargo-generate-rpm",
    version: "0.21.1",
    features: "",
};

/// The linker for other systems: `PyPI` packages with prebuilt binaries.
const ZIG: [&str; 2] = ["ziglang==0.15.2", "cargo-zigbuild==0.24.1"];

impl Tool {
    /// Returns a command for the program, which is installed if missing.
    pub(super) fn command(&self) -> Result<Command> {
        let mut name = format!("{}-{}", self.name, self.version);
        if !self.features.is_empty() {
            name = format!("{name}-{}", self.features);
        }
        let folder = tools().join(name);
        let path = folder.join("bin").join(self.name);
        if !path
            .with_extension(std::env::consts::EXE_EXTENSION)
            .is_file()
        {
            let arguments = ["install", "--locked", "--quiet", self.name, "--version"];
            let mut install = cargo(&arguments);
            install
                .arg(format!("={}", self.version))
                .args(["--features", self.features, "--root"])
                .arg(&folder);
            run(&mut install, LONG)?;
        }
        let mut command = Command::new(path);
        command.current_dir(root());
        Ok(command)
    }
}

/// Returns a `cargo-zigbuild` command with a separate zig and cache.
pub(super) fn zigbuild() -> Result<Command> {
    let folder = tools().join("zig");
    let note = folder.join("versions");
    let versions = ZIG.join("\n");
    if fs::read_to_string(&note).unwrap_or_default() != versions {
        install(&folder)?;
        fs::write(&note, versions)?;
    }
    let script = "import os, ziglang; print(os.path.dirname(ziglang.__file__))";
    let zig = output(Command::new(folder.join("bin/python")).args(["-c", script]))
        .context("zig in target/tools")?;
    let mut command = Command::new(folder.join("bin/cargo-zigbuild"));
    command
        .current_dir(root())
        .env(
            "CARGO_ZIGBUILD_ZIG_PATH",
            PathBuf::from(zig.trim()).join("zig"),
        )
        .env(
            "CARGO_ZIGBUILD_CACHE_DIR",
            tools().join("zig-cache/cargo-zigbuild"),
        )
        .env("ZIG_GLOBAL_CACHE_DIR", tools().join("zig-cache/zig"))
        .env("ZIG_LOCAL_CACHE_DIR", tools().join("zig-cache/zig"));
    Ok(command)
}

fn install(folder: &PathBuf) -> Result<()> {
    if !has("python3") {
        return skip("python3 is missing, which installs the linker zig");
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let made = run(program("python3", &["-m", "venv"]).arg(folder), LONG).and_then(|()| {
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--no-deps", "--only-binary=:all:"]);
        run(pip.args(ZIG), LONG)
    });
    match made {
        Ok(()) => Ok(()),
        Err(error) => skip(format!("the linker zig can't be installed: {error:#}")),
    }
}

fn tools() -> PathBuf {
    root().join("target/tools")
}
