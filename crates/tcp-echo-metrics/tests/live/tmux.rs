//! A terminal that tests can look at and type into: tmux.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use testkit::wait::until;

/// How long something may take that takes a moment.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A server of tmux of its own, with a shell script in its terminal.
pub(crate) struct Terminal {
    directory: tempfile::TempDir,
}

impl Terminal {
    /// Runs `command`, a line of sh, in a terminal of 120 by 30; or nothing where there
    /// is no tmux, which is said.
    pub(crate) fn run(command: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            // Not by a macro: its words would be kept from who runs the tests.
            let _ = writeln!(
                io::stderr(),
                "SKIPPED: the live view is tested in tmux; install it"
            );
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let terminal = Self { directory };
        // The terminal's settings before and after, and the status, in files.
        let script = format!(
            "cd '{}'\nstty -g > before\n{command}\nstatus=$?\nstty -g > after\n\
             echo $status > status.new\nmv status.new status\necho that was all\nexec cat\n",
            terminal.directory.path().display()
        );
        fs::write(terminal.path("script"), script).unwrap();
        let script = format!("exec sh '{}'", terminal.path("script").display());
        // A session beside it keeps the server when the first one is killed.
        terminal.tmux(&["new-session", "-d", "-s", "beside", "exec cat"]);
        terminal.tmux(&[
            "new-session",
            "-d",
            "-s",
            "it",
            "-x",
            "120",
            "-y",
            "30",
            &script,
        ]);
        Some(terminal)
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    pub(crate) fn tmux(&self, args: &[&str]) -> String {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new("tmux")
            .arg("-S")
            .arg(self.path("socket"))
            .args(["-f", "/dev/null"])
            .args(args)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("TMUX")
            .output()
            .unwrap();
        assert!(
            status.success(),
            "tmux {args:?}: {}",
            String::from_utf8_lossy(&stderr)
        );
        String::from_utf8_lossy(&stdout).into_owned()
    }

    /// Types keys, as tmux names them.
    pub(crate) fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys", "-t", "it"], keys].concat());
    }

    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-t", "it"])
    }

    /// Waits until the screen is as it should be, and gives it.
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let mut screen = String::new();
        let seen = wait(|| {
            screen = self.screen();
            condition(&screen)
        });
        assert!(seen, "{what} is not seen in\n{screen}");
        screen
    }

    /// Waits until the command has ended, and gives its status and the screen. The
    /// terminal must be as it was.
    pub(crate) fn ended(&self) -> (String, String) {
        assert!(
            wait(|| self.path("status").exists()),
            "it goes on:\n{}",
            self.screen()
        );
        let read = |file: &Path| fs::read_to_string(file).unwrap();
        assert_eq!(read(&self.path("before")), read(&self.path("after")));
        self.wait_for("the end", |screen| screen.contains("that was all"));
        // With what has left the screen at its top.
        let screen = self.tmux(&["capture-pane", "-p", "-S", "-", "-t", "it"]);
        let modes = self.tmux(&[
            "display",
            "-p",
            "-t",
            "it",
            "#{alternate_on} #{cursor_flag}",
        ]);
        assert_eq!(modes.trim(), "0 1", "alternate screen and cursor\n{screen}");
        (read(&self.path("status")).trim().to_owned(), screen)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux")
            .arg("-S")
            .arg(self.path("socket"))
            .arg("kill-server")
            .output();
    }
}

/// Whether it becomes so in time.
pub(crate) fn wait(mut condition: impl FnMut() -> bool) -> bool {
    until("it", TIMEOUT, || condition().then_some(())).is_ok()
}
