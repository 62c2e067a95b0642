//! What one process has to hold: many targets, and many probes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::fleet::{Fleet, raise_files};
use super::results::Group;
use testkit::skip::skip;

/// One number of targets at one interval, for so long, and what is asked of it.
struct Case {
    targets: u32,
    interval: Duration,
    span: Duration,
    /// Scraped so often meanwhile, if at all.
    scraped: Option<Duration>,
    /// In cores.
    max_cpu: Option<f64>,
    max_megabytes: Option<f64>,
    max_scrape_ms: Option<f64>,
}

const CASES: [Case; 2] = [
    Case {
        targets: 1000,
        interval: Duration::from_millis(20),
        span: Duration::from_secs(10),
        scraped: None,
        max_cpu: Some(0.55),
        max_megabytes: None,
        max_scrape_ms: None,
    },
    Case {
        targets: 10_000,
        interval: Duration::from_secs(1),
        span: Duration::from_secs(20),
        scraped: Some(Duration::from_secs(2)),
        max_cpu: None,
        max_megabytes: Some(65.0),
        max_scrape_ms: Some(200.0),
    },
];

/// One set of series of many targets, and what is asked of a scrape.
struct SeriesCase {
    series: &'static str,
    max_scrape_ms: Option<f64>,
    max_gzip_megabytes: Option<f64>,
}

const SERIES_TARGETS: u32 = 10_000;
const SERIES_CASES: [SeriesCase; 3] = [
    SeriesCase {
        series: "all",
        max_scrape_ms: None,
        max_gzip_megabytes: None,
    },
    SeriesCase {
        series: "standard",
        max_scrape_ms: Some(150.0),
        max_gzip_megabytes: None,
    },
    SeriesCase {
        series: "minimal",
        max_scrape_ms: Some(40.0),
        max_gzip_megabytes: Some(1.0),
    },
];

/// Between these numbers the memory of one more target is measured.
const SLOPE_TARGETS: (u32, u32) = (5_000, 18_000);
const MOST_BYTES_EACH: f64 = 6_000.0;

const SLOTS_SENT: f64 = 0.99;
/// From the signal to the end of the process.
const MAX_STOP_MS: f64 = 1000.0;

pub(super) fn measure(quick: bool) -> Result<Group> {
    let mut group = Group {
        title: "What one process has to hold",
        text: "The program as client and, in another process, as server, over loopback on the same \
               processors. Scrapes are by gzip, as Prometheus makes them, but those of sets of series, \
               which are of text 0.0.4 where nothing else is said.",
        command: "target/dist/tcp-echo-metrics -mode client -targets FILE".to_owned(),
        ..Group::default()
    };
    for mut case in CASES {
        if quick {
            (case.targets, case.span) = (100, Duration::from_secs(1));
        }
        if let Some(short) = raise_files(case.targets)? {
            return skip(short);
        }
        println!("    {}", case.name());
        case.measure(&mut group).with_context(|| case.name())?;
    }
    let targets = if quick { 100 } else { SERIES_TARGETS };
    for case in SERIES_CASES {
        if let Some(short) = raise_files(targets)? {
            return skip(short);
        }
        println!("    {targets} targets, {} series", case.series);
        case.measure(targets, &mut group)
            .with_context(|| case.series)?;
    }
    let (few, many) = if quick { (20, 100) } else { SLOPE_TARGETS };
    if let Some(short) = raise_files(many)? {
        return skip(short);
    }
    println!("    memory of {few} and of {many} targets");
    let slope = (anonymous(many, quick)? - anonymous(few, quick)?) / f64::from(many - few);
    let what = format!("memory of a target, from {few} to {many} of them");
    if quick {
        group.add(what, slope, "bytes");
    } else {
        group.at_most(what, slope, "bytes", MOST_BYTES_EACH);
    }
    Ok(group)
}

/// Returns the anonymous memory of a client with so many targets, after scrapes and a few steps of
/// its history.
fn anonymous(targets: u32, quick: bool) -> Result<f64> {
    let fleet = Fleet::start(targets, "10s")?;
    sleep(Duration::from_secs(if quick { 1 } else { 25 }));
    fleet.zipped()?;
    fleet.client.anonymous_bytes()
}

