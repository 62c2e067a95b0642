//! What one scenario has to itself: a folder, the binary, logs and notes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Result;
use tempfile::TempDir;

/// How much of each log is shown when a scenario fails.
const LAST_LINES: usize = 40;

pub(crate) struct Context {
    folder: TempDir,
    binary: PathBuf,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    notes: Vec<String>,
    logs: Vec<PathBuf>,
}

impl Context {
    pub(crate) fn new(binary: &Path) -> Result<Self> {
        Ok(Self {
            folder: TempDir::with_prefix("tcp-echo-e2e-")?,
            binary: binary.to_owned(),
            told: Mutex::default(),
        })
    }

    /// The release binary.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// A folder that goes when the scenario ends.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in it with this text.
    pub(crate) fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder().join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// A figure to print at the end, whatever comes of it.
    pub(crate) fn note(&self, text: impl Into<String>) {
        if let Ok(mut told) = self.told.lock() {
            told.notes.push(text.into());
        }
    }

    /// A new log for the program of this name; it is shown when the scenario fails.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        let Ok(mut told) = self.told.lock() else {
            return self.folder().join(name);
        };
        let path = self
            .folder()
            .join(format!("{}-{name}.log", told.logs.len()));
        told.logs.push(path.clone());
        path
    }

    pub(crate) fn notes(&self) -> String {
        let Ok(told) = self.told.lock() else {
            return String::new();
        };
        told.notes.iter().fold(String::new(), |mut text, note| {
            let _ = writeln!(text, "    {note}");
            text
        })
    }

    /// The ends of all logs.
    pub(crate) fn logs(&self) -> String {
        let Ok(told) = self.told.lock() else {
            return String::new();
        };
        let mut text = String::new();
        for path in &told.logs {
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
