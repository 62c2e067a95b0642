//! Reading the `process_*` metrics from /proc.

use std::{io, sync::Arc};

use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

use super::{proc_files::ProcFiles, stat::Stat};
use crate::{
    encoding::encoder::{Collector, Encoder, Unit},
    metrics::scalar::ScalarEncoder,
};

/// Writes the metrics; leaves out what can't be read. Clones share the open files.
#[derive(Clone, Debug)]
pub(crate) struct ProcessCollector(Arc<ProcFiles>);

impl ProcessCollector {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, encoder: &mut Encoder<'_>) -> io::Result<()> {
        let mut scalars = ScalarEncoder(encoder);
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
) -> io::Result<()> {
    const SECONDS: Option<Unit> = Some(Unit::Seconds);
    const BYTES: Option<Unit> = Some(Unit::Bytes);
    let seconds = |ticks: u64| ticks as f64 / clock_ticks_per_second() as f64;
    scalars.float_counter(
        ("process_cpu", SECONDS, "CPU time spent, user and system."),
        seconds(stat.cpu),
    )?;
    scalars.gauge(
        ("process_resident_memory", BYTES, "Memory in RAM."),
        stat.resident_pages * page_size() as u64,
    )?;
    scalars.gauge(
        ("process_virtual_memory", BYTES, "Address space in use."),
        stat.virtual_bytes,
    )?;
    if let Some(boot_time) = boot_time {
        scalars.float_gauge(
            (
                "process_start_time",
                SECONDS,
                "When it started, in Unix seconds.",
            ),
            boot_time as f64 + seconds(stat.start),
        )?;
    }
    scalars.gauge(("process_threads", None, "Threads."), stat.threads)
}
