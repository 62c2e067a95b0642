//! Detects growth of resources during a run.

use anyhow::{Result, ensure};

/// The resources of a process at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) seconds: f64,
    pub(super) memory_kib: u64,
    pub(super) files: usize,
    /// The CPU time since the start, in hundredths of a second.
    pub(super) cpu: u64,
    pub(super) probes: u64,
}

/// The allowed growth: `memory_kib` in addition to 2 %, and files for concurrent requests.
pub(super) struct Slack {
    pub(super) memory_kib: u64,
    pub(super) files: usize,
}

/// Compares the last third with the middle third; returns the figures, or an error if one grew.
pub(super) fn check(samples: &[Sample], slack: &Slack) -> Result<String> {
    ensure!(samples.len() >= 9, "only {} samples", samples.len());
    let third = samples.len() / 3;
    let (middle, last) = (&samples[third..2 * third], &samples[2 * third..]);
    let [before, after] = [middle, last].map(summarize);
    let figures = format!(
        "memory {} then {} KiB, files at most {} then {}, CPU per probe {:.1} then {:.1} µs",
        before.0, after.0, before.1, after.1, before.2, after.2
    );
    ensure!(
        after.0 <= before.0 + before.0 / 50 + slack.memory_kib,
        "memory grows: {figures}"
    );
    ensure!(after.1 <= before.1 + slack.files, "files grow: {figures}");
    ensure!(after.2 <= before.2 * 1.2, "CPU time grows: {figures}");
    Ok(figures)
}

/// Returns the median memory, the maximum number of files, and the CPU time per probe in microseconds.
fn summarize(samples: &[Sample]) -> (u64, usize, f64) {
    let mut memory: Vec<u64> = samples.iter().map(|one| one.memory_kib).collect();
    memory.sort_unstable();
    let files = samples.iter().map(|one| one.files).max().unwrap_or(0);
    let cpu = match (samples.first(), samples.last()) {
        (Some(first), Some(last)) => cpu_per_probe(first, last),
        _ => 0.0,
    };
    (memory[memory.len() / 2], files, cpu)
}

/// Returns the CPU time per probe between two samples, in microseconds.
pub(super) fn cpu_per_probe(first: &Sample, last: &Sample) -> f64 {
    let probes = last.probes.saturating_sub(first.probes).max(1);
    last.cpu.saturating_sub(first.cpu) as f64 * 1e4 / probes as f64
}

#[cfg(test)]
mod tests {
    use super::{Sample, Slack, check};

    fn samples(of: fn(u64) -> (u64, usize, u64)) -> Vec<Sample> {
        let sample = |n| {
            let (memory_kib, files, cpu) = of(n);
            Sample {
                seconds: n as f64,
                memory_kib,
                files,
                cpu,
                probes: n * 1000,
            }
        };
        (0..90).map(sample).collect()
    }

    #[test]
    fn growth_is_detected() {
        let slack = Slack {
            memory_kib: 512,
            files: 2,
        };
        let fails = |of| check(&samples(of), &slack).is_err();
        assert!(!fails(|n| (20_000 + n % 7, 100, n * 10)));
        assert!(!fails(|n| (20_000 + n.min(30) * 100, 100, n * 10)));
        assert!(fails(|n| (20_000 + n * 40, 100, n * 10)));
        assert!(fails(|n| (
            20_000,
            usize::try_from(100 + n).unwrap(),
            n * 10
        )));
        assert!(fails(|n| (20_000, 100, n * n)));
    }
}