impl SeriesCase {
    fn measure(&self, targets: u32, group: &mut Group) -> Result<()> {
        let series = format!("-series={}", self.series);
        // The interval leaves the processors to the scrapes.
        let fleet = Fleet::start_with(targets, &["-interval=5s", &series])?;
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..9 {
            let scrape = fleet.scrape()?;
            times.push(scrape.took.as_secs_f64() * 1e3);
            bytes = scrape.text.len();
        }
        times.sort_by(f64::total_cmp);
        let of = |what: &str| format!("{targets} targets, {} series: {what}", self.series);
        let median = times[times.len() / 2];
        push(group, of("scrape"), (median, "ms"), self.max_scrape_ms);
        group.add(of("size of a scrape"), bytes as f64 / 1e6, "MB");
        let (zipped, took) = fleet.zipped()?;
        let zipped = (zipped as f64 / 1e6, "MB");
        push(
            group,
            of("the same by gzip"),
            zipped,
            self.max_gzip_megabytes,
        );
        group.add(of("scrape by gzip"), took.as_secs_f64() * 1e3, "ms");
        Ok(())
    }
}

impl Case {
    fn name(&self) -> String {
        format!("{} targets every {:?}", self.targets, self.interval)
    }

    fn measure(&self, group: &mut Group) -> Result<()> {
        let interval = format!("{}ms", self.interval.as_millis());
        let mut fleet = Fleet::start(self.targets, &interval)?;
        // What connecting has cost is over.
        sleep(self.span / 4);
        let before = fleet.scrape()?;
        let (start, cpu) = (Instant::now(), fleet.client.cpu()?);
        let mut scrapes = self.wait(&fleet, start)?;
        let took = start.elapsed();
        let cpu = fleet.client.cpu()?.saturating_sub(cpu);
        let megabytes = fleet.client.resident_bytes()? / 1e6;
        let after = fleet.scrape()?;
        let stop = fleet.client.stop()?;

        let rise = |name: &str| after.sum(name) - before.sum(name);
        let (sent, unsent) = (rise("tcp_echo_sent_total{"), rise("tcp_echo_unsent_total{"));
        let name = self.name();
        let of = |what: &str| format!("{name}: {what}");
        group.add(of("probes a second"), sent / took.as_secs_f64(), "/s");
        group.at_least(
            of("share of slots sent"),
            sent / (sent + unsent),
            "",
            SLOTS_SENT,
        );
        group.at_most(
            of("false timeouts"),
            rise("tcp_echo_timeouts_total{"),
            "",
            0.0,
        );
        push(
            group,
            of("CPU"),
            (cpu.as_secs_f64() / took.as_secs_f64(), "cores"),
            self.max_cpu,
        );
        group.add(of("CPU a probe"), cpu.as_secs_f64() * 1e6 / sent, "µs");
        push(group, of("memory"), (megabytes, "MB"), self.max_megabytes);
        if !scrapes.is_empty() {
            scrapes.sort_by(f64::total_cmp);
            let median = scrapes[scrapes.len() / 2];
            push(group, of("scrape"), (median, "ms"), self.max_scrape_ms);
            group.add(of("slowest scrape"), scrapes[scrapes.len() - 1], "ms");
        }
        let stop = stop.as_secs_f64() * 1e3;
        group.at_most(of("SIGTERM to its end"), stop, "ms", MAX_STOP_MS);
        Ok(())
    }

    /// Lets the span pass; gives how long each scrape took, in milliseconds.
    fn wait(&self, fleet: &Fleet, start: Instant) -> Result<Vec<f64>> {
        let mut times = Vec::new();
        while let Some(left) = self.span.checked_sub(start.elapsed()) {
            sleep(self.scraped.unwrap_or(left).min(left));
            if self.scraped.is_some() {
                times.push(fleet.zipped()?.1.as_secs_f64() * 1e3);
            }
        }
        Ok(times)
    }
}

fn push(group: &mut Group, what: String, (value, unit): (f64, &'static str), max: Option<f64>) {
    match max {
        Some(max) => group.at_most(what, value, unit, max),
        None => group.add(what, value, unit),
    }
}
