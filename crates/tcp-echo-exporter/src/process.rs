//! The `process_*` metrics that Prometheus's own clients have; from /proc, so on
//! Linux only.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

/// Writes them; what can't be read is left out.
#[derive(Debug)]
pub(crate) struct ProcessCollector;

#[cfg(not(target_os = "linux"))]
impl Collector for ProcessCollector {
    fn encode(&self, _encoder: DescriptorEncoder<'_>) -> fmt::Result {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use procfs::process::{LimitValue, Process};
    use prometheus_client::registry::Unit;

    use super::{Collector, DescriptorEncoder, ProcessCollector, fmt};
    use crate::single::Singles;

    impl Collector for ProcessCollector {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut singles = Singles(&mut encoder);
            let Ok(process) = Process::myself() else {
                return Ok(());
            };
            encode_stat(&process, &mut singles)?;
            if let Ok(open) = process.fd_count() {
                let name = ("process_open_fds", None, "Open file descriptors.");
                singles.gauge(name, open as u64)?;
            }
            if let Ok(limits) = process.limits() {
                let most = match limits.max_open_files.soft_limit {
                    LimitValue::Value(most) => most,
                    LimitValue::Unlimited => u64::MAX,
                };
                let name = (
                    "process_max_fds",
                    None,
                    "The limit of open file descriptors.",
                );
                singles.gauge(name, most)?;
            }
            Ok(())
        }
    }

    fn encode_stat(process: &Process, singles: &mut Singles<'_, '_>) -> fmt::Result {
        const SECONDS: Option<&Unit> = Some(&Unit::Seconds);
        const BYTES: Option<&Unit> = Some(&Unit::Bytes);
        let Ok(stat) = process.stat() else {
            return Ok(());
        };
        let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
        singles.real_counter(
            ("process_cpu", SECONDS, "CPU time spent, user and system."),
            seconds(stat.utime + stat.stime),
        )?;
        singles.gauge(
            ("process_resident_memory", BYTES, "Memory in RAM."),
            stat.rss * procfs::page_size(),
        )?;
        singles.gauge(
            ("process_virtual_memory", BYTES, "Address space in use."),
            stat.vsize,
        )?;
        if let Ok(booted) = procfs::boot_time_secs() {
            singles.real_gauge(
                (
                    "process_start_time",
                    SECONDS,
                    "When it started, in Unix seconds.",
                ),
                booted as f64 + seconds(stat.starttime),
            )?;
        }
        let threads = u64::try_from(stat.num_threads).unwrap_or(0);
        singles.gauge(("process_threads", None, "Threads."), threads)
    }
}
