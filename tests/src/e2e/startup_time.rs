//! The time from the start of the program to its first probe.

use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, PollFlags, poll};
use testkit::context::Context;
use testkit::ports;
use testkit::process::Process;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "start to first probe",
    alone: true,
    run: first_probe,
    ..PLAIN
}];

const STARTS: usize = 20;
/// The maximum time of the fastest start. Other load only adds to the time, so the median is
/// noted but not checked.
const MAX: Duration = Duration::from_millis(20);
const PROBE: usize = 16;
const LIMIT: Duration = Duration::from_secs(5);

fn first_probe(context: &Context) -> Result<()> {
    let mut connects = Vec::new();
    let mut probes = Vec::new();
    for _ in 0..STARTS {
        let (connect, probe) = once(context)?;
        connects.push(connect);
        probes.push(probe);
    }
    connects.sort_unstable();
    probes.sort_unstable();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    context.note(format!(
        "from the start to the first probe, of {STARTS}: fastest {:.1} ms, median {:.1} ms, \
         slowest {:.1} ms; to the connection, median {:.1} ms",
        millis(probes[0]),
        millis(probes[STARTS / 2]),
        millis(probes[STARTS - 1]),
        millis(connects[STARTS / 2]),
    ));
    ensure!(
        probes[0] <= MAX,
        "no start of {STARTS} had its first probe within {} ms",
        MAX.as_millis()
    );
    Ok(())
}

/// Returns the time from right before the start to the connection, and to the first probe.
fn once(context: &Context) -> Result<(Duration, Duration)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut command = Command::new(context.binary());
    command
        .args(["-mode=client", "-interval=10ms"])
        .arg(format!("-target={}", listener.local_addr()?))
        .arg(format!("-metrics={}", ports::free()?));
    let start = Instant::now();
    let _process = Process::spawn(context, "tcp-echo-metrics", &mut command)?;
    let limit = LIMIT.try_into()?;
    let ready = poll(
        &mut [PollFd::new(&listener.as_fd(), PollFlags::IN)],
        Some(&limit),
    )?;
    ensure!(ready == 1, "no connection");
    let (mut stream, _) = listener.accept()?;
    let connected = start.elapsed();
    stream.set_read_timeout(Some(LIMIT))?;
    // A hello comes first.
    let mut frames = [[0; PROBE]; 2];
    for frame in &mut frames {
        stream.read_exact(frame).context("no probe")?;
    }
    let [_, probe] = frames;
    let probed = start.elapsed();
    ensure!(
        probe[..8] == 1_u64.to_le_bytes(),
        "the first probe is {probe:?}"
    );
    Ok((connected, probed))
}
