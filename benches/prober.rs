//! Runs the prober without metrics, as an embedder would.

#[macro_use]
mod linux_only;
#[cfg(target_os = "linux")]
mod probing;

linux_only!("prober requires the Linux clock of CPU time");

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use clap::{Parser, ValueEnum};
    use rustix::thread::{CpuSet, sched_setaffinity};
    use rustix::time::{ClockId, clock_gettime};
    use tcp_echo_prober::{
        Address, Coalesce, Event, Observer, Options, Prober, Sensor, Session, SessionConfig,
        Target, TargetSet, Timestamps,
    };

    use crate::probing::{Report, Times};

    /// The prober on one thread, for measurements.
    #[derive(Parser)]
    struct Args {
        /// The echo server.
        server: Address,
        /// Interval between probes of a target, in microseconds.
        #[arg(short, long, default_value_t = 10_000)]
        interval_us: u64,
        /// Timeout in milliseconds.
        #[arg(long, default_value_t = 800)]
        timeout_ms: u64,
        /// Number of targets, all at that server.
        #[arg(short, long, default_value_t = 1)]
        targets: usize,
        /// Seconds to measure.
        #[arg(short, long, default_value_t = 1.0)]
        duration: f64,
        /// Seconds of warm-up.
        #[arg(long, default_value_t = 0.1)]
        warmup: f64,
        /// Source of receive timestamps.
        #[arg(long, value_enum, default_value_t = Clock::Kernel)]
        timestamps: Clock,
        /// Window of the grid of wake-ups in microseconds; 0 is no grid. Default: automatic.
        #[arg(long)]
        coalesce_us: Option<u64>,
        /// CPU to run on.
        #[arg(long)]
        core: Option<usize>,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    }

    #[derive(Clone, Copy, ValueEnum)]
    enum Clock {
        User,
        Kernel,
    }

    /// The counts of all targets, which run on one thread.
    struct Stats {
        rtts: Times,
        lateness: Times,
        host_delays: Times,
        sent: u64,
        unsent: u64,
    }

    impl Stats {
        fn reset(&mut self) {
            self.rtts.reset();
            self.lateness.reset();
            self.host_delays.reset();
            (self.sent, self.unsent) = (0, 0);
        }
    }

    #[derive(Clone)]
    struct Shared(Arc<Mutex<Stats>>);

    impl Shared {
        fn lock(&self) -> MutexGuard<'_, Stats> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl Observer for Shared {
        type Sensor = Self;

        fn attach(&self, _: &Target) -> Self {
            self.clone()
        }
    }

    impl Sensor for Shared {
        fn on_event(&mut self, event: &Event, _: &Session) {
            let mut stats = self.lock();
            match event {
                Event::Sent { lateness, .. } => {
                    stats.sent += 1;
                    stats.lateness.add_ns(lateness.as_nanos());
                }
                Event::Unsent { slots, .. } => stats.unsent += slots,
                Event::Received {
                    rtt, host_delay, ..
                } => {
                    stats.rtts.add_ns(rtt.as_nanos());
                    if let Some(host_delay) = host_delay {
                        stats.host_delays.add_ns(host_delay.as_nanos());
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn main() -> Result<(), Box<dyn Error>> {
        let args = Args::parse();
        if let Some(core) = args.core {
            let mut cpus = CpuSet::new();
            cpus.set(core);
            sched_setaffinity(None, &cpus)?;
        }
        let stats = Shared(Arc::new(Mutex::new(Stats {
            rtts: Times::new()?,
            lateness: Times::new()?,
            host_delays: Times::new()?,
            sent: 0,
            unsent: 0,
        })));
        let session = SessionConfig::new(
            Duration::from_micros(args.interval_us),
            Duration::from_millis(args.timeout_ms),
        )?;
        let target =
            |n| Target::new(args.server.clone(), session.clone()).named(format!("target-{n}"));
        let mut options = Options::default();
        options.timestamps = match args.timestamps {
            Clock::User => Timestamps::User,
            Clock::Kernel => Timestamps::Kernel,
        };
        let coalesce = match args.coalesce_us {
            None => Coalesce::Auto,
            Some(0) => Coalesce::Off,
            Some(window) => Coalesce::Every(Duration::from_micros(window)),
        };
        let prober = Prober::builder()
            .coalesce(coalesce)
            .observer(stats.clone())
            .options(options)
            .targets(TargetSet::new((0..args.targets).map(target))?)
            .start()?;
        wait_for_replies(&stats, args.targets as u64)?;
        sleep(Duration::from_secs_f64(args.warmup));
        println!("measuring");

        stats.lock().reset();
        let before = cpu();
        sleep(Duration::from_secs_f64(args.duration));
        let cpu = cpu() - before;
        let report = {
            let stats = stats.lock();
            Report {
                slots: stats.sent + stats.unsent,
                sent: stats.sent,
                received: stats.rtts.count(),
                stamped: stats.host_delays.count(),
                cpu_us_per_probe: cpu / stats.sent as f64,
                rtt_us: stats.rtts.quantiles(),
                lateness_us: stats.lateness.quantiles(),
                host_delay_us: (stats.host_delays.count() > 0)
                    .then(|| stats.host_delays.quantiles()),
            }
        };
        prober.stop()?;
        if args.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            report.print();
        }
        Ok(())
    }

    /// Waits for as many replies as there are targets; by then, all but a few are connected.
    fn wait_for_replies(stats: &Shared, count: u64) -> Result<(), String> {
        let end = Instant::now() + Duration::from_secs(10);
        while stats.lock().rtts.count() < count {
            if Instant::now() > end {
                return Err(format!("fewer than {count} replies in 10 s"));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Returns the user and system CPU time of this process in microseconds.
    fn cpu() -> f64 {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
    }
}
