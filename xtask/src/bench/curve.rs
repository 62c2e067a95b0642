//! What many targets cost the program: processor time, memory, scrapes.

use std::net::SocketAddr;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use super::machine;
use super::program::{Program, get, release};
use super::results::Group;

const INTERVAL: Duration = Duration::from_millis(200);
/// How long all connections may take to be made.
const PATIENCE: Duration = Duration::from_secs(60);
/// Descriptors beside those of the connections.
const SPARE: u64 = 100;

/// One number of targets.
pub(super) struct Point {
    pub(super) targets: u32,
    pub(super) probes_per_second: f64,
    /// Of the client's time, all of its threads.
    pub(super) cpu_us_per_probe: f64,
    /// In cores.
    pub(super) cpu: f64,
    pub(super) resident_bytes: f64,
    pub(super) server_cpu_us_per_probe: f64,
    pub(super) server_resident_bytes: f64,
    pub(super) scrape_ms: f64,
    pub(super) scrape_bytes: f64,
    pub(super) scrape_gzip_bytes: f64,
}

impl Point {
    pub(super) fn json(&self) -> Value {
        json!({
            "targets": self.targets,
            "interval_ms": INTERVAL.as_secs_f64() * 1e3,
            "probes_per_second": self.probes_per_second,
            "cpu_us_per_probe": self.cpu_us_per_probe,
            "cpu_cores": self.cpu,
            "resident_bytes": self.resident_bytes,
            "server_cpu_us_per_probe": self.server_cpu_us_per_probe,
            "server_resident_bytes": self.server_resident_bytes,
            "scrape_ms": self.scrape_ms,
            "scrape_bytes": self.scrape_bytes,
            "scrape_gzip_bytes": self.scrape_gzip_bytes,
        })
    }
}

pub(super) fn measure(quick: bool) -> Result<(Group, Vec<Point>)> {
    let (counts, span): (&[u32], _) = if quick {
        (&[1, 100], Duration::from_millis(500))
    } else {
        (&[1, 10, 100, 1000, 10_000], Duration::from_secs(5))
    };
    let mut points = Vec::new();
    let mut short = None;
    let group = machine::timed(|| {
        for &count in counts {
            let files = raise_files(u64::from(count) + SPARE)?;
            if files < u64::from(count) + SPARE {
                short = Some(format!("{count} targets left out: ulimit -n is {files}"));
                continue;
            }
            println!("    {count} targets");
            points.push(point(count, span).with_context(|| format!("{count} targets"))?);
        }
        let mut group = Group {
            title: "Many targets",
            text: "The program as client and, in another process, as server, every target at the \
                   default interval of 200 ms over loopback. Scrapes are of text 0.0.4.",
            command: "target/release/tcp-echo-metrics -mode client -target NAME=ADDRESS …"
                .to_owned(),
            ..Group::default()
        };
        for point in &points {
            let of = |what: &str| format!("{} targets: {what}", point.targets);
            group.add(of("CPU a probe"), point.cpu_us_per_probe, "µs");
            group.add(of("probes a second"), point.probes_per_second, "/s");
            group.add(of("CPU"), point.cpu, "cores");
            group.add(of("memory"), point.resident_bytes / 1e6, "MB");
            group.add(of("scrape"), point.scrape_ms, "ms");
            group.add(of("size of a scrape"), point.scrape_bytes / 1e3, "kB");
            group.add(of("the same by gzip"), point.scrape_gzip_bytes / 1e3, "kB");
            group.add(
                of("server's CPU a probe"),
                point.server_cpu_us_per_probe,
                "µs",
            );
            group.add(
                of("server's memory"),
                point.server_resident_bytes / 1e6,
                "MB",
            );
        }
        Ok(group)
    })?;
    if let Some(short) = short {
        println!("    !!! {short}");
    }
    Ok((group, points))
}

/// Raises the limit of open files, which children have from here, and gives what it is then.
fn raise_files(wanted: u64) -> Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted.min(most)),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).context("setrlimit")?;
    }
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

fn point(count: u32, span: Duration) -> Result<Point> {
    let mut server = Program::start(
        Command::new(release("tcp-echo-metrics")).args([
            "-mode=server",
            "-listen=127.0.0.1:0",
            "-metrics=127.0.0.1:0",
            "-max-connections=0",
            "-max-connections-per-ip=0",
        ]),
        "server",
    )?;
    let echo = server.says("echo server listens address=")?;
    let mut command = Command::new(release("tcp-echo-metrics"));
    command.args(["-mode=client", "-metrics=127.0.0.1:0", "-interval=200ms"]);
    for n in 0..count {
        command.arg(format!("-target=rack-{}/host-{n}={echo}", n % 40));
    }
    let mut client = Program::start(&mut command, "client")?;
    let metrics: SocketAddr = client.says("metrics endpoint listens address=")?.parse()?;
    wait_for_connections(metrics, count)?;
    // What connecting has cost is over.
    sleep(span / 2);

    let sent = |text: &str| sum(text, "tcp_echo_sent_total{");
    let before = scrape(metrics, "")?.0;
    let (start, cpu, server_cpu) = (Instant::now(), client.cpu()?, server.cpu()?);
    sleep(span);
    let took = start.elapsed().as_secs_f64();
    let cpu = client.cpu()?.saturating_sub(cpu).as_secs_f64();
    let server_cpu = server.cpu()?.saturating_sub(server_cpu).as_secs_f64();
    let after = scrape(metrics, "")?.0;
    // Between the scrapes lies a little more than the span.
    let between = start.elapsed().as_secs_f64();
    let probes_per_second = (sent(&after) - sent(&before)) / between;
    let probes = probes_per_second * took;
    let resident_bytes = client.resident_bytes()?;

    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(scrape(metrics, "")?.1.as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let (zipped, _) = get(metrics, "/metrics", "Accept-Encoding: gzip\r\n")?;
    Ok(Point {
        targets: count,
        probes_per_second,
        cpu_us_per_probe: cpu * 1e6 / probes,
        cpu: cpu / took,
        resident_bytes,
        server_cpu_us_per_probe: server_cpu * 1e6 / probes,
        server_resident_bytes: server.resident_bytes()?,
        scrape_ms: times[times.len() / 2],
        scrape_bytes: after.len() as f64,
        scrape_gzip_bytes: zipped.len() as f64,
    })
}

fn scrape(metrics: SocketAddr, more: &str) -> Result<(String, Duration)> {
    let (body, took) = get(metrics, "/metrics", more)?;
    Ok((String::from_utf8(body)?, took))
}

fn wait_for_connections(metrics: SocketAddr, count: u32) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let connected = sum(&scrape(metrics, "")?.0, "tcp_echo_connected{");
        if connected >= f64::from(count) {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("only {connected} of {count} targets are connected");
        }
        sleep(Duration::from_millis(200));
    }
}

/// The sum of all samples that begin so.
fn sum(text: &str, prefix: &str) -> f64 {
    let samples = text.lines().filter(|line| line.starts_with(prefix));
    samples
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn samples_are_summed() {
        let text = "# TYPE a counter\na{t=\"x y\"} 1\nab{t=\"z\"} 5\na{t=\"z\"} 2.5\n";
        assert!((sum(text, "a{") - 3.5).abs() < 1e-9);
    }
}
