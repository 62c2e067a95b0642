//! The curl command as an HTTP client.

use std::process::Command;

/// Runs curl; returns its standard output, or the error if it does not start.
pub(super) fn run(arguments: &[&str]) -> String {
    Command::new("curl").args(arguments).output().map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// Sends a request; returns the status code, or 000 without a response.
pub(super) fn status(url: &str, flags: &[&str]) -> String {
    let quiet = ["--silent", "--max-time", "20", "--output", "/dev/null"];
    run(&[&quiet[..], &["--write-out", "%{http_code}", url], flags].concat())
}
