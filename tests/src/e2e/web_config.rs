//! Endpoints with TLS and passwords, with curl and a real Prometheus as clients.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::context::Context;
use testkit::echo::run_to_exit;
use testkit::process::Process;
use testkit::shell::output;
use testkit::{ports, wait};

use super::curl;
use super::prometheus::Prometheus;
use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "Prometheus scrapes over https with a password",
    tools: &[
        ("prometheus", "prometheus"),
        ("curl", "curl"),
        ("openssl", "openssl"),
    ],
    run,
    ..PLAIN
}];

const LIMIT: Duration = Duration::from_secs(20);

/// The hash of the password `secret`, with a low cost.
pub(super) const HASH: &str = "$2b$08$abcdefghijklmnopqrstuuKxCcvB7KZ7.BpDoK0bh6qM7Dl1/xiJa";
const LOGIN: &[&str] = &["--user", "alice:secret"];

/// The log message for an invalid file.
const ERROR: &str = "web configuration can't be read again";

fn run(context: &Context) -> Result<()> {
    let address = ports::free()?;
    let create = |name, issuer| certificate(context, name, address, issuer);
    let (first, second) = (create("first", None)?, create("second", None)?);
    let ca = create("ca", None)?;
    let client = create("client", Some(&ca))?;
    fs::copy(&first.cert, context.folder().join("server.crt"))?;
    fs::copy(&first.key, context.folder().join("server.key"))?;
    let tls = "tls_server_config: {cert_file: server.crt, key_file: server.key";
    let rest = format!(
        "basic_auth_users: {{alice: '{HASH}'}}\n\
         http_server_config: {{headers: {{X-Frame-Options: deny}}}}\n"
    );
    let config = context.file("web.yml", &format!("{tls}}}\n{rest}"))?;
    let echo = start(context, address, &config)?;

    let curl = Curl { address };
    let trust_first = ["--cacert", path(&first.cert)?];
    let good = [&trust_first[..], LOGIN].concat();
    curl.until(&good, "200")?;
    for (login, status) in [
        (&[][..], "401"),
        (&["--user", "alice:wrong"], "401"),
        (&["--user", "bob:secret"], "401"),
    ] {
        let response = curl.status(&[&trust_first[..], login].concat());
        ensure!(response == status, "{response} for {login:?}");
    }
    let headers = output(
        Command::new("curl")
            .args(["--silent", "--head", "--cacert", path(&first.cert)?])
            .arg(curl.url("https")),
    )?
    .to_ascii_lowercase();
    for header in [
        "www-authenticate: basic realm=",
        "x-frame-options: deny",
        "x-content-type-options: nosniff",
    ] {
        ensure!(headers.contains(header), "no {header} in {headers}");
    }
    is_healthy(context, address)?;
    let plain = output(Command::new("curl").arg("--silent").arg(curl.url("http")))?;
    ensure!(plain.contains("this is HTTPS"), "{plain} without TLS");

    let prometheus = Prometheus::start_with(
        context,
        "prometheus",
        &prometheus_config(context, address, &[&first, &second])?,
        &[],
    )?;
    let is = |query: &str, wanted: f64| {
        wait::until(&format!("{query} == {wanted}"), LIMIT, || {
            prometheus
                .value(query)
                .is_ok_and(|value| value == wanted)
                .then_some(())
        })
    };
    is("up{job=\"known\"}", 1.0)?;
    is("tcp_echo_server_connections{job=\"known\"}", 0.0)?;
    is("up{job=\"unknown\"}", 0.0)?;

    // A renewed certificate is loaded without a failed scrape.
    fs::copy(&second.key, context.folder().join("server.key"))?;
    fs::copy(&second.cert, context.folder().join("server.crt"))?;
    let trust_second = ["--cacert", path(&second.cert)?];
    let good = [&trust_second[..], LOGIN].concat();
    let took = curl.until(&good, "200")?;
    context.note(format!(
        "a new certificate is served after {} ms",
        took.as_millis()
    ));
    let response = curl.status(&[&trust_first[..], LOGIN].concat());
    ensure!(
        response == "000",
        "{response} from a client that trusts the old one"
    );
    is("count_over_time(up{job=\"known\"}[1m]) > bool 6", 1.0)?;
    is("min_over_time(up{job=\"known\"}[1m])", 1.0)?;

    // An invalid file changes nothing, and is logged once.
    fs::write(&config, format!("{tls}, min_version: TLS11}}\n{rest}"))?;
    wait::until("the error in the log", LIMIT, || {
        let response = curl.status(&good);
        (response != "200" || echo.log().contains(ERROR)).then_some(())
    })?;
    let response = curl.status(&good);
    ensure!(response == "200", "{response} with an invalid file");

    // From now on, clients need a certificate.
    let client_auth = "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt";
    fs::write(&config, format!("{tls}, {client_auth}}}\n{rest}"))?;
    curl.until(&good, "000")?;
    let identity = ["--cert", path(&client.cert)?, "--key", path(&client.key)?];
    curl.until(&[&good[..], &identity].concat(), "200")?;
    let stranger = ["--cert", path(&second.cert)?, "--key", path(&second.key)?];
    let response = curl.status(&[&good[..], &stranger].concat());
    ensure!(
        response == "000",
        "{response} with an untrusted certificate"
    );
    is_healthy(context, address)?;

    let log = echo.log();
    let errors = log.matches(ERROR).count();
    ensure!(errors == 1, "{errors} errors logged");
    ensure!(log.contains("TLS11"), "the error has no reason");
    ensure!(!log.contains(HASH), "a hash is in the log");
    Ok(())
}

