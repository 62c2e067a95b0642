//! Compares the prober with and without its grid of wake-ups, and with a minimal event loop that wakes for
//! each slot or on the same grid: CPU time, slots sent, round-trip times, at many probes per second.
//!
//! All probe the same floor server, on its own CPU, in short alternating turns, so that other load on the
//! machine affects all alike.

#[macro_use]
mod linux_only;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "used by another program of this package")]
mod probing;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "used by another program of this package")]
mod process;

linux_only!("compare-coalescing requires CPU affinity and /proc");

#[cfg(target_os = "linux")]
mod linux {
    use std::process::Command;

    use clap::Parser;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use serde::Serialize;

    use crate::probing::Report;
    use crate::process::{Process, Result, beside, median};

    /// Compares the prober with and without its grid of wake-ups.
    #[derive(Parser)]
    struct Args {
        /// Rounds of all variants at each rate.
        #[arg(short, long, default_value_t = 5)]
        rounds: usize,
        /// Seconds per turn.
        #[arg(short, long, default_value_t = 2.0)]
        duration: f64,
        /// Numbers of targets and their intervals in microseconds.
        #[arg(
            long,
            value_delimiter = ',',
            value_parser = load,
            default_value = "20x20000,200x20000,1000x20000,1000x10000"
        )]
        loads: Vec<Load>,
        /// Windows of the event loop's grid, in microseconds; 0 is no grid.
        #[arg(long, value_delimiter = ',', default_value = "0,250,500,1000")]
        floors_us: Vec<u64>,
        /// Windows of the prober's grid, in microseconds, besides no grid and the automatic one.
        #[arg(long, value_delimiter = ',')]
        windows_us: Vec<u64>,
        /// CPU of the server.
        #[arg(long, default_value_t = 0)]
        server_cpu: usize,
        /// CPU of the probers.
        #[arg(long, default_value_t = 1)]
        prober_cpu: usize,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    }

    #[derive(Clone, Copy, Serialize)]
    struct Load {
        targets: u64,
        interval_us: u64,
    }

    impl Load {
        fn per_second(self) -> f64 {
            self.targets as f64 * 1e6 / self.interval_us as f64
        }
    }

    /// Parses a load, as in 1000x20000.
    fn load(text: &str) -> Result<Load, String> {
        let (targets, interval_us) = text.split_once('x').ok_or("use TARGETSxINTERVAL_US")?;
        let number = |text: &str| text.parse().map_err(|error| format!("{text:?}: {error}"));
        Ok(Load {
            targets: number(targets)?,
            interval_us: number(interval_us)?,
        })
    }

    /// The medians over the rounds of one variant.
    #[derive(Serialize)]
    struct Figures {
        name: String,
        /// The CPU time of the process, in cores.
        cpu: f64,
        cpu_us_per_probe: f64,
        share_sent: f64,
        rtt_p50_us: f64,
        rtt_p90_us: f64,
        rtt_p99_us: f64,
        lateness_p50_us: f64,
        lateness_p99_us: f64,
        host_delay_p50_us: f64,
    }

    #[derive(Serialize)]
    struct AtLoad {
        #[serde(flatten)]
        load: Load,
        per_second: f64,
        variants: Vec<Figures>,
    }

    struct Variant {
        name: String,
        program: &'static str,
        /// `None` is automatic.
        coalesce_us: Option<u64>,
    }

    pub(super) fn main() -> Result<()> {
        let args = Args::parse();
        raise_files()?;
        let mut command = Command::new(beside("floor-server")?);
        let server = Process::start(&mut command, args.server_cpu, "listening on ")?;
        let mut results = Vec::new();
        for &load in &args.loads {
            results.push(compare(&args, &server.line, load)?);
        }
        if args.json {
            println!("{}", serde_json::to_string_pretty(&results)?);
        } else {
            results.iter().for_each(print);
        }
        Ok(())
    }

    /// Each connection has a descriptor in the server and in the prober.
    fn raise_files() -> Result<()> {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        Ok(setrlimit(Resource::Nofile, raised)?)
    }

    fn variants(args: &Args) -> Vec<Variant> {
        let named = |program, who, coalesce_us| Variant {
            name: match coalesce_us {
                None => format!("{who}, automatic"),
                Some(0) => format!("{who}, no grid"),
                Some(us) => format!("{who}, {us} us"),
            },
            program,
            coalesce_us,
        };
        let floors = args
            .floors_us
            .iter()
            .map(|us| ("floor-prober-loop", "event loop", Some(*us)));
        let windows = args.windows_us.iter().map(|us| Some(*us));
        let probers = [Some(0), None].into_iter().chain(windows);
        let probers = probers.map(|us| ("prober", "prober", us));
        floors
            .chain(probers)
            .map(|(program, who, us)| named(program, who, us))
            .collect()
    }

    fn compare(args: &Args, server: &str, load: Load) -> Result<AtLoad> {
        let variants = variants(args);
        let mut reports: Vec<Vec<Report>> = variants.iter().map(|_| Vec::new()).collect();
        for round in 0..args.rounds {
            for turn in 0..variants.len() {
                // The order alternates, to cancel out drift.
                let last = variants.len() - 1;
                let turn = if round % 2 == 0 { turn } else { last - turn };
                reports[turn].push(run(args, server, load, &variants[turn])?);
            }
        }
        let variants = variants.into_iter().zip(&reports);
        Ok(AtLoad {
            load,
            per_second: load.per_second(),
            variants: variants
                .map(|(variant, reports)| figures(args, variant.name, reports))
                .collect(),
        })
    }

    fn run(args: &Args, server: &str, load: Load, variant: &Variant) -> Result<Report> {
        let mut command = Command::new(beside(variant.program)?);
        command.args([server, "--json", "--warmup", "0.5"]);
        command.args(["--duration", &args.duration.to_string()]);
        command.args(["--targets", &load.targets.to_string()]);
        command.args(["--interval-us", &load.interval_us.to_string()]);
        if let Some(us) = variant.coalesce_us {
            command.args(["--coalesce-us", &us.to_string()]);
        }
        let prober = Process::start(&mut command, args.prober_cpu, "measuring")?;
        Ok(serde_json::from_str(&prober.rest()?)?)
    }

    fn figures(args: &Args, name: String, reports: &[Report]) -> Figures {
        let of = |value: fn(&Report) -> f64| median(reports.iter().map(value));
        let cores =
            |report: &Report| report.cpu_us_per_probe * report.sent as f64 / 1e6 / args.duration;
        Figures {
            name,
            cpu: median(reports.iter().map(cores)),
            cpu_us_per_probe: of(|report| report.cpu_us_per_probe),
            share_sent: of(Report::share_sent),
            rtt_p50_us: of(|report| report.rtt_us.p50),
            rtt_p90_us: of(|report| report.rtt_us.p90),
            rtt_p99_us: of(|report| report.rtt_us.p99),
            lateness_p50_us: of(|report| report.lateness_us.p50),
            lateness_p99_us: of(|report| report.lateness_us.p99),
            host_delay_p50_us: of(|report| report.host_delay_us.as_ref().map_or(0.0, |q| q.p50)),
        }
    }

    fn print(at: &AtLoad) {
        let Load {
            targets,
            interval_us,
        } = at.load;
        println!(
            "{targets} targets every {interval_us} us, {} probes/s",
            at.per_second
        );
        for of in &at.variants {
            println!(
                "  {:20} CPU {:.3} cores, {:>5.2} us a probe, sent {:.4}, RTT p50 {:>6.1} p90 {:>7.1} p99 \
                 {:>7.1} us, late p50 {:>6.1} p99 {:>7.1} us, host p50 {:>6.1} us",
                of.name,
                of.cpu,
                of.cpu_us_per_probe,
                of.share_sent,
                of.rtt_p50_us,
                of.rtt_p90_us,
                of.rtt_p99_us,
                of.lateness_p50_us,
                of.lateness_p99_us,
                of.host_delay_p50_us,
            );
        }
    }
}
