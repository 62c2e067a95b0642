//! The dashboard of one target, as one instance sees it.

use super::board::{Board, Row};
use super::expr::{Of, limits};
use super::overview;
use super::panel::{Kind, Panel};

pub(super) const UID: &str = "tcp-echo-target";
const OF: Of = Of { many: false };

pub(super) fn board() -> Board {
    Board {
        uid: UID,
        title: "TCP echo: one target",
        description: "Everything that one prober knows of one target.",
        many: false,
        links: vec![(
            "All targets",
            "/d/tcp-echo-overview?${datasource:queryparam}&${job:queryparam}&${rtt:queryparam}",
        )],
        annotations: vec![
            (
                "Disconnects",
                "red",
                format!(
                    "sum by (target, reason) (increase({}[1m])) > 0",
                    OF.series("tcp_echo_disconnects_total", "")
                ),
                "{{reason}}",
            ),
            (
                "Connects",
                "green",
                format!(
                    "sum by (target) (increase({}[1m])) > 0",
                    OF.series("tcp_echo_connects_total", "")
                ),
                "connected",
            ),
            (
                "Host too busy to measure",
                "orange",
                format!(
                    "histogram_quantile(0.99, sum by (instance, le) (rate({}[1m]))) > 0.004",
                    OF.instances("tcp_echo_host_delay_seconds_bucket", "")
                ),
                "{{instance}}: RTTs are not to be trusted here",
            ),
        ],
        rows: vec![now(), rtt(), loss(), connection(), host()],
    }
}

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            Panel::new(
                Kind::Stat,
                "State",
                "Whether there is a TCP connection to the target.",
            )
            .query(OF.series("tcp_echo_connected", ""), "connected")
            .yes_no("connected", "disconnected")
            .thresholds(limits::YES_IS_GOOD),
            Panel::new(
                Kind::Stat,
                "Loss",
                "Lost slots in the loss window, by default the last 100 \
                slots: what is so now.",
            )
            .query(OF.series("tcp_echo_loss_ratio", ""), "loss")
            .unit("percentunit")
            .thresholds(limits::LOSS),
            Panel::new(
                Kind::Stat,
                "Loss over the range",
                "Lost slots of all slots in the time \
                range shown: what to hold against an objective.",
            )
            .query(OF.loss("$__range"), "loss")
            .unit("percentunit")
            .thresholds(limits::LOSS),
            Panel::new(
                Kind::Stat,
                "Median RTT",
                "What half of the replies stay below.",
            )
            .query(OF.quantile("0.5", "${rtt}"), "RTT")
            .unit("s")
            .thresholds(limits::RTT),
            Panel::new(
                Kind::Stat,
                "Jitter",
                "RFC 3550's running mean of the difference between one \
                RTT and the next.",
            )
            .query(OF.series("tcp_echo_jitter_seconds", ""), "jitter")
            .unit("s"),
            Panel::new(
                Kind::Stat,
                "Address",
                "The address in use: a name may have several, and the \
                connection stays with one until it is gone from the answer of the DNS.",
            )
            .query(OF.series("tcp_echo_target_info", ""), "{{address}}")
            .name_only(),
        ],
    }
}

fn rtt() -> Row {
    Row {
        title: "Round-trip time",
        panels: vec![
            Panel::new(
                Kind::Band,
                "RTT: the middle eight of ten",
                "The band holds the replies from \
                the 10th to the 90th percentile, the line in it is the median. A narrow band that \
                moves is a changed route; one that widens upwards is a queue that fills.",
            )
            .query(OF.quantile("0.1", "${rtt}"), "p10")
            .query(OF.quantile("0.5", "${rtt}"), "median")
            .query(OF.quantile("0.9", "${rtt}"), "p90")
            .unit("s"),
            Panel::new(
                Kind::Lines,
                "RTT quantiles",
                "The slow end. Replies after the timeout are \
                not in here: they are lost. So read this together with the loss. The axis is \
                logarithmic.",
            )
            .query(OF.quantile("0.5", "${rtt}"), "p50")
            .query(OF.quantile("0.9", "${rtt}"), "p90")
            .query(OF.quantile("0.99", "${rtt}"), "p99")
            .query(OF.quantile("0.999", "${rtt}"), "p99.9")
            .unit("s")
            .log(),
            Panel::new(
                Kind::Heatmap,
                "RTT buckets",
                "How many replies fell into each bucket. By \
                default each bucket is twice as wide as the one below, so equal heights are equal \
                factors. Two bands at once are two paths (as with load sharing) or a peer that is \
                busy now and then.",
            )
            .query(
                format!(
                    "sum by (le) (increase({}[$__rate_interval]))",
                    OF.series("${rtt}", "")
                ),
                "{{le}}",
            )
            .unit("s"),
            Panel::new(
                Kind::Lines,
                "The kernel's view, and jitter",
                "Smoothed RTT, its variation and \
                its least value of the probing connection, as TCP measures them from \
                acknowledgements, which come from the peer's kernel. Where the probes' median is \
                far above, the peer's process is slow, not the network. 0 while unknown.",
            )
            .query(
                OF.series("tcp_echo_tcp_srtt_seconds", ""),
                "smoothed RTT (TCP)",
            )
            .query(
                OF.series("tcp_echo_tcp_rttvar_seconds", ""),
                "RTT variation (TCP)",
            )
            .query(
                OF.series("tcp_echo_tcp_min_rtt_seconds", ""),
                "least RTT (TCP)",
            )
            .query(OF.series("tcp_echo_jitter_seconds", ""), "jitter (probes)")
            .unit("s"),
        ],
    }
}