/// The program that asks its own endpoints needs neither password nor certificate.
fn is_healthy(context: &Context, metrics: SocketAddr) -> Result<()> {
    let flags = ["-health", &format!("-metrics={metrics}")];
    let (code, output) = run_to_exit(context, &flags, LIMIT)?;
    ensure!(code == Some(0), "-health: status {code:?}: {output}");
    Ok(())
}

/// Starts a server with its endpoints at `address` and this web configuration.
pub(super) fn start(context: &Context, address: SocketAddr, config: &Path) -> Result<Process> {
    let mut command = Command::new(context.binary());
    command
        .args(["-mode=server", "-listen=127.0.0.1:0"])
        .arg(format!("-metrics={address}"))
        .arg(format!("-web.config.file={}", config.display()));
    Process::spawn(context, "tcp-echo-metrics", &mut command)
}

/// Returns a configuration with two jobs: with the password, and with a wrong one.
fn prometheus_config(
    context: &Context,
    address: SocketAddr,
    trusted: &[&Identity],
) -> Result<String> {
    let trusted: Result<Vec<_>, _> = trusted
        .iter()
        .map(|one| fs::read_to_string(&one.cert))
        .collect();
    let trusted = context.file("trusted.crt", &trusted?.concat())?;
    let job = |name: &str, password: &str| {
        format!(
            "  - job_name: {name}
    scheme: https
    tls_config: {{ca_file: '{}'}}
    basic_auth: {{username: alice, password: {password}}}
    static_configs: [{{targets: ['{address}']}}]
",
            trusted.display()
        )
    };
    Ok(format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs:\n{}{}",
        job("known", "secret"),
        job("unknown", "wrong")
    ))
}

/// A certificate and its key.
pub(super) struct Identity {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

/// Creates a certificate signed by `issuer`, or else self-signed.
pub(super) fn certificate(
    context: &Context,
    name: &str,
    address: SocketAddr,
    issuer: Option<&Identity>,
) -> Result<Identity> {
    let [cert, key] = ["crt", "key"].map(|end| context.folder().join(format!("{name}.{end}")));
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", &format!("/CN={name}")])
        .args(["-addext", &format!("subjectAltName=IP:{}", address.ip())]);
    if let Some(issuer) = issuer {
        command
            .args(["-CA", path(&issuer.cert)?, "-CAkey", path(&issuer.key)?])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    }
    output(command.arg("-keyout").arg(&key).arg("-out").arg(&cert))?;
    Ok(Identity { cert, key })
}

pub(super) fn path(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not UTF-8")
}

struct Curl {
    address: SocketAddr,
}

impl Curl {
    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/metrics", self.address)
    }

    /// Sends a request; returns the status code, or 000 without a response.
    fn status(&self, flags: &[&str]) -> String {
        curl::status(&self.url("https"), flags)
    }

    fn until(&self, flags: &[&str], status: &str) -> Result<Duration> {
        let ((), took) = wait::until(&format!("status {status}"), LIMIT, || {
            (self.status(flags) == status).then_some(())
        })?;
        Ok(took)
    }
}
