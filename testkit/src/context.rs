//! The temporary folder, the binary, the logs and the notes of one test.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Result;
use tempfile::TempDir;

/// The number of lines shown of each log when a test fails.
const LAST_LINES: usize = 40;

/// The folder, the binary under test, the logs and the notes of one test.
pub struct Context {
    folder: TempDir,
    binary: PathBuf,
    output: Mutex<Output>,
}

#[derive(Default)]
struct Output {
    notes: Vec<String>,
    logs: Vec<PathBuf>,
}

impl Context {
    /// Creates the temporary folder.
    ///
    /// # Errors
    ///
    /// If the folder can't be created.
    pub fn new(binary: &Path) -> Result<Self> {
        Ok(Self {
            folder: TempDir::with_prefix("tcp-echo-e2e-")?,
            binary: binary.to_owned(),
            output: Mutex::default(),
        })
    }

    /// The binary under test.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// A folder that is removed when the test ends.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file to the folder.
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder().join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Adds a note that is printed at the end, whether the test passes or fails.
    pub fn note(&self, text: impl Into<String>) {
        if let Ok(mut output) = self.output.lock() {
            output.notes.push(text.into());
        }
    }

    /// Returns the path of a new log for the program `name`. The end of the log is shown if the
    /// test fails.
    pub fn log(&self, name: &str) -> PathBuf {
        let Ok(mut output) = self.output.lock() else {
            return self.folder().join(name);
        };
        let path = self
            .folder()
            .join(format!("{}-{name}.log", output.logs.len()));
        output.logs.push(path.clone());
        path
    }

    /// Returns all notes, one per line.
    pub fn notes(&self) -> String {
        let Ok(output) = self.output.lock() else {
            return String::new();
        };
        output.notes.iter().fold(String::new(), |mut text, note| {
            let _ = writeln!(text, "    {note}");
            text
        })
    }

    /// Returns the last lines of each log.
    pub fn logs(&self) -> String {
        let Ok(output) = self.output.lock() else {
            return String::new();
        };
        let mut text = String::new();
        for path in &output.logs {
            let log = fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let name = path.file_name().unwrap_or_default().display();
            let _ = writeln!(text, "    --- {name}, {} lines", lines.len());
            for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
                let _ = writeln!(text, "    | {line}");
            }
        }
        text
    }
}
