//! Expired certificates, and a FIFO in place of a certificate file.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::exposition::Scrape;
use testkit::process::Process;
use testkit::shell::output;
use testkit::{files, ports, wait};

use super::curl;
use super::web_config::{self, path};
use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "expired certificates, and FIFOs in place of certificates",
    tools: &[("curl", "curl"), ("openssl", "openssl")],
    run,
    ..PLAIN
}];

const LIMIT: Duration = Duration::from_secs(20);

const EXPIRY: &str = "tcp_echo_tls_cert_expiry_timestamp_seconds";

/// The OpenSSL configuration that issues the certificates.
const CA: &str = "[ca]
default_ca = all
[all]
new_certs_dir = .
database = index
serial = serial
default_md = sha256
policy = names
unique_subject = no
x509_extensions = extensions
[names]
commonName = supplied
[extensions]
basicConstraints = CA:FALSE
";

fn run(context: &Context) -> Result<()> {
    for (name, text) in [("ca.cnf", CA), ("index", ""), ("serial", "01\n")] {
        context.file(name, text)?;
    }
    // Expiry times in Unix seconds: 2001-01-01 and 2049-01-01.
    let (expired, valid) = (978_307_200.0, 2_493_072_000.0);
    let old = certificate(context, "old", ["20000101000000Z", "20010101000000Z"])?;
    let new = certificate(context, "new", ["20000101000000Z", "20490101000000Z"])?;
    let server = context.folder().join("server.pem");
    let install =
        |from: &PathBuf| -> Result<()> { files::replace(&server, &fs::read_to_string(from)?) };
    let text = "tls_server_config: {cert_file: server.pem, key_file: server.pem}";
    let config = context.file("web.yml", text)?;
    let start = || -> Result<(SocketAddr, Process)> {
        let address = ports::free()?;
        Ok((address, web_config::start(context, address, &config)?))
    };

    // An expired certificate is served, exported and logged.
    install(&old)?;
    let (address, echo) = start()?;
    let expiry = |wanted: f64| {
        wait::until(&format!("{EXPIRY} {wanted}"), LIMIT, || {
            let scrape = Scrape::parse(&curl(address)).ok()?;
            (scrape.sum(EXPIRY, &[]) == wanted).then_some(())
        })
    };
    expiry(expired)?;
    let log = echo.log();
    let warnings = log.matches("expired at 2001-01-01T00:00:00Z").count();
    ensure!(warnings == 1, "{warnings} warnings: {log}");
    install(&new)?;
    let ((), took) = expiry(valid)?;
    context.note(format!("renewed after {} ms", took.as_millis()));

    // Replacing it with a FIFO blocks nothing.
    let fifo = context.folder().join("fifo");
    output(Command::new("mkfifo").arg(&fifo))?;
    fs::rename(&fifo, &server)?;
    let error = "server.pem: it is a FIFO, not a file";
    wait::until("the error in the log", LIMIT, || {
        curl(address);
        echo.log().contains(error).then_some(())
    })?;
    expiry(valid)?;
    let log = echo.log();
    ensure!(
        log.matches("expired at").count() == 1,
        "more than one warning: {log}"
    );

    // At startup, a FIFO is an error.
    let (_, mut failed) = start()?;
    wait::until("the exit", LIMIT, || failed.ended().map(drop))?;
    let log = failed.log();
    ensure!(log.contains(error), "{log}");
    Ok(())
}

/// Fetches `/metrics` over TLS.
pub(super) fn curl(address: SocketAddr) -> String {
    let url = format!("https://{address}/metrics");
    curl::run(&["--silent", "--insecure", "--max-time", "10", &url])
}

/// Creates a file with a key and a certificate that is valid from `from` to `to`.
fn certificate(context: &Context, name: &str, [from, to]: [&str; 2]) -> Result<PathBuf> {
    let at = |end: &str| context.folder().join(format!("{name}.{end}"));
    let (key, request, cert, both) = (at("key"), at("csr"), at("crt"), at("pem"));
    output(
        Command::new("openssl")
            .args(["req", "-new", "-nodes", "-newkey", "ec"])
            .args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=x"])
            .args(["-keyout", path(&key)?, "-out", path(&request)?]),
    )?;
    output(
        Command::new("openssl")
            .current_dir(context.folder())
            .args(["ca", "-batch", "-selfsign", "-config", "ca.cnf", "-notext"])
            .args(["-startdate", from, "-enddate", to])
            .args(["-keyfile", path(&key)?, "-in", path(&request)?])
            .args(["-out", path(&cert)?]),
    )?;
    fs::write(
        &both,
        fs::read_to_string(&cert)? + &fs::read_to_string(&key)?,
    )?;
    Ok(both)
}
