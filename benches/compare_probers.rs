//! Compares the prober with a minimal prober (the floor): CPU time, slots sent, round-trip times.
//!
//! The two probe the same floor server in many short alternating rounds, so that other load on the
//! machine affects both alike; the result is the median of the ratios of adjacent rounds. Then both
//! probe at the same time on one CPU that six busy loops share, the floor at real-time priority: it
//! measures the network without scheduling delays, and the prober should report the same. Last,
//! strace(1), if installed, counts the system calls per probe.

#[macro_use]
mod linux_only;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "used by another program of this package")]
mod probing;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "used by another program of this package")]
mod process;

linux_only!("compare-probers requires CPU affinity and /proc");

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::os::unix::process::parent_id;
    use std::process::{Command, Stdio};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use clap::Parser;
    use rustix::process::{Pid, Signal, kill_process};
    use serde::Serialize;

    use crate::probing::Report;
    use crate::process::{Process, Result, beside, median};

    /// Compares the prober with a minimal blocking prober.
    #[derive(Parser)]
    struct Args {
        /// Rounds of each prober at each interval.
        #[arg(short, long, default_value_t = 9)]
        rounds: usize,
        /// Seconds per round.
        #[arg(short, long, default_value_t = 1.0)]
        duration: f64,
        /// Probe intervals in microseconds.
        #[arg(long, value_delimiter = ',', default_value = "10000,1000,100")]
        intervals_us: Vec<u64>,
        /// Busy loops on the probers' CPU; 0 skips the comparison under load.
        #[arg(long, default_value_t = 6)]
        busy_loops: usize,
        /// Numbers of targets for counting system calls.
        #[arg(long, value_delimiter = ',', default_value = "1,100,1000")]
        targets: Vec<u64>,
        /// CPU of the server.
        #[arg(long, default_value_t = 0)]
        server_cpu: usize,
        /// CPU of the probers.
        #[arg(long, default_value_t = 1)]
        prober_cpu: usize,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
        /// Run a busy loop until the parent exits.
        #[arg(long, hide = true)]
        spin: bool,
    }

    #[derive(Serialize)]
    struct Figures {
        intervals: Vec<AtInterval>,
        loaded: Option<Loaded>,
        system_calls: Vec<Calls>,
    }

    /// Medians over the rounds; ratios are those of the prober to the floor.
    #[derive(Serialize)]
    struct AtInterval {
        interval_us: u64,
        cpu_ratio: f64,
        rtt_p50_ratio: f64,
        prober: Medians,
        floor: Medians,
    }

    #[derive(Serialize)]
    struct Medians {
        cpu_us_per_probe: f64,
        share_sent: f64,
        share_stamped: f64,
        rtt_p50_us: f64,
        rtt_p99_us: f64,
        lateness_p50_us: f64,
        lateness_p99_us: f64,
        host_delay_p50_us: Option<f64>,
    }

    /// The result under busy loops, with the floor at real-time priority at the same time.
    #[derive(Serialize)]
    struct Loaded {
        busy_loops: usize,
        rtt_p50_ratio: f64,
        prober: Medians,
        floor: Medians,
    }

    #[derive(Serialize)]
    struct Calls {
        targets: u64,
        per_probe: BTreeMap<String, f64>,
    }

    pub(super) fn main() -> Result<()> {
        let args = Args::parse();
        if args.spin {
            spin();
            return Ok(());
        }
        let mut command = Command::new(beside("floor-server")?);
        let server = Process::start(&mut command, args.server_cpu, "listening on ")?;
        let mut figures = Figures {
            intervals: Vec::new(),
            loaded: None,
            system_calls: Vec::new(),
        };
        for &interval_us in &args.intervals_us {
            let at = compare(&args, &server.line, interval_us)?;
            figures.intervals.push(at);
        }
        if args.busy_loops > 0 {
            figures.loaded = Some(under_load(&args, &server.line)?);
        }
        for &targets in &args.targets {
            if let Some(calls) = count_calls(&args, &server.line, targets)? {
                figures.system_calls.push(calls);
            }
        }
        if args.json {
            println!("{}", serde_json::to_string_pretty(&figures)?);
        } else {
            print_table(&figures);
        }
        Ok(())
    }

    /// Starts a prober.
    fn start(args: &Args, name: &str, server: &str, more: &[&str]) -> Result<Process> {
        let mut command = Command::new(beside(name)?);
        command
            .args([server, "--json", "--duration", &args.duration.to_string()])
            .args(more);
        Process::start(&mut command, args.prober_cpu, "measuring")
    }

    fn report(process: Process) -> Result<Report> {
        Ok(serde_json::from_str(&process.rest()?)?)
    }

    fn compare(args: &Args, server: &str, interval_us: u64) -> Result<AtInterval> {
        let interval = interval_us.to_string();
        let turn = |name| report(start(args, name, server, &["--interval-us", &interval])?);
        let mut pairs = Vec::new();
        for round in 0..args.rounds {
            // The order alternates, to cancel out drift.
            if round % 2 == 0 {
                let floor = turn("floor-prober")?;
                pairs.push((turn("prober")?, floor));
            } else {
                let prober = turn("prober")?;
                pairs.push((prober, turn("floor-prober")?));
            }
        }
        Ok(AtInterval {
            interval_us,
            cpu_ratio: ratio(&pairs, |report| report.cpu_us_per_probe),
            rtt_p50_ratio: ratio(&pairs, |report| report.rtt_us.p50),
            prober: medians(&pairs.iter().map(|(prober, _)| prober)),
            floor: medians(&pairs.iter().map(|(_, floor)| floor)),
        })
    }

    fn under_load(args: &Args, server: &str) -> Result<Loaded> {
        let mut busy = Vec::new();
        for _ in 0..args.busy_loops {
            let mut command = Command::new(std::env::current_exe()?);
            busy.push(Process::start(
                command.arg("--spin"),
                args.prober_cpu,
                "spinning",
            )?);
        }
        let mut pairs = Vec::new();
        for _ in 0..args.rounds {
            let floor = start(args, "floor-prober", server, &["--realtime"])?;
            let prober = start(args, "prober", server, &[])?;
            pairs.push((report(prober)?, report(floor)?));
        }
        Ok(Loaded {
            busy_loops: args.busy_loops,
            rtt_p50_ratio: ratio(&pairs, |report| report.rtt_us.p50),
            prober: medians(&pairs.iter().map(|(prober, _)| prober)),
            floor: medians(&pairs.iter().map(|(_, floor)| floor)),
        })
    }

    /// Runs a busy loop in a child process, which also exits when its parent is gone.
    fn spin() {
        let parent = parent_id();
        let end = Instant::now() + Duration::from_secs(120);
        println!("spinning");
        while parent_id() == parent && Instant::now() < end {
            for turn in 0..1_000_000 {
                std::hint::black_box(turn);
            }
        }
    }

    /// Counts the system calls per probe, at a thousand probes per second for any number of targets, since
    /// strace slows them down. `None` if strace can't be run.
    fn count_calls(args: &Args, server: &str, targets: u64) -> Result<Option<Calls>> {
        let (count, interval_us) = (targets.to_string(), (targets * 1000).to_string());
        let more = [
            "--targets",
            &count,
            "--interval-us",
            &interval_us,
            "--warmup",
            "1",
        ];
        let prober = start(args, "prober", server, &more)?;
        let strace = Command::new("strace")
            .args(["-f", "-c", "-p", &prober.id().to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(strace) = strace else {
            return Ok(None);
        };
        // Only while all are connected, without startup and shutdown.
        sleep(Duration::from_secs_f64(args.duration * 0.8));
        if let Some(pid) = Pid::from_raw(i32::try_from(strace.id())?) {
            kill_process(pid, Signal::INT)?;
        }
        let strace = strace.wait_with_output()?;
        let output = String::from_utf8(strace.stderr)?;
        let counts: BTreeMap<String, u64> = output.lines().filter_map(calls).collect();
        let Some(&sends) = counts.get("sendto").or(counts.get("write")) else {
            return Ok(None);
        };
        let per_probe = counts
            .into_iter()
            .map(|(name, count)| (name, count as f64 / sends as f64))
            // Rarer calls are not made per probe.
            .filter(|(_, count)| *count >= 0.01)
            .collect();
        Ok(Some(Calls { targets, per_probe }))
    }

    /// Parses a line of `strace -c`: share, seconds, microseconds per call, calls, perhaps errors, name.
    fn calls(line: &str) -> Option<(String, u64)> {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.first()?.parse::<f64>().ok()?;
        let name = words.last().filter(|name| **name != "total")?;
        Some(((*name).to_owned(), words.get(3)?.parse().ok()?))
    }

    fn ratio(pairs: &[(Report, Report)], value: fn(&Report) -> f64) -> f64 {
        median(pairs.iter().map(|(own, floor)| value(own) / value(floor)))
    }

    fn medians<'a>(reports: &(impl Iterator<Item = &'a Report> + Clone)) -> Medians {
        let of = |value: fn(&Report) -> f64| median(reports.clone().map(value));
        let delays: Vec<f64> = reports
            .clone()
            .filter_map(|report| Some(report.host_delay_us.as_ref()?.p50))
            .collect();
        Medians {
            cpu_us_per_probe: of(|report| report.cpu_us_per_probe),
            share_sent: of(Report::share_sent),
            share_stamped: of(|report| report.stamped as f64 / report.received.max(1) as f64),
            rtt_p50_us: of(|report| report.rtt_us.p50),
            rtt_p99_us: of(|report| report.rtt_us.p99),
            lateness_p50_us: of(|report| report.lateness_us.p50),
            lateness_p99_us: of(|report| report.lateness_us.p99),
            host_delay_p50_us: (!delays.is_empty()).then(|| median(delays)),
        }
    }

    fn print_table(figures: &Figures) {
        let line = |name: &str, of: &Medians| {
            println!(
                "  {name:7} CPU {:>6.2} us a probe, sent {:.4}, RTT p50 {:>6.1} us p99 {:>7.1} us, \
                 late p50 {:>5.1} us p99 {:>7.1} us, by stamp {:.3}, host p50 {:.1} us",
                of.cpu_us_per_probe,
                of.share_sent,
                of.rtt_p50_us,
                of.rtt_p99_us,
                of.lateness_p50_us,
                of.lateness_p99_us,
                of.share_stamped,
                of.host_delay_p50_us.unwrap_or(0.0),
            );
        };
        for at in &figures.intervals {
            println!(
                "every {} us: CPU {:.3}, RTT p50 {:.3} of the floor's",
                at.interval_us, at.cpu_ratio, at.rtt_p50_ratio
            );
            line("prober", &at.prober);
            line("floor", &at.floor);
        }
        if let Some(loaded) = &figures.loaded {
            println!(
                "under {} busy loops: RTT p50 {:.3} of the floor's at real-time priority",
                loaded.busy_loops, loaded.rtt_p50_ratio
            );
            line("prober", &loaded.prober);
            line("floor", &loaded.floor);
        }
        for calls in &figures.system_calls {
            println!("system calls per probe, {} targets:", calls.targets);
            for (name, count) in &calls.per_probe {
                println!("  {name:20} {count:.2}");
            }
        }
    }
}
