//! The queries that both dashboards are made of.

/// The window that Grafana takes for the resolution shown: four scrapes at least.
const WINDOW: &str = "$__rate_interval";

/// Which series a dashboard is about: those of its variables.
#[derive(Clone, Copy)]
pub(super) struct Of {
    /// Whether the variables stand for several values each.
    pub(super) many: bool,
}

impl Of {
    /// A metric of the chosen targets, with further matchers if there are any.
    pub(super) fn series(self, metric: &str, further: &str) -> String {
        let is = self.is();
        let of = self.instances(metric, "");
        let of = of.trim_end_matches('}');
        let comma = if further.is_empty() { "" } else { ", " };
        format!("{of}, target{is}\"$target\"{comma}{further}}}")
    }

    /// A metric of the chosen instances, which says nothing of targets.
    pub(super) fn instances(self, metric: &str, further: &str) -> String {
        let is = self.is();
        let comma = if further.is_empty() { "" } else { ", " };
        format!("{metric}{{job{is}\"$job\", instance{is}\"$instance\"{comma}{further}}}")
    }

    /// A gauge of each target.
    pub(super) fn gauge(self, metric: &str) -> String {
        format!(
            "max by (job, instance, target) ({})",
            self.series(metric, "")
        )
    }

    /// How fast a counter of each target grows, in a second.
    pub(super) fn rate(self, metric: &str, further: &str) -> String {
        let series = self.series(metric, further);
        format!("sum by (job, instance, target) (rate({series}[{WINDOW}]))")
    }

    /// By how much counters of each target grew for each value of a label.
    pub(super) fn increase_by(self, label: &str, metric: &str) -> String {
        let series = self.series(metric, "");
        format!("sum by (job, instance, target, {label}) (increase({series}[{WINDOW}]))")
    }

    /// A quantile of a histogram of each target; a native one has no `le`, which does no harm.
    pub(super) fn quantile(self, quantile: &str, histogram: &str) -> String {
        let series = self.series(histogram, "");
        format!(
            "histogram_quantile({quantile}, \
             sum by (job, instance, target, le) (rate({series}[{WINDOW}])))"
        )
    }

    /// Lost slots of all that have an outcome.
    pub(super) fn loss(self, window: &str) -> String {
        let rate = |metric| {
            let series = self.series(metric, "");
            format!("sum by (job, instance, target) (rate({series}[{window}]))")
        };
        let received = rate("tcp_echo_received_total");
        let timeouts = rate("tcp_echo_timeouts_total");
        let unsent = rate("tcp_echo_unsent_total");
        format!("({timeouts} + {unsent}) / ({received} + {timeouts} + {unsent})")
    }

    fn is(self) -> &'static str {
        if self.many { "=~" } else { "=" }
    }
}

/// What both dashboards call bad, in the colours of a traffic light.
pub(super) mod limits {
    use super::super::panel::Thresholds;

    pub(in super::super) const LOSS: Thresholds = &[
        (None, "green"),
        (Some(0.001), "yellow"),
        (Some(0.01), "orange"),
        (Some(0.05), "red"),
    ];
    /// As in the alert on it: beyond, the measurement is not to be trusted.
    pub(in super::super) const HOST_DELAY: Thresholds =
        &[(None, "transparent"), (Some(0.004), "red")];
    /// As in the alert on it.
    pub(in super::super) const LATENESS: Thresholds = &[(None, "transparent"), (Some(0.01), "red")];
    /// As in the alert on it.
    pub(in super::super) const RETRANSMITS: Thresholds =
        &[(None, "transparent"), (Some(0.01), "red")];
    /// As the latency objective of the rules.
    pub(in super::super) const RTT: Thresholds =
        &[(None, "green"), (Some(0.05), "yellow"), (Some(0.1), "red")];
    pub(in super::super) const ANY_IS_BAD: Thresholds = &[(None, "green"), (Some(1.0), "red")];
    pub(in super::super) const NONE_IS_BAD: Thresholds = &[(None, "red"), (Some(1.0), "green")];
    pub(in super::super) const YES_IS_GOOD: Thresholds = &[(None, "red"), (Some(1.0), "green")];
}
