//! Runs the Windows binary under Wine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};

use crate::shell::{self, has, program};
use crate::skip::skip;

/// Compiles C and links for Windows.
const MINGW: &str = "x86_64-w64-mingw32-gcc";
const PACKAGES: &str = "gcc-mingw-w64-x86-64-win32 wine wine64";

/// The time limit for a command, in seconds. Wine starts slowly, especially the first time.
const LIMIT: &str = "60";
/// The folder of the program; its path contains a space.
const FOLDER: &str = "drive_c/Program Files/Echo";
const PROGRAM: &str = r"C:\Program Files\Echo\tcp-echo-metrics.exe";
const LOG: &str = "tcp-echo-metrics.log";

/// A Wine prefix; dropping it ends the processes in it.
pub struct Wine(PathBuf);

impl Wine {
    /// Creates a prefix and copies this program into it.
    ///
    /// # Errors
    ///
    /// If Wine does not start; a skip if Wine or MinGW is missing.
    pub fn new(prefix: PathBuf, built: &Path) -> Result<Self> {
        if !has("wine") || !has(MINGW) {
            return skip(format!(
                "wine and {MINGW} are required (Debian packages {PACKAGES})"
            ));
        }
        let wine = Self(prefix);
        wine.output(Command::new("wine").args(["cmd", "/c", "ver"]))?;
        let folder = wine.0.join(FOLDER);
        fs::create_dir_all(&folder)?;
        fs::copy(built, folder.join("tcp-echo-metrics.exe"))?;
        write_missing_library(&folder)?;
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

    /// Returns a command for the program, without flags.
    pub fn program(&self) -> Command {
        let mut command = Command::new("wine");
        command.arg(PROGRAM);
        self.environment(&mut command);
        command
    }

    /// Runs the program with these flags; returns its output.
    ///
    /// # Errors
    ///
    /// If its exit status is not `status`.
    pub fn echo(&self, flags: &[&str], status: i32) -> Result<String> {
        let output = self.output(Command::new("wine").arg(PROGRAM).args(flags))?;
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        ensure!(
            output.status.code() == Some(status),
            "{flags:?}: {}: {text}",
            output.status
        );
        Ok(text)
    }

    /// Runs `sc`, the Windows service tool; returns its output.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn sc(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(Command::new("wine").arg("sc").args(arguments))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "sc {arguments:?}: {}: {text}",
            output.status
        );
        Ok(text)
    }

    /// Returns the log that the service writes next to its program.
    pub fn service_log(&self) -> String {
        let log = self.0.join(FOLDER).join(LOG);
        fs::read_to_string(log).unwrap_or_default()
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        // End all processes in this prefix before its folder is removed.
        let mut command = Command::new("wineserver");
        for argument in ["--kill", "--wait"] {
            let _ = self.environment(command.arg(argument)).status();
            command = Command::new("wineserver");
        }
    }
}

/// Compiles a library that Windows 10 has and Wine 8 lacks. The standard library gets random
/// numbers from it.
fn write_missing_library(folder: &Path) -> Result<()> {
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
