//! What the prober's own host adds, over all targets, where these have no histograms of it.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use super::buckets::{Buckets, seconds};

/// The number of parts. Each thread counts in one, so that few threads share a cache line.
const PARTS: usize = 16;

/// The histograms of all targets together. Threads that count never wait, and a reader sees each
/// number at some moment of the read.
#[derive(Debug)]
pub(crate) struct OwnHost {
    pub(crate) send_lateness: SharedHistogram,
    pub(crate) host_delay: SharedHistogram,
}

impl OwnHost {
    pub(crate) fn new(send_lateness: Buckets, host_delay: Buckets) -> Self {
        Self {
            send_lateness: SharedHistogram::new(send_lateness),
            host_delay: SharedHistogram::new(host_delay),
        }
    }
}

/// A histogram that many threads count in.
#[derive(Debug)]
pub(crate) struct SharedHistogram {
    pub(crate) buckets: Buckets,
    parts: Box<[Part]>,
}

/// The maximum number of buckets: with the sum, a part fills two cache lines, which a prefetcher
/// takes for one.
const MAX_BUCKETS: usize = 15;

/// The counts of some threads.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Part {
    sum: AtomicU64,
    counts: [AtomicU64; MAX_BUCKETS],
}

impl SharedHistogram {
    fn new(buckets: Buckets) -> Self {
        debug_assert!(buckets.len() <= MAX_BUCKETS);
        Self {
            parts: (0..PARTS).map(|_| Part::default()).collect(),
            buckets,
        }
    }

    /// Observes a duration in this thread's part.
    #[inline]
    pub(crate) fn observe(&self, part: PartIndex, nanos: u64) {
        let Some(part) = self.parts.get(part.0) else {
            return;
        };
        part.sum.fetch_add(nanos, Relaxed);
        if let Some(count) = part.counts.get(self.buckets.index(nanos)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Returns the sum in seconds, and the count of each bucket.
    pub(crate) fn read(&self) -> (f64, Vec<u64>) {
        let mut counts = vec![0_u64; self.buckets.len()];
        let mut sum = 0_u64;
        for part in &self.parts {
            sum = sum.wrapping_add(part.sum.load(Relaxed));
            for (count, own) in counts.iter_mut().zip(&part.counts) {
                *count += own.load(Relaxed);
            }
        }
        (seconds(sum), counts)
    }
}

/// The part that a thread counts in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartIndex(usize);

impl PartIndex {
    /// Returns that of the calling thread.
    pub(crate) fn of_this_thread() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static OWN: Cell<Option<usize>> = const { Cell::new(None) };
        }
        let index = OWN.get().unwrap_or_else(|| {
            let index = NEXT.fetch_add(1, Relaxed) % PARTS;
            OWN.set(Some(index));
            index
        });
        Self(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_are_counted() {
        let histogram = SharedHistogram::new(Buckets::exponential(1000, 4, 8));
        std::thread::scope(|scope| {
            for _ in 0..2 * PARTS {
                scope.spawn(|| {
                    let part = PartIndex::of_this_thread();
                    for nanos in [1000, 1001, u64::from(u32::MAX)] {
                        histogram.observe(part, nanos);
                    }
                });
            }
        });
        let (sum, counts) = histogram.read();
        let threads = 2 * PARTS as u64;
        assert_eq!(counts, [threads, threads, 0, 0, 0, 0, 0, 0, threads]);
        let expected = seconds(threads * (2001 + u64::from(u32::MAX)));
        assert!((sum - expected).abs() < 1e-9);
    }
}
