//! External linters, installed in `target/tools` if missing.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::shell::{LONG, SHORT, cargo, has, program, root, run};
use testkit::skip::skip;

fn folder() -> PathBuf {
    root().join("target/tools")
}

/// Returns a cargo tool, which is installed from crates.io if missing.
///
/// It is built without optimization, since it runs only once or twice.
pub(crate) fn of_cargo(name: &str) -> Result<Command> {
    if has(name) {
        return Ok(program(name, &[]));
    }
    let installed = folder().join("bin").join(name);
    if !installed.exists() {
        let mut install = cargo(&["install", "--locked", "--quiet", "--debug", name]);
        if run(install.arg("--root").arg(folder()), LONG).is_err() {
            return skip(format!("{name} is not installed and can't be built"));
        }
    }
    Ok(at(installed))
}

/// Returns a program from npm packages, given with their versions.
pub(crate) fn of_npm(name: &str, packages: &[&str]) -> Result<Command> {
    let folder = folder().join(name);
    let installed = folder.join("node_modules/.bin").join(name);
    if !installed.exists() {
        if !has("npm") {
            return skip(format!("{name} is not installed, and npm is missing"));
        }
        let mut install = program("npm", &["install", "--no-audit", "--no-fund", "--silent"]);
        install.args(["--ignore-scripts", "--prefix"]).arg(&folder);
        if run(install.args(packages), SHORT).is_err() {
            return skip(format!("npm cannot install {}", packages.join(" ")));
        }
    }
    Ok(at(installed))
}

/// Returns a program from the Python package index, given as `NAME==VERSION`.
pub(crate) fn of_python(package: &str) -> Result<Command> {
    let name = package.split("==").next().unwrap_or(package);
    let folder = folder().join(name);
    let installed = folder.join("bin").join(name);
    if !installed.exists() {
        let mut venv = program("python3", &["-m", "venv"]);
        let mut install = Command::new(folder.join("bin/pip"));
        install.args(["install", "--quiet", package]);
        if run(venv.arg(&folder), SHORT)
            .and_then(|()| run(&mut install, SHORT))
            .is_err()
        {
            return skip(format!("Python cannot install {package}"));
        }
    }
    Ok(at(installed))
}

fn at(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}
