//! The `process_*` metrics that Prometheus's own clients have; from /proc, so on
//! Linux only.

#[cfg(target_os = "linux")]
mod files;

use std::fmt;
#[cfg(target_os = "linux")]
use std::sync::Arc;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

/// Writes them; what can't be read is left out. Clones share the files that they are read from.
#[cfg(target_os = "linux")]
#[derive(Clone, Debug)]
pub(crate) struct ProcessCollector(Arc<files::ProcFiles>);

#[cfg(target_os = "linux")]
impl ProcessCollector {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }
}

/// Writes nothing.
#[cfg(not(target_os = "linux"))]
#[derive(Clone, Debug)]
pub(crate) struct ProcessCollector;

#[cfg(not(target_os = "linux"))]
impl ProcessCollector {
    pub(crate) fn new() -> Self {
        Self
    }
}

#[cfg(not(target_os = "linux"))]
impl Collector for ProcessCollector {
    fn encode(&self, _encoder: DescriptorEncoder<'_>) -> fmt::Result {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use procfs::process::Stat;
    use prometheus_client::registry::Unit;
    use rustix::process::{Resource, getrlimit};

    use super::{Collector, DescriptorEncoder, ProcessCollector, fmt};
    use crate::metrics::scalar::ScalarEncoder;

    impl Collector for ProcessCollector {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut scalars = ScalarEncoder(&mut encoder);
            if let Some(stat) = self.0.stat() {
                encode_stat(&stat, self.0.boot_time(), &mut scalars)?;
            }
            if let Some(open) = self.0.open_fds() {
                let name = ("process_open_fds", None, "Open file descriptors.");
                scalars.gauge(name, open)?;
            }
            let max_fds = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
            let name = (
                "process_max_fds",
                None,
                "The limit of open file descriptors.",
            );
            scalars.gauge(name, max_fds)
        }
    }

    fn encode_stat(
        stat: &Stat,
        boot_time: Option<u64>,
        scalars: &mut ScalarEncoder<'_, '_>,
    ) -> fmt::Result {
        const SECONDS: Option<&Unit> = Some(&Unit::Seconds);
        const BYTES: Option<&Unit> = Some(&Unit::Bytes);
        let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
        scalars.float_counter(
            ("process_cpu", SECONDS, "CPU time spent, user and system."),
            seconds(stat.utime + stat.stime),
        )?;
        scalars.gauge(
            ("process_resident_memory", BYTES, "Memory in RAM."),
            stat.rss * procfs::page_size(),
        )?;
        scalars.gauge(
            ("process_virtual_memory", BYTES, "Address space in use."),
            stat.vsize,
        )?;
        if let Some(boot_time) = boot_time {
            scalars.float_gauge(
                (
                    "process_start_time",
                    SECONDS,
                    "When it started, in Unix seconds.",
                ),
                boot_time as f64 + seconds(stat.starttime),
            )?;
        }
        let threads = u64::try_from(stat.num_threads).unwrap_or(0);
        scalars.gauge(("process_threads", None, "Threads."), threads)
    }
}
