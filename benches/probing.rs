//! The report that `floor-prober` and `prober` print and `compare-probers` parses.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The range of histograms: 1 ns to 10 s; longer times count as 10 s.
const LONGEST_NS: u64 = 10_000_000_000;

/// The result of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Slots of the schedule.
    pub(crate) slots: u64,
    /// Slots in which a probe was sent.
    pub(crate) sent: u64,
    /// Replies within the timeout.
    pub(crate) received: u64,
    /// Replies whose round-trip time uses the kernel's receive timestamp.
    pub(crate) stamped: u64,
    /// User and system CPU time per probe, in microseconds.
    pub(crate) cpu_us_per_probe: f64,
    pub(crate) rtt_us: Quantiles,
    /// The delay from the slot to the sending of its probe.
    pub(crate) lateness_us: Quantiles,
    /// The delay between the kernel's receive timestamp and the reading of the reply, if there are timestamps.
    pub(crate) host_delay_us: Option<Quantiles>,
}

impl Report {
    pub(crate) fn share_sent(&self) -> f64 {
        self.sent as f64 / self.slots.max(1) as f64
    }

    /// Prints the report as text.
    pub(crate) fn print(&self) {
        println!("slots     {}, sent {:.4}", self.slots, self.share_sent());
        println!(
            "replies   {}, with kernel timestamps {:.4}",
            self.received,
            self.stamped as f64 / self.received.max(1) as f64
        );
        println!("CPU       {:.2} us per probe", self.cpu_us_per_probe);
        for (name, quantiles) in [
            ("RTT       ", Some(&self.rtt_us)),
            ("lateness  ", Some(&self.lateness_us)),
            ("host delay", self.host_delay_us.as_ref()),
        ] {
            if let Some(Quantiles { p50, p90, p99 }) = quantiles {
                println!("{name} p50 {p50:.1} us, p90 {p90:.1} us, p99 {p99:.1} us");
            }
        }
    }
}

/// Quantiles in microseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    /// The median.
    pub(crate) p50: f64,
    /// The 90th percentile.
    pub(crate) p90: f64,
    /// The 99th percentile.
    pub(crate) p99: f64,
}

/// A histogram of times, recorded without allocations.
#[derive(Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST_NS, 3)?))
    }

    pub(crate) fn add_ns(&mut self, ns: u128) {
        self.0
            .saturating_record(u64::try_from(ns).unwrap_or(u64::MAX));
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn reset(&mut self) {
        self.0.reset();
    }

    pub(crate) fn quantiles(&self) -> Quantiles {
        let microseconds = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e3;
        Quantiles {
            p50: microseconds(0.5),
            p90: microseconds(0.9),
            p99: microseconds(0.99),
        }
    }
}
