//! The resources of a process before and after the faults.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use testkit::process::Process;

/// The allowed memory growth in KiB: the allocator keeps memory of more simultaneous connections.
const MEMORY_SLACK_KIB: u64 = 3 * 1024;
/// The allowed CPU growth, in milliseconds per second, on a busy machine.
const CPU_SLACK: f64 = 15.0;

#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    memory_kib: u64,
    files: usize,
    cpu: f64,
}

/// Measures all processes for this time.
pub(super) fn measure(processes: &[&Process], time: Duration) -> Result<Vec<Usage>> {
    let before: Result<Vec<_>> = processes.iter().map(|process| process.cpu()).collect();
    sleep(time);
    let each = processes.iter().zip(before?).map(|(process, before)| {
        let cpu = process.cpu()?.saturating_sub(before);
        // The connection of a scrape is briefly an open file.
        let mut files = usize::MAX;
        for _ in 0..20 {
            files = files.min(process.open_files()?);
            sleep(Duration::from_millis(10));
        }
        Ok(Usage {
            memory_kib: process.memory_kib("VmRSS")?,
            files,
            cpu: cpu.as_secs_f64() * 1e3 / time.as_secs_f64(),
        })
    });
    each.collect()
}

/// Returns a description if the resources grew.
pub(super) fn growth(name: &str, before: Usage, after: Usage) -> Option<String> {
    let same = after.files == before.files
        && after.memory_kib <= before.memory_kib + MEMORY_SLACK_KIB
        && after.cpu <= before.cpu * 1.5 + CPU_SLACK;
    (!same).then(|| format!("{name}: {before:?} before, {after:?} after"))
}

#[cfg(test)]
mod tests {
    use super::{Usage, growth};

    #[test]
    fn growth_is_detected() {
        let before = Usage {
            memory_kib: 8000,
            files: 20,
            cpu: 30.0,
        };
        let with = |memory_kib, files, cpu| Usage {
            memory_kib,
            files,
            cpu,
        };
        assert!(growth("a", before, before).is_none());
        assert!(growth("a", before, with(8000, 21, 30.0)).is_some());
        assert!(growth("a", before, with(12_000, 20, 30.0)).is_some());
        assert!(growth("a", before, with(8000, 20, 90.0)).is_some());
    }
}
