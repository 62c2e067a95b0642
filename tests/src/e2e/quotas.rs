//! One client that exhausts its quota, and another client that must not be affected.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::{endpoint::Endpoint, ports, wait};

use super::curl;
use super::web_config::{self, HASH};
use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "one client asks for all targets",
        tools: &[("curl", "curl")],
        run: targets,
        ..PLAIN
    },
    Scenario {
        name: "one client guesses passwords",
        tools: &[("curl", "curl")],
        run: passwords,
        ..PLAIN
    },
];

const LIMIT: Duration = Duration::from_secs(20);

/// The address of the other client. The first client is at 127.0.0.1.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The number of concurrent guesses, equal to the maximum number of connections from one address.
const ATTEMPTS: usize = 50;

/// Sends a request from the address [`OTHER`]; returns the status code.
fn status_for_other(address: SocketAddr, path: &str, flags: &[&str]) -> String {
    let interface = OTHER.to_string();
    let flags = [&["--interface", &interface], flags].concat();
    curl::status(&format!("http://{address}{path}"), &flags)
}

fn targets(context: &Context) -> Result<()> {
    const MAX: u16 = 40;
    let echo = Echo::start(
        context,
        &[
            "-mode=client",
            "-web.enable-probe",
            "-web.probe-allow=127.0.0.0/8",
            &format!("-web.probe-max={MAX}"),
        ],
    )?;
    let path = |port: u16| format!("/probe?target=127.0.0.3:{port}");
    let mut started = 0;
    for port in 1..=2 * MAX {
        let response = echo.metrics.request("GET", &path(port), &[])?;
        ensure!(
            [200, 429].contains(&response.status),
            "{} for target {port}",
            response.status
        );
        started += u16::from(response.status == 200);
    }
    context.note(format!("one client started {started} of {MAX} targets"));
    ensure!(started == MAX / 4 * 3, "{started} targets started");
    // Another client gets a new target and existing ones, also with parameters.
    for query in [path(1000), path(1), path(1) + "&interval=5s"] {
        let response = status_for_other(echo.metrics.address, &query, &[]);
        ensure!(response == "200", "{response} for {query}");
    }
    // The scrape timeout in the header is parsed.
    for (seconds, status) in [("10", 200), ("ten", 400)] {
        let header = ("X-Prometheus-Scrape-Timeout-Seconds", seconds);
        let response = echo.metrics.request("GET", &path(1), &[header])?;
        ensure!(
            response.status == status,
            "{} for {seconds}",
            response.status
        );
    }
    Ok(())
}

fn passwords(context: &Context) -> Result<()> {
    let users = ["alice", "bob", "carol"];
    let entries = users.map(|user| format!("  {user}: {HASH}\n")).concat();
    let config = context.file("web.yml", &format!("basic_auth_users:\n{entries}"))?;
    let address = ports::free()?;
    let _echo = web_config::start(context, address, &config)?;
    let endpoint = Endpoint::at(address);
    wait::until("a response", LIMIT, || {
        endpoint.request("GET", "/-/healthy", &[]).ok()
    })?;

    let (guessed, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for task in 0..ATTEMPTS {
            let (endpoint, guessed, stop) = (&endpoint, &guessed, &stop);
            scope.spawn(move || {
                for guess in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // Another password each time, encoded in Base64. The Base64 text of the user name has
                    // no padding, so any digits may follow it.
                    let header = format!("Basic YWxpY2U6{task:0>4}{guess:0>8}");
                    let headers = [("Authorization", &*header)];
                    let response = endpoint.request("GET", "/metrics", &headers);
                    let is_checked = response.is_ok_and(|response| response.status == 401);
                    guessed.fetch_add(usize::from(is_checked), Ordering::Relaxed);
                }
            });
        }
        let logged_in = users.iter().try_for_each(|user| {
            let before = guessed.load(Ordering::Relaxed);
            wait::until("guesses", LIMIT, || {
                (guessed.load(Ordering::Relaxed) > before + 2).then_some(())
            })?;
            let before = guessed.load(Ordering::Relaxed);
            let login = format!("{user}:secret");
            let response = status_for_other(address, "/metrics", &["--user", &login]);
            let meanwhile = guessed.load(Ordering::Relaxed) - before;
            context.note(format!("{user}: {response} after {meanwhile} guesses"));
            ensure!(response == "200", "{response} for {user}'s password");
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        logged_in
    })
}
