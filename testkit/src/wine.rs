//! wine, which plays Windows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};

use crate::report::skip;
use crate::shell::{self, has, program};
use crate::toolchain::MINGW;
use crate::windows::PACKAGES;

/// How many seconds anything in it may take: it is slow to start, and slower the first time.
const LIMIT: &str = "60";
/// Where the program is, in a folder with a space in its name.
const FOLDER: &str = "drive_c/Program Files/Echo";
const PROGRAM: &str = r"C:\Program Files\Echo\tcp-echo-metrics.exe";
const LOG: &str = "tcp-echo-metrics.log";

/// A Windows of its own, in a folder.
pub(crate) struct Wine(PathBuf);

impl Wine {
    /// Makes it below `prefix`, with this program in it.
    pub(crate) fn new(prefix: PathBuf, built: &Path) -> Result<Self> {
        if !has("wine") || !has(MINGW) {
            return skip(format!(
                "no wine and {MINGW}; Debian's packages: {PACKAGES}"
            ));
        }
        let wine = Self(prefix);
        wine.output(Command::new("wine").args(["cmd", "/c", "ver"]))?;
        let folder = wine.0.join(FOLDER);
        fs::create_dir_all(&folder)?;
        fs::copy(built, folder.join("tcp-echo-metrics.exe"))?;
        missing_library(&folder)?;
        Ok(wine)
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("WINEPREFIX", &self.0)
            .env("WINEDEBUG", "-all")
            .env_remove("DISPLAY")
    }

    fn output(&self, command: &mut Command) -> Result<Output> {
        let mut limited = Command::new("timeout");
        limited
            .arg(LIMIT)
            .arg(command.get_program())
            .args(command.get_args());
        self.environment(&mut limited).output().context("timeout")
    }

    /// The program, to be given flags.
    pub(crate) fn program(&self) -> Command {
        let mut command = Command::new("wine");
        command.arg(PROGRAM);
        self.environment(&mut command);
        command
    }

    /// Runs the program with these flags, which has to end with this status; gives what
    /// it printed.
    pub(crate) fn echo(&self, flags: &[&str], status: i32) -> Result<String> {
        let output = self.output(Command::new("wine").arg(PROGRAM).args(flags))?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        ensure!(
            output.status.code() == Some(status),
            "{flags:?}: {}: {said}",
            output.status
        );
        Ok(said)
    }

    /// Runs the system's own tool for services.
    pub(crate) fn sc(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(Command::new("wine").arg("sc").args(arguments))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "sc {arguments:?}: {}: {said}",
            output.status
        );
        Ok(said)
    }

    /// What the service has logged beside its program.
    pub(crate) fn service_log(&self) -> String {
        let log = self.0.join(FOLDER).join(LOG);
        fs::read_to_string(log).unwrap_or_default()
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        // Ends everything that runs in this one, before its folder goes.
        let mut command = Command::new("wineserver");
        for argument in ["--kill", "--wait"] {
            let _ = self.environment(command.arg(argument)).status();
            command = Command::new("wineserver");
        }
    }
}

/// A library that Windows has had since version 10 and wine 8 lacks. The standard
/// library asks it for random numbers.
fn missing_library(folder: &Path) -> Result<()> {
    let source = folder.join("prng.c");
    fs::write(
        &source,
        "#include <windows.h>\n\
         BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);\n\
         __declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)\n\
         { return SystemFunction036(data, (ULONG)length); }\n",
    )?;
    let mut command = program(MINGW, &["-shared", "-o"]);
    command
        .arg(folder.join("bcryptprimitives.dll"))
        .arg(&source)
        .arg("-ladvapi32");
    shell::output(&mut command)?;
    Ok(fs::remove_file(&source)?)
}
