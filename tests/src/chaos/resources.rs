//! What a process takes, before the chaos and after it.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use testkit::process::Process;

/// What memory may be more, in KiB: the allocator's, of more connections at once than before.
const MEMORY: u64 = 3 * 1024;
/// Processor time in milliseconds a second: what a busy machine makes of a few.
const CPU: f64 = 15.0;

#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    memory_kib: u64,
    files: usize,
    cpu: f64,
}

/// Looks for so long, at all of them.
pub(super) fn measure(processes: &[&Process], time: Duration) -> Result<Vec<Usage>> {
    let before: Result<Vec<_>> = processes.iter().map(|process| process.cpu()).collect();
    sleep(time);
    let each = processes.iter().zip(before?).map(|(process, before)| {
        let cpu = process.cpu()?.saturating_sub(before);
        // A scrape's connection is a file for a moment.
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

/// What is not as it was.
pub(super) fn differs(name: &str, before: Usage, after: Usage) -> Option<String> {
    let same = after.files == before.files
        && after.memory_kib <= before.memory_kib + MEMORY
        && after.cpu <= before.cpu * 1.5 + CPU;
    (!same).then(|| format!("{name}: {before:?} before, {after:?} after"))
}

#[cfg(test)]
mod tests {
    use super::{Usage, differs};

    #[test]
    fn a_file_or_much_memory_more_is_found() {
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
        assert!(differs("a", before, before).is_none());
        assert!(differs("a", before, with(8000, 21, 30.0)).is_some());
        assert!(differs("a", before, with(12_000, 20, 30.0)).is_some());
        assert!(differs("a", before, with(8000, 20, 90.0)).is_some());
    }
}
