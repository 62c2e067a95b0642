//! What `floor-prober` and `prober` print and `compare-probers` reads.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// From 1 ns on, up to 10 s: what is longer counts as that.
const LONGEST_NS: u64 = 10_000_000_000;

/// One prober's run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Slots of the schedule that passed.
    pub(crate) slots: u64,
    /// Those in which a probe was sent.
    pub(crate) sent: u64,
    /// Replies within the timeout.
    pub(crate) received: u64,
    /// Those whose round-trip time is by the kernel's receive stamp.
    pub(crate) stamped: u64,
    /// The process's own time and the kernel's for it, in microseconds.
    pub(crate) cpu_us_per_probe: f64,
    pub(crate) rtt_us: Quantiles,
    /// How long after its slot a probe was sent.
    pub(crate) lateness_us: Quantiles,
    /// What the process's own waiting added to round-trip times, where they are by stamps.
    pub(crate) host_delay_us: Option<Quantiles>,
}

impl Report {
    pub(crate) fn share_sent(&self) -> f64 {
        self.sent as f64 / self.slots.max(1) as f64
    }

    /// For people.
    pub(crate) fn print(&self) {
        println!("slots     {}, sent {:.4}", self.slots, self.share_sent());
        println!(
            "replies   {}, by kernel stamp {:.4}",
            self.received,
            self.stamped as f64 / self.received.max(1) as f64
        );
        println!("CPU       {:.2} us a probe", self.cpu_us_per_probe);
        for (name, quantiles) in [
            ("RTT       ", Some(&self.rtt_us)),
            ("lateness  ", Some(&self.lateness_us)),
            ("host delay", self.host_delay_us.as_ref()),
        ] {
            if let Some(Quantiles { p50, p99 }) = quantiles {
                println!("{name} p50 {p50:.1} us, p99 {p99:.1} us");
            }
        }
    }
}

/// In microseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    /// Half of them were as short.
    pub(crate) p50: f64,
    /// All but one in a hundred were as short.
    pub(crate) p99: f64,
}

/// Times that are counted while a prober runs, without an allocation.
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

    pub(crate) fn forget(&mut self) {
        self.0.reset();
    }

    pub(crate) fn quantiles(&self) -> Quantiles {
        let microseconds = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e3;
        Quantiles {
            p50: microseconds(0.5),
            p99: microseconds(0.99),
        }
    }
}
