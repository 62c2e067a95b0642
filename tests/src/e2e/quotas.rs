//! One client that takes all it can get, and another that needs little.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::netns::Inside;
use testkit::process::Process;
use testkit::{endpoint::Endpoint, ports, wait};

use super::web_config::HASH;
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

/// The address of the client that needs little. The other is at 127.0.0.1.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// How many guesses are under way at once; as many connections as one address may have.
const GUESSES: usize = 50;

/// What curl gets from the address [`OTHER`].
fn curl(address: SocketAddr, path: &str, flags: &[&str]) -> String {
    let asked = Command::new("curl")
        .args(["--silent", "--max-time", "20", "--output", "/dev/null"])
        .args(["--write-out", "%{http_code}", "--interface"])
        .arg(OTHER.to_string())
        .args(flags)
        .arg(format!("http://{address}{path}"))
        .output();
    asked.map_or_else(
        |error| error.to_string(),
        |asked| String::from_utf8_lossy(&asked.stdout).into_owned(),
    )
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
    let mut begun = 0;
    for port in 1..=2 * MAX {
        let answer = echo.metrics.request("GET", &path(port), &[])?;
        ensure!(
            [200, 429].contains(&answer.status),
            "{} for target {port}",
            answer.status
        );
        begun += u16::from(answer.status == 200);
    }
    context.note(format!("{begun} of {MAX} targets for one client alone"));
    ensure!(begun == MAX / 4 * 3, "{begun} targets are begun");
    // Another gets a new one, and those that there are, however it asks.
    for query in [path(1000), path(1), path(1) + "&interval=5s"] {
        let answer = curl(echo.metrics.address, &query, &[]);
        ensure!(answer == "200", "{answer} for {query}");
    }
    // How long an answer may take is for the scrape to say.
    for (seconds, status) in [("10", 200), ("ten", 400)] {
        let header = ("X-Prometheus-Scrape-Timeout-Seconds", seconds);
        let answer = echo.metrics.request("GET", &path(1), &[header])?;
        ensure!(answer.status == status, "{} for {seconds}", answer.status);
    }
    Ok(())
}

fn passwords(context: &Context) -> Result<()> {
    let users = ["alice", "bob", "carol"];
    let entries = users.map(|user| format!("  {user}: {HASH}\n")).concat();
    let config = context.file("web.yml", &format!("basic_auth_users:\n{entries}"))?;
    let address = ports::free()?;
    let mut command = Command::new(context.binary());
    command
        .args(["-mode=server", "-listen=127.0.0.1:0"])
        .arg(format!("-metrics={address}"))
        .arg(format!("-web.config.file={}", config.display()));
    let _echo = Process::spawn(context, "tcp-echo-metrics", &mut command)?;
    let endpoint = Endpoint {
        address,
        inside: Inside::default(),
    };
    wait::until("an answer", LIMIT, || {
        endpoint.request("GET", "/-/healthy", &[]).ok()
    })?;

    let (guessed, ends) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for task in 0..GUESSES {
            let (endpoint, guessed, ends) = (&endpoint, &guessed, &ends);
            scope.spawn(move || {
                for guess in 0.. {
                    if ends.load(Ordering::Relaxed) {
                        return;
                    }
                    // Another password each time, in Base64 of its own: its last group has
                    // neither a colon nor anything after it to break.
                    let header = format!("Basic YWxpY2U6{task:0>4}{guess:0>8}");
                    let headers = [("Authorization", &*header)];
                    let answer = endpoint.request("GET", "/metrics", &headers);
                    let is_checked = answer.is_ok_and(|answer| answer.status == 401);
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
            let answer = curl(address, "/metrics", &["--user", &login]);
            let meanwhile = guessed.load(Ordering::Relaxed) - before;
            context.note(format!("{user}: {answer} after {meanwhile} guesses"));
            ensure!(answer == "200", "{answer} for {user}'s password");
            Ok(())
        });
        ends.store(true, Ordering::Relaxed);
        logged_in
    })
}
