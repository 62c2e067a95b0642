//! A headless browser, driven by `WebDriver`.
//!
//! See <https://www.w3.org/TR/webdriver2/>.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::context::Context;
use testkit::process::Process;
use testkit::{ports, wait};

/// The time limit for a command; starting the browser takes longest.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) struct Browser {
    address: SocketAddr,
    session: String,
    _driver: Process,
}

impl Browser {
    pub(super) fn start(context: &Context) -> Result<Self> {
        let address = ports::free()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={}", address.port()));
        let driver = Process::spawn(context, "chromedriver", &mut command)?;
        wait::until("chromedriver", LIMIT, || {
            TcpStream::connect(address).ok().map(drop)
        })?;
        let profile = context.folder().join("profile");
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let response = command_to(address, "POST", "/session", &wanted)?;
        let session = response["sessionId"].as_str().context("no session")?;
        Ok(Self {
            address,
            session: format!("/session/{session}"),
            _driver: driver,
        })
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        command_to(
            self.address,
            "POST",
            &format!("{}{path}", self.session),
            body,
        )
    }

    pub(super) fn open(&self, url: &str) -> Result<()> {
        self.post("/url", &json!({"url": url})).map(drop)
    }

    /// Runs a function body in the page; returns its value.
    pub(super) fn run(&self, body: &str) -> Result<Value> {
        self.post("/execute/sync", &json!({"script": body, "args": []}))
    }

    /// Runs a promise in the page; returns its value.
    pub(super) fn run_async(&self, promise: &str) -> Result<Value> {
        let body = format!(
            "const done = arguments[0]; ({promise}).then(done, (error) => done(String(error)));"
        );
        self.post("/execute/async", &json!({"script": body, "args": []}))
    }

    /// Waits until an expression is true in the page; returns the time.
    pub(super) fn until(&self, what: &str, limit: Duration, expression: &str) -> Result<Duration> {
        let body = format!("return Boolean({expression});");
        let ((), took) = wait::until(what, limit, || {
            self.run(&body)
                .ok()
                .filter(|value| *value == true)
                .map(drop)
        })
        .with_context(|| {
            self.run("return document.body.innerText;")
                .unwrap_or_default()
                .to_string()
        })?;
        Ok(took)
    }

    /// Types into the element that matches a selector.
    pub(super) fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let found = self.post(
            "/element",
            &json!({"using": "css selector", "value": selector}),
        )?;
        let element = found
            .as_object()
            .and_then(|found| found.values().next())
            .and_then(Value::as_str)
            .context("no element")?;
        self.post(&format!("/element/{element}/value"), &json!({"text": text}))
            .map(drop)
    }

    /// Presses a key, such as `ArrowLeft`, where the focus is.
    pub(super) fn press(&self, key: &str) -> Result<()> {
        for kind in ["rawKeyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "code": key});
            self.devtools("Input.dispatchKeyEvent", &event)?;
        }
        Ok(())
    }

    /// Touches the page at a place, in CSS pixels.
    pub(super) fn touch(&self, x: f64, y: f64) -> Result<()> {
        for (kind, points) in [
            ("touchStart", json!([{"x": x, "y": y}])),
            ("touchEnd", json!([])),
        ] {
            let event = json!({"type": kind, "touchPoints": points});
            self.devtools("Input.dispatchTouchEvent", &event)?;
        }
        Ok(())
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Result<Value> {
        self.post(
            "/goog/cdp/execute",
            &json!({"cmd": command, "params": parameters}),
        )
    }

    /// Emulates the color scheme `light` or `dark`.
    pub(super) fn scheme(&self, scheme: &str) -> Result<()> {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({"features": [feature]}),
        )
        .map(drop)
    }

    pub(super) fn size(&self, width: u32, height: u32, scale: f64) -> Result<()> {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics)
            .map(drop)
    }

    /// Writes a screenshot to a PNG file.
    pub(super) fn screenshot(&self, path: &Path) -> Result<()> {
        let picture = self.devtools("Page.captureScreenshot", &json!({"format": "png"}))?;
        let picture = picture["data"].as_str().context("no screenshot")?;
        std::fs::write(path, base64(picture)?).with_context(|| path.display().to_string())
    }

    /// Returns the warnings and errors in the page's console.
    pub(super) fn errors(&self) -> Result<Vec<String>> {
        let log = self.post("/se/log", &json!({"type": "browser"}))?;
        let entries = log.as_array().context("no log")?;
        let entries = entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        Ok(entries.map(|entry| entry["message"].to_string()).collect())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Otherwise the browser would outlive its driver, which is killed next.
        let _ = command_to(self.address, "DELETE", &self.session, &json!({}));
    }
}

/// Sends a command; returns its value.
fn command_to(address: SocketAddr, method: &str, path: &str, body: &Value) -> Result<Value> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut bytes = Vec::new();
    let mut part = vec![0; 65536];
    let (head, length) = loop {
        let read = stream.read(&mut part).with_context(|| path.to_owned())?;
        ensure!(read > 0, "{path}: incomplete response");
        bytes.extend_from_slice(&part[..read]);
        if let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = str::from_utf8(&bytes[..head])?.to_ascii_lowercase();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .context("no content length")?;
            break (head + 4, length.trim().parse::<usize>()?);
        }
    };
    while bytes.len() < head + length {
        let read = stream.read(&mut part).with_context(|| path.to_owned())?;
        ensure!(read > 0, "{path}: incomplete response");
        bytes.extend_from_slice(&part[..read]);
    }
    let mut response: Value = serde_json::from_slice(&bytes[head..])?;
    let value = response["value"].take();
    if let Some(error) = value.get("error").and_then(Value::as_str) {
        bail!("{path}: {error}: {}", value["message"]);
    }
    Ok(value)
}

/// Back from base 64 (RFC 4648) to bytes.
fn base64(text: &str) -> Result<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut have) = (0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|own| *own == digit);
        bits = bits << 6 | u32::try_from(value.context("not base 64")?)?;
        have += 6;
        if have >= 8 {
            have -= 8;
            bytes.push((bits >> have & 0xff) as u8);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base_64_is_undone() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(base64(text).unwrap(), bytes.as_bytes());
        }
        assert!(base64("Z g=").is_err());
    }
}
