//! A minimal prober: it sleeps until the slot, writes and reads on one blocking socket.
//!
//! The ratio of another prober's cost to the cost of this one shows the overhead of that prober. At
//! real-time priority it measures the network itself, since nothing on its CPU delays the reading of a
//! reply.

#[macro_use]
mod linux_only;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "used by another program of this package")]
mod probing;

linux_only!("floor-prober requires clock_nanosleep");

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use clap::Parser;
    use rustix::thread::{CpuSet, clock_nanosleep_absolute, sched_setaffinity};
    use rustix::time::{ClockId, Timespec, clock_gettime};

    use crate::probing::{Report, Times};

    /// A minimal blocking prober, as a baseline for other probers.
    #[derive(Parser)]
    struct Args {
        /// The echo server.
        server: SocketAddr,
        /// Interval between probes, in microseconds.
        #[arg(short, long, default_value_t = 10_000)]
        interval_us: u64,
        /// Seconds to measure.
        #[arg(short, long, default_value_t = 1.0)]
        duration: f64,
        /// Seconds of warm-up.
        #[arg(long, default_value_t = 0.1)]
        warmup: f64,
        /// CPU to run on.
        #[arg(long)]
        core: Option<usize>,
        /// Run at real-time priority with chrt(1).
        #[arg(long)]
        realtime: bool,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    }

    /// A slot may be late by its interval, or by this much if that is shorter: as in the prober, so that
    /// both skip the same slots.
    const MIN_TOLERANCE_NS: u64 = 1_000_000;
    const NS: u64 = 1_000_000_000;

    pub(super) fn main() -> Result<(), Box<dyn Error>> {
        let args = Args::parse();
        if let Some(core) = args.core {
            let mut cpus = CpuSet::new();
            cpus.set(core);
            sched_setaffinity(None, &cpus)?;
        }
        if args.realtime {
            let again = std::env::args_os()
                .skip(1)
                .filter(|arg| arg != "--realtime");
            let error = Command::new("chrt")
                .args(["--fifo", "50"])
                .arg(std::env::current_exe()?)
                .args(again)
                .exec();
            return Err(format!("chrt: {error}").into());
        }
        let report = probe(&args)?;
        if args.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            report.print();
        }
        Ok(())
    }

    fn probe(args: &Args) -> Result<Report, Box<dyn Error>> {
        let mut stream = TcpStream::connect(args.server)?;
        stream.set_nodelay(true)?;
        let interval = args.interval_us * 1000;
        let tolerance = interval.max(MIN_TOLERANCE_NS);
        let ns = |seconds: f64| std::time::Duration::from_secs_f64(seconds).as_nanos();
        let origin = now(ClockId::Monotonic)?;
        let begin = origin + u64::try_from(ns(args.warmup))?;
        let end = begin + u64::try_from(ns(args.duration))?;

        let (mut rtts, mut lateness) = (Times::new()?, Times::new()?);
        let (mut slots, mut cpu) = (0, 0);
        let mut measuring = false;
        println!("measuring");
        for seq in 1_u64.. {
            let due = origin + seq * interval;
            if due > end {
                break;
            }
            if due >= begin && !measuring {
                measuring = true;
                cpu = now(ClockId::ProcessCPUTime)?;
            }
            slots += u64::from(measuring);
            if now(ClockId::Monotonic)? > due + tolerance {
                continue;
            }
            let request = Timespec {
                tv_sec: i64::try_from(due / NS)?,
                tv_nsec: i64::try_from(due % NS)?,
            };
            clock_nanosleep_absolute(ClockId::Monotonic, &request)?;
            let sent = now(ClockId::Monotonic)?;
            let mut frame = [0; 16];
            frame[..8].copy_from_slice(&seq.to_le_bytes());
            stream.write_all(&frame)?;
            stream.read_exact(&mut frame)?;
            let rtt = now(ClockId::Monotonic)? - sent;
            if measuring {
                lateness.add_ns(u128::from(sent.saturating_sub(due)));
                rtts.add_ns(u128::from(rtt));
            }
        }
        let sent = rtts.count();
        let cpu = now(ClockId::ProcessCPUTime)? - cpu;
        Ok(Report {
            slots,
            sent,
            received: sent,
            stamped: 0,
            cpu_us_per_probe: cpu as f64 / 1e3 / sent as f64,
            rtt_us: rtts.quantiles(),
            lateness_us: lateness.quantiles(),
            host_delay_us: None,
        })
    }

    fn now(clock: ClockId) -> Result<u64, std::num::TryFromIntError> {
        let now = clock_gettime(clock);
        Ok(u64::try_from(now.tv_sec)? * NS + u64::try_from(now.tv_nsec)?)
    }
}
