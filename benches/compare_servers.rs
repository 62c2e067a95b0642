//! Compares echo servers with a minimal server (the floor): rate, round-trip time and memory.
//!
//! It starts all servers on one CPU and the load on another. One server is under load at a time, in
//! many short alternating rounds, so that other load on the machine affects all alike. The result is
//! the median of the ratios of adjacent rounds: on a shared machine, absolute figures can double from
//! one minute to the next, but the ratios are stable. At 64 connections the load is as busy as the
//! server, so a server's cost shows in the ratio of CPU time before it shows in the rate.

#[macro_use]
mod linux_only;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "used by another program of this package")]
mod process;
#[cfg(target_os = "linux")]
mod report;

linux_only!("compare-servers requires CPU affinity and /proc");

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt;
    use std::path::PathBuf;
    use std::process::Command;

    use clap::Parser;
    use serde::Serialize;

    use crate::process::{Process, Result, beside, median};
    use crate::report::{Report, Slice};

    /// Compares echo servers with a minimal server: rate, round-trip time and memory.
    ///
    /// A server is a program that takes the address to listen on as its argument and prints
    /// `listening on ADDRESS`.
    #[derive(Parser)]
    struct Args {
        /// Servers to compare with the floor [default: echo-server, next to this program].
        servers: Vec<PathBuf>,
        /// Rounds of each server in each comparison.
        #[arg(short, long, default_value_t = 100)]
        rounds: usize,
        /// Seconds per round.
        #[arg(short, long, default_value_t = 0.04)]
        duration: f64,
        /// Idle connections for measuring a server's memory; 0 skips it.
        #[arg(long, default_value_t = 10_000)]
        hold: usize,
        /// CPU of the servers.
        #[arg(long, default_value_t = 0)]
        server_cpu: usize,
        /// CPU of the load.
        #[arg(long, default_value_t = 1)]
        load_cpu: usize,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    }

    /// The figures of one server. Ratios are relative to the floor.
    #[derive(Serialize)]
    struct Figures {
        server: String,
        /// 64 connections.
        rate: Loaded,
        /// A thousand connections.
        rate_of_many: Loaded,
        /// One connection, server and load on different CPUs.
        rtt: Loaded,
        /// One connection, server and load on the same CPU, so that waking an idle CPU does not hide the
        /// server's cost.
        rtt_same_cpu: Loaded,
        memory: Option<Memory>,
    }

    #[derive(Serialize)]
    struct Loaded {
        connections: usize,
        per_second: f64,
        per_second_ratio: f64,
        rtt_p50_us: f64,
        rtt_p50_ratio: f64,
        rtt_p99_us: f64,
        /// The server's CPU time, including system calls.
        cpu_us_per_echo: f64,
        cpu_ratio: f64,
    }

    #[derive(Serialize)]
    struct Memory {
        connections: usize,
        idle_bytes: u64,
        bytes_per_connection: f64,
    }

    /// The number of connections of the second comparison.
    const MANY: usize = 1000;

    /// The shortest round in which all connections have many echoes.
    const MIN_DURATION_OF_MANY: f64 = 0.2;

    pub(super) fn main() -> Result<()> {
        let args = Args::parse();
        let plain = |program| Server {
            program,
            stamps: false,
        };
        let mut servers = vec![plain(beside("floor-server")?)];
        if args.servers.is_empty() {
            let program = beside("echo-server")?;
            servers.push(plain(program.clone()));
            let stamps = true;
            servers.push(Server { program, stamps });
        }
        servers.extend(args.servers.iter().cloned().map(plain));

        let rate = compare(&args, &servers, 64, args.load_cpu)?;
        let rate_of_many = compare(&args, &servers, MANY, args.load_cpu)?;
        let rtt = compare(&args, &servers, 1, args.load_cpu)?;
        let rtt_same_cpu = compare(&args, &servers, 1, args.server_cpu)?;
        let rates = rate.into_iter().zip(rate_of_many);
        let loaded = rates.zip(rtt).zip(rtt_same_cpu);
        let mut all = Vec::new();
        for (server, (((rate, rate_of_many), rtt), rtt_same_cpu)) in servers.iter().zip(loaded) {
            let memory = match args.hold {
                0 => None,
                count => Some(memory(&args, server, count)?),
            };
            all.push(Figures {
                server: server.to_string(),
                rate,
                rate_of_many,
                rtt,
                rtt_same_cpu,
                memory,
            });
        }
        if args.json {
            println!("{}", serde_json::to_string_pretty(&all)?);
        } else {
            print_table(&all);
        }
        Ok(())
    }

    /// A server, and whether its clients ask for stamps.
    struct Server {
        program: PathBuf,
        stamps: bool,
    }

    impl fmt::Display for Server {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let stamps = if self.stamps { " with stamps" } else { "" };
            write!(f, "{}{stamps}", self.program.display())
        }
    }

    /// Starts an echo server on the servers' CPU.
    fn serve(args: &Args, server: &Server) -> Result<Process> {
        let mut command = Command::new(&server.program);
        Process::start(command.arg("127.0.0.1:0"), args.server_cpu, "listening on ")
    }

    /// The argument of the load for a running server.
    fn loaded(server: &Server, address: &str) -> String {
        let stamps = if server.stamps { "+stamps" } else { "" };
        format!("{address}{stamps}")
    }

    /// Measures all servers alternately, with the load on the CPU `load_cpu`.
    fn compare(
        args: &Args,
        servers: &[Server],
        connections: usize,
        load_cpu: usize,
    ) -> Result<Vec<Loaded>> {
        let mut running = Vec::new();
        for server in servers {
            running.push(serve(args, server)?);
        }
        let mut before = Vec::new();
        for server in &running {
            before.push(server.cpu_ns()?);
        }
        let duration = if connections >= MANY {
            args.duration.max(MIN_DURATION_OF_MANY)
        } else {
            args.duration
        };
        let mut command = Command::new(beside("load")?);
        command
            .args(
                servers
                    .iter()
                    .zip(&running)
                    .map(|(server, running)| loaded(server, &running.line)),
            )
            .args(["--connections", &connections.to_string()])
            .args(["--rounds", &args.rounds.to_string()])
            .args(["--duration", &duration.to_string()]);
        let load = Process::start(&mut command, load_cpu, "")?;
        let reports: Vec<Report> = serde_json::from_str(&load.line)?;
        let floor = reports.first().ok_or("no report")?;

        let mut cpu = Vec::new();
        for ((server, before), report) in running.iter().zip(before).zip(&reports) {
            cpu.push((server.cpu_ns()? - before) as f64 / 1e3 / report.echoes as f64);
        }
        let loaded = reports.iter().zip(&cpu).map(|(report, &cpu_us)| {
            let median_of = |value: fn(&Slice) -> f64| median(report.slices.iter().map(value));
            let ratio_of = |value: fn(&Slice) -> f64| {
                let turns = report.slices.iter().zip(&floor.slices);
                median(turns.map(|(own, floor)| value(own) / value(floor)))
            };
            Loaded {
                connections,
                per_second: median_of(|slice| slice.per_second),
                per_second_ratio: ratio_of(|slice| slice.per_second),
                rtt_p50_us: median_of(|slice| slice.rtt_us.p50),
                rtt_p50_ratio: ratio_of(|slice| slice.rtt_us.p50),
                rtt_p99_us: median_of(|slice| slice.rtt_us.p99),
                cpu_us_per_echo: cpu_us,
                cpu_ratio: cpu_us / cpu[0],
            }
        });
        Ok(loaded.collect())
    }

    fn memory(args: &Args, server: &Server, connections: usize) -> Result<Memory> {
        let running = serve(args, server)?;
        let idle_bytes = running.resident_bytes()?;
        let mut command = Command::new(beside("load")?);
        command
            .arg(loaded(server, &running.line))
            .args(["--hold", &connections.to_string()]);
        let _holding = Process::start(&mut command, args.load_cpu, "holding ")?;
        let grown = running.resident_bytes()?.saturating_sub(idle_bytes);
        Ok(Memory {
            connections,
            idle_bytes,
            bytes_per_connection: grown as f64 / connections as f64,
        })
    }

    fn print_table(all: &[Figures]) {
        println!(
            "Ratios are relative to the first server, and are medians over adjacent rounds.\n"
        );
        for figures in all {
            println!("{}", figures.server);
            for (title, loaded) in [
                ("64 connections", &figures.rate),
                ("1000 connections", &figures.rate_of_many),
                ("1 connection", &figures.rtt),
                ("1, same CPU", &figures.rtt_same_cpu),
            ] {
                println!(
                    "  {title:18} {:>8.0}/s ({:.3})   RTT p50 {:>7.2} us ({:.3})  p99 {:>7.2} us   \
                     CPU {:>6.2} us an echo ({:.3})",
                    loaded.per_second,
                    loaded.per_second_ratio,
                    loaded.rtt_p50_us,
                    loaded.rtt_p50_ratio,
                    loaded.rtt_p99_us,
                    loaded.cpu_us_per_echo,
                    loaded.cpu_ratio,
                );
            }
            if let Some(memory) = &figures.memory {
                println!(
                    "  memory             {:>8.2} MB idle, {:.0} bytes per connection at {}",
                    memory.idle_bytes as f64 / 1e6,
                    memory.bytes_per_connection,
                    memory.connections,
                );
            }
        }
    }
}
