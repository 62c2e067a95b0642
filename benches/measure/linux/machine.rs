//! Where and beside what something was measured.

use std::fs;
use std::thread::available_parallelism;

use anyhow::Result;

use super::results::Group;

/// One line: processor, cores, memory, kernel.
pub(super) fn line() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(found, _)| found.trim() == name)
            .map_or_else(|| "?".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let gigabytes = memory.trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1e6;
    let kernel = read("/proc/sys/kernel/osrelease");
    let cores = available_parallelism().map_or(0, usize::from);
    format!(
        "{processor}, {cores} cores, {gigabytes:.1} GB, Linux {}",
        kernel.trim()
    )
}

/// The load average of the last minute.
fn load() -> String {
    let averages = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    averages.split(' ').next().unwrap_or("?").to_owned()
}

/// Notes beside what load something was measured.
pub(super) fn timed(measure: impl FnOnce() -> Result<Group>) -> Result<Group> {
    let before = load();
    let mut group = measure()?;
    group.load = format!("{before} before, {} after", load());
    Ok(group)
}