fn loss() -> Row {
    Row {
        title: "Loss",
        panels: vec![
            Panel::new(
                Kind::Lines,
                "Loss ratio",
                "From the counters: lost slots of all slots with \
                an outcome. The lines are at 0.1, 1 and 5 %.",
            )
            .query(OF.loss("$__rate_interval"), "counted")
            .query(OF.series("tcp_echo_loss_ratio", ""), "loss window")
            .unit("percentunit")
            .thresholds(limits::LOSS),
            Panel::new(
                Kind::Stack,
                "Outcomes of slots",
                "Every slot of the schedule ends as one of \
                these; together they are the probing rate, and stay level also while the target is \
                dead. Unsent for: disconnected (no connection), backpressure (the connection took \
                no more), overrun (this host woke too late), resources (this process has no file \
                descriptor for the connection).",
            )
            .query(OF.rate("tcp_echo_received_total", ""), "received")
            .query(OF.rate("tcp_echo_timeouts_total", ""), "timeout")
            .query(
                format!(
                    "sum by (reason) (rate({}[$__rate_interval]))",
                    OF.series("tcp_echo_unsent_total", "")
                ),
                "unsent: {{reason}}",
            )
            .unit("suffix:/s"),
            Panel::new(
                Kind::Lines,
                "Late and unexpected replies",
                "Late: came after the timeout, \
                and the slot stays lost; many of them say that the timeout is too short for this \
                path. Unexpected: answers nothing that was sent; the peer is no plain echo.",
            )
            .query(OF.rate("tcp_echo_late_total", ""), "late")
            .query(OF.rate("tcp_echo_unexpected_total", ""), "unexpected")
            .unit("suffix:/s"),
            Panel::new(
                Kind::Lines,
                "In flight",
                "Probes that await their reply or their timeout. \
                About RTT divided by the interval; a rise is the first sign of a stall.",
            )
            .query(OF.series("tcp_echo_in_flight", ""), "in flight"),
        ],
    }
}

fn connection() -> Row {
    Row {
        title: "Connection",
        panels: vec![
            Panel::new(Kind::Timeline, "Connected", "When there was a connection.")
                .query(OF.series("tcp_echo_connected", ""), "{{target}}")
                .yes_no("connected", "disconnected")
                .thresholds(limits::YES_IS_GOOD)
                .size(24, 4),
            Panel::new(
                Kind::Stack,
                "Connects and disconnects",
                "Connections made, and those that \
                ended by reason: eof (the peer closed it), reset (the peer or something between \
                did), stalled (nothing came back for too long), error, closed (by this side).",
            )
            .query(
                format!(
                    "sum by (job, instance, target) (increase({}[$__rate_interval]))",
                    OF.series("tcp_echo_connects_total", "")
                ),
                "connected",
            )
            .query(
                OF.increase_by("reason", "tcp_echo_disconnects_total"),
                "ended: {{reason}}",
            ),
            Panel::new(
                Kind::Stack,
                "Failed attempts to connect",
                "By reason: refused (nothing \
                listens), timeout (no answer at all), unreachable (no route), dns (the name has no \
                address), other.",
            )
            .query(
                OF.increase_by("reason", "tcp_echo_connect_failures_total"),
                "{{reason}}",
            ),
            Panel::new(
                Kind::Lines,
                "Handshake time p90",
                "From SYN to the connection made. With no \
                process in it on the peer's side, it is the network's own RTT, or a full queue of \
                connections to accept. Nothing is shown while nobody connects.",
            )
            .query(
                OF.quantile("0.9", "tcp_echo_connect_duration_seconds_bucket"),
                "handshake",
            )
            .unit("s"),
            Panel::new(
                Kind::Lines,
                "TCP retransmissions per probe",
                "Segments sent again. TCP hides \
                a lost packet from the probe, which then comes late, not never: this is the loss \
                below. Each probe is a segment, so 0.01 is about 1 % lost packets.",
            )
            .query(
                format!(
                    "{} / {}",
                    OF.rate("tcp_echo_tcp_retransmits_total", ""),
                    OF.rate("tcp_echo_sent_total", "")
                ),
                "retransmitted",
            )
            .unit("percentunit")
            .thresholds(limits::RETRANSMITS),
        ],
    }
}

fn host() -> Row {
    Row {
        title: "The prober's own host",
        panels: vec![
            Panel::new(
                Kind::Lines,
                "Host delay",
                "What the prober's own host added to the RTT, \
                between the kernel's receipt of a reply and the process that reads it. Above the \
                red line (4 ms at p99) the host is too busy, and the RTTs are not to be trusted. \
                Nothing is shown where there are no kernel timestamps.",
            )
            .query(
                OF.quantile("0.5", "tcp_echo_host_delay_seconds_bucket"),
                "p50",
            )
            .query(
                OF.quantile("0.99", "tcp_echo_host_delay_seconds_bucket"),
                "p99",
            )
            .unit("s")
            .thresholds(limits::HOST_DELAY),
            Panel::new(
                Kind::Lines,
                "Send lateness",
                "How long after its slot a probe was sent. The \
                schedule itself never shifts. Above the red line (10 ms at p99) the host lacks \
                CPU, and slots will be missed as overruns.",
            )
            .query(
                OF.quantile("0.5", "tcp_echo_send_lateness_seconds_bucket"),
                "p50",
            )
            .query(
                OF.quantile("0.99", "tcp_echo_send_lateness_seconds_bucket"),
                "p99",
            )
            .unit("s")
            .thresholds(limits::LATENESS),
        ],
    }
}

/// Both link to each other by these.
pub(super) const UIDS: [&str; 2] = [overview::UID, UID];
