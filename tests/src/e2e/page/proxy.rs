//! The status page behind a proxy that adds a path prefix.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::process::Process;
use testkit::{ports, wait};

use super::SEEN;
use super::browser::Browser;

/// A script that fetches each reference of the document; returns URLs and status codes.
const REFERENCES: &str = "Promise.all(
    [...document.querySelectorAll('[href], [src], [action]')]
        .map((node) => node.href || node.src || node.action)
        .filter((url) => !url.startsWith('data:'))
        .map(async (url) => [url, (await fetch(url)).status]))";

pub(super) fn run(context: &Context) -> Result<()> {
    let server = EchoServer::start(context, &[])?;
    let target = format!("-target=a b={}", server.address);
    let echo = Echo::start(context, &["-mode=client", &target, "-interval=20ms"])?;
    let listen = ports::free()?;
    let folder = context.folder().display();
    let config = format!(
        "daemon off;
         master_process off;
         pid {folder}/nginx.pid;
         error_log stderr;
         events {{}}
         http {{
           access_log off;
           client_body_temp_path {folder}/body;
           proxy_temp_path {folder}/proxy;
           fastcgi_temp_path {folder}/fastcgi;
           uwsgi_temp_path {folder}/uwsgi;
           scgi_temp_path {folder}/scgi;
           server {{
             listen {listen};
             location /probe-eu/ {{ proxy_pass http://{}/; }}
           }}
         }}",
        echo.metrics.address
    );
    let config = context.file("nginx.conf", &config)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&config);
    let _nginx = Process::spawn(context, "nginx", &mut command)?;
    wait::until("nginx", Duration::from_secs(10), || {
        TcpStream::connect(listen).ok().map(drop)
    })?;

    let browser = Browser::start(context)?;
    // Without the trailing slash: nginx adds it.
    browser.open(&format!("http://{listen}/probe-eu"))?;
    let live = "document.documentElement.dataset.live === 'yes'";
    browser.until("live", SEEN, live)?;
    check_references(context, &browser, "overview")?;
    browser.type_into("#search", "a b")?;
    browser.until(
        "the search in the address",
        SEEN,
        "location.pathname + location.search === '/probe-eu/?search=a+b'",
    )?;
    browser.run("document.querySelector('#targets tbody a').click();")?;
    let loaded = "document.querySelector('#plot img')?.naturalWidth > 300";
    browser.until("the picture", SEEN, loaded)?;
    browser.until("the detail live", SEEN, live)?;
    check_references(context, &browser, "detail")?;
    browser.run("document.querySelector('.brand a').click();")?;
    browser.until(
        "all targets",
        SEEN,
        &format!("location.pathname === '/probe-eu/' && {live}"),
    )?;
    let errors = browser.errors()?;
    ensure!(
        errors.is_empty(),
        "errors in the browser's console: {errors:#?}"
    );
    Ok(())
}

/// Checks that all references of the page resolve to URLs below the prefix.
fn check_references(context: &Context, browser: &Browser, page: &str) -> Result<()> {
    let found = browser.run_async(REFERENCES)?;
    let found: Vec<(String, u16)> = serde_json::from_value(found)?;
    ensure!(found.len() >= 5, "{page}: too few references: {found:?}");
    for (url, status) in &found {
        ensure!(*status == 200, "{page}: {url}: {status}");
        ensure!(url.contains("/probe-eu/"), "{page}: {url}");
    }
    context.note(format!("{page}: {} references resolve", found.len()));
    Ok(())
}
