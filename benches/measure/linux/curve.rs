//! What many targets cost the program: processor time, memory, scrapes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::fleet::{Fleet, Scrape, raise_files};
use super::machine;
use super::plot::{Line, Plot};
use super::results::{Group, Picture};

/// As often as two processors can hold for the most targets, server included.
const INTERVAL: &str = "500ms";

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
            "interval": INTERVAL,
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
            if let Some(too_few) = raise_files(count)? {
                short = Some(too_few);
                continue;
            }
            println!("    {count} targets");
            points.push(point(count, span).with_context(|| format!("{count} targets"))?);
        }
        let mut group = Group {
            title: "Many targets",
            text: "The program as client and, in another process, as server, every target \
                   every 500 ms over loopback. Scrapes are of text 0.0.4.",
            command: "target/dist/tcp-echo-metrics -mode client -targets FILE".to_owned(),
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

/// The curves of a client, a server and a scrape over the number of targets.
pub(super) fn pictures(points: &[Point]) -> Vec<Picture> {
    let line = |name, value: fn(&Point) -> f64| Line {
        name,
        points: points
            .iter()
            .map(|point| (f64::from(point.targets), value(point)))
            .collect(),
    };
    let picture = |file, title, lines| Picture {
        file,
        plot: Plot {
            title,
            x: "targets",
            lines,
        },
    };
    if points.is_empty() {
        return Vec::new();
    }
    vec![
        picture(
            "cpu.svg",
            "CPU a probe, in µs",
            vec![
                line("client", |point| point.cpu_us_per_probe),
                line("server", |point| point.server_cpu_us_per_probe),
            ],
        ),
        picture(
            "memory.svg",
            "Resident memory, in MB",
            vec![
                line("client", |point| point.resident_bytes / 1e6),
                line("server", |point| point.server_resident_bytes / 1e6),
            ],
        ),
        picture(
            "scrape.svg",
            "A scrape",
            vec![
                line("time in ms", |point| point.scrape_ms),
                line("size in kB", |point| point.scrape_bytes / 1e3),
            ],
        ),
    ]
}

fn point(count: u32, span: Duration) -> Result<Point> {
    let fleet = Fleet::start(count, INTERVAL)?;
    let Fleet { server, client, .. } = &fleet;
    // What connecting has cost is over.
    sleep(span / 2);

    let before = fleet.scrape()?;
    let (start, cpu, server_cpu) = (Instant::now(), client.cpu()?, server.cpu()?);
    sleep(span);
    let took = start.elapsed().as_secs_f64();
    let cpu = client.cpu()?.saturating_sub(cpu).as_secs_f64();
    let server_cpu = server.cpu()?.saturating_sub(server_cpu).as_secs_f64();
    let after = fleet.scrape()?;
    // Between the scrapes lies a little more than the span.
    let between = start.elapsed().as_secs_f64();
    let sent = |scrape: &Scrape| scrape.sum("tcp_echo_sent_total{");
    let probes_per_second = (sent(&after) - sent(&before)) / between;
    let probes = probes_per_second * took;
    let resident_bytes = client.resident_bytes()?;

    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(fleet.scrape()?.took.as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let (zipped, _) = fleet.zipped()?;
    Ok(Point {
        targets: count,
        probes_per_second,
        cpu_us_per_probe: cpu * 1e6 / probes,
        cpu: cpu / took,
        resident_bytes,
        server_cpu_us_per_probe: server_cpu * 1e6 / probes,
        server_resident_bytes: server.resident_bytes()?,
        scrape_ms: times[times.len() / 2],
        scrape_bytes: after.text.len() as f64,
        scrape_gzip_bytes: zipped as f64,
    })
}
