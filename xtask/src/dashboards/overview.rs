//! The dashboard of all targets.

use super::board::{Board, Row};
use super::expr::{Of, limits};
use super::panel::{Kind, Panel};

mod names;

pub(super) const UID: &str = "tcp-echo-overview";
const OF: Of = Of { many: true };
const LEGEND: &str = "{{instance}} → {{target}}";
/// To one target's dashboard, from a series of it.
const SERIES_LINK: &str = "/d/tcp-echo-target?${datasource:queryparam}\
    &var-job=${__field.labels.job:percentencode}&var-instance=${__field.labels.instance:percentencode}\
    &var-target=${__field.labels.target:percentencode}&${rtt:queryparam}&${__url_time_range}";
/// The same from a row of the table.
const ROW_LINK: &str = "/d/tcp-echo-target?${datasource:queryparam}\
    &var-job=${__data.fields.job:percentencode}&var-instance=${__data.fields.instance:percentencode}\
    &var-target=${__data.fields.target:percentencode}&${rtt:queryparam}&${__url_time_range}";

pub(super) fn board() -> Board {
    Board {
        uid: UID,
        title: "TCP echo: all targets",
        description: "Which targets answer, how fast, and whether the probers can be trusted. \
            A click on a series or a row leads to that target.",
        many: true,
        links: vec![(
            "One target",
            "/d/tcp-echo-target?${datasource:queryparam}&${rtt:queryparam}",
        )],
        annotations: vec![
            (
                "Disconnects",
                "red",
                format!(
                    "sum by (instance, target, reason) (increase({}[1m])) > 0",
                    OF.series("tcp_echo_disconnects_total", "")
                ),
                "{{instance}} → {{target}}: {{reason}}",
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
        rows: vec![
            now(),
            loss(),
            rtt(),
            connections(),
            names::row(),
            host(),
            server(),
        ],
    }
}

fn now() -> Row {
    let connected = OF.series("tcp_echo_connected", "");
    let ratio = OF.series("tcp_echo_loss_ratio", "");
    Row {
        title: "Now",
        panels: vec![
            Panel::new(
                Kind::Stat,
                "Targets",
                "Targets that the chosen instances probe. One that \
                two instances probe counts twice.",
            )
            .query(format!("count({connected})"), "targets"),
            Panel::new(
                Kind::Stat,
                "Without a connection",
                "Targets to which there is no TCP \
                connection now. Each of their slots is a loss.",
            )
            .query(format!("count({connected}) - sum({connected})"), "targets")
            .thresholds(limits::ANY_IS_BAD),
            Panel::new(
                Kind::Stat,
                "Losing more than 1 %",
                "Targets whose loss window holds more \
                than 1 % lost slots: timeouts, or slots without a probe.",
            )
            .query(format!("sum({ratio} > bool 0.01)"), "targets")
            .thresholds(limits::ANY_IS_BAD),
            Panel::new(
                Kind::Stat,
                "Worst loss",
                "The highest loss ratio of any target, over its \
                loss window (by default its last 100 slots).",
            )
            .query(format!("max({ratio})"), "loss")
            .unit("percentunit")
            .thresholds(limits::LOSS),
            Panel::new(
                Kind::Stat,
                "Highest median RTT",
                "The target that is farthest away. The \
                median hardly sees single slow replies.",
            )
            .query(format!("max({} >= 0)", OF.quantile("0.5", "${rtt}")), "RTT")
            .unit("s")
            .thresholds(limits::RTT),
            Panel::new(
                Kind::Stat,
                "Probers",
                "Instances that Prometheus scrapes with success, of \
                those chosen.",
            )
            .query(
                format!("sum({})", OF.instances("tcp_echo_up", "")),
                "probers",
            )
            .thresholds(limits::NONE_IS_BAD),
            Panel::new(
                Kind::Table,
                "Targets",
                "All figures of each target side by side. Sort by a \
                head; click on a target for its own dashboard. Host delay beside RTT tells what \
                part of a slow reply was made by the prober's own host.",
            )
            .query(OF.gauge("tcp_echo_connected"), "Connected")
            .query(OF.gauge("tcp_echo_loss_ratio"), "Loss")
            .query(OF.quantile("0.5", "${rtt}"), "RTT p50")
            .query(OF.quantile("0.99", "${rtt}"), "RTT p99")
            .query(OF.gauge("tcp_echo_jitter_seconds"), "Jitter")
            .query(
                OF.quantile("0.99", "tcp_echo_host_delay_seconds_bucket"),
                "Host delay p99",
            )
            .query(
                format!(
                    "sum by (job, instance, target) (increase({}[$__range]))",
                    OF.series("tcp_echo_disconnects_total", "")
                ),
                "Disconnects",
            )
            .column("Connected", "bool_yes_no", limits::YES_IS_GOOD)
            .column("Loss", "percentunit", limits::LOSS)
            .column("RTT p50", "s", &[])
            .column("RTT p99", "s", &[])
            .column("Jitter", "s", &[])
            .column("Host delay p99", "s", limits::HOST_DELAY)
            .column("Disconnects", "short", &[])
            .link("This target's dashboard", ROW_LINK)
            .size(24, 9),
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
                "Lost slots (timeouts and slots without a probe) \
                of all slots with an outcome, from the counters: no loss between two scrapes is \
                missed. The lines are at 0.1, 1 and 5 %.",
            )
            .query(OF.loss("$__rate_interval"), LEGEND)
            .unit("percentunit")
            .thresholds(limits::LOSS)
            .link("This target's dashboard", SERIES_LINK),
            Panel::new(
                Kind::Stack,
                "Slots without a probe",
                "Why probes were not sent: \
                disconnected (no connection: see the network or the peer), backpressure (the \
                connection took no more: the peer or the path is stuck), overrun (this host woke \
                too late for the slot: too little CPU), resources (this process has no file \
                descriptor for the connection: raise its limit of open files).",
            )
            .query(
                format!(
                    "sum by (reason) (rate({}[$__rate_interval]))",
                    OF.series("tcp_echo_unsent_total", "")
                ),
                "{{reason}}",
            )
            .unit("suffix:/s"),
        ],
    }
}

fn rtt() -> Row {
    Row {
        title: "Round-trip time",
        panels: vec![
            Panel::new(
                Kind::Lines,
                "Median RTT",
                "What half of the replies stay below: the path's \
                length and its standing queues. A step that stays is a changed route. The axis is \
                logarithmic.",
            )
            .query(OF.quantile("0.5", "${rtt}"), LEGEND)
            .unit("s")
            .log()
            .link("This target's dashboard", SERIES_LINK),
            Panel::new(
                Kind::Lines,
                "p99 RTT",
                "What one reply in a hundred exceeds: queues, \
                retransmissions and slow peers show here first. A quantile is guessed within its \
                bucket; with native histograms to within 9 %.",
            )
            .query(OF.quantile("0.99", "${rtt}"), LEGEND)
            .unit("s")
            .log()
            .link("This target's dashboard", SERIES_LINK),
            Panel::new(
                Kind::Heatmap,
                "RTT of all chosen targets",
                "How many replies fell into \
                each bucket. By default each bucket is twice as wide as the one below, so equal \
                heights are equal factors. Two bands are two kinds of paths; a band that tears is \
                a change of route.",
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
                "Jitter",
                "RFC 3550's running mean of the difference between \
                one RTT and the next: what a voice or video stream would have to buffer.",
            )
            .query(OF.gauge("tcp_echo_jitter_seconds"), LEGEND)
            .unit("s")
            .log()
            .link("This target's dashboard", SERIES_LINK),
        ],
    }
}

fn connections() -> Row {
    Row {
        title: "Connections",
        panels: vec![
            Panel::new(
                Kind::Timeline,
                "Connected",
                "A bar for each target. A long red one is a \
                dead peer or path; many short ones are a peer that accepts and closes, or a \
                middlebox that cuts long-lived connections.",
            )
            .query(OF.gauge("tcp_echo_connected"), LEGEND)
            .yes_no("connected", "disconnected")
            .thresholds(limits::YES_IS_GOOD)
            .size(24, 8),
            Panel::new(
                Kind::Stack,
                "Disconnects",
                "Connections that ended, by reason: eof (the \
                peer closed it), reset (the peer or something between reset it), stalled (nothing \
                came back for too long, so it was replaced), error (another error of the socket), \
                closed (this side closed it, as the target went or its address changed).",
            )
            .query(
                format!(
                    "sum by (reason) (increase({}[$__rate_interval]))",
                    OF.series("tcp_echo_disconnects_total", "")
                ),
                "{{reason}}",
            ),
            Panel::new(
                Kind::Stack,
                "Failed attempts to connect",
                "By reason: refused (nothing \
                listens), timeout (no answer at all: a firewall or a dead host), unreachable (no \
                route), dns (the name has no address), other.",
            )
            .query(
                format!(
                    "sum by (reason) (increase({}[$__rate_interval]))",
                    OF.series("tcp_echo_connect_failures_total", "")
                ),
                "{{reason}}",
            ),
            Panel::new(
                Kind::Lines,
                "TCP retransmissions per probe",
                "Segments that the kernel sent \
                again. TCP hides a lost packet from the probe, which then comes late, not never: \
                this is the loss below. Each probe is a segment, so 0.01 is about 1 % lost \
                packets.",
            )
            .query(
                format!(
                    "{} / {}",
                    OF.rate("tcp_echo_tcp_retransmits_total", ""),
                    OF.rate("tcp_echo_sent_total", "")
                ),
                LEGEND,
            )
            .unit("percentunit")
            .thresholds(limits::RETRANSMITS)
            .link("This target's dashboard", SERIES_LINK),
            Panel::new(
                Kind::Lines,
                "Smoothed RTT of TCP",
                "The kernel's own view of the probing \
                connection, measured from acknowledgements. Far below the probes' RTT, the peer's \
                process is slow, not the network. 0 while unknown.",
            )
            .query(OF.gauge("tcp_echo_tcp_srtt_seconds"), LEGEND)
            .unit("s")
            .link("This target's dashboard", SERIES_LINK),
        ],
    }
}

fn host() -> Row {
    let by_instance = |histogram: &str| {
        format!(
            "histogram_quantile(0.99, sum by (job, instance, le) (rate({}[$__rate_interval])))",
            OF.instances(histogram, "")
        )
    };
    Row {
        title: "The probers' own hosts",
        panels: vec![
            Panel::new(
                Kind::Lines,
                "Host delay p99",
                "What the prober's own host added to the RTT \
                between the kernel's receipt of a reply and the process that reads it. Above the \
                red line the host is too busy, and the RTTs are not to be trusted: the same wait \
                may have come before the probes were sent, where no stamp shows it.",
            )
            .query(
                by_instance("tcp_echo_host_delay_seconds_bucket"),
                "{{instance}}",
            )
            .unit("s")
            .thresholds(limits::HOST_DELAY),
            Panel::new(
                Kind::Lines,
                "Send lateness p99",
                "How long after its slot a probe was sent. \
                The schedule does not shift, so lateness never hides slow replies; but above the \
                red line the host lacks CPU, and slots will be missed.",
            )
            .query(
                by_instance("tcp_echo_send_lateness_seconds_bucket"),
                "{{instance}}",
            )
            .unit("s")
            .thresholds(limits::LATENESS),
            Panel::new(Kind::Lines, "CPU", "What each prober uses of one core.")
                .query(
                    format!(
                        "rate({}[$__rate_interval])",
                        OF.instances("process_cpu_seconds_total", "")
                    ),
                    "{{instance}}",
                )
                .unit("percentunit"),
            Panel::new(
                Kind::Lines,
                "Memory",
                "What each prober holds in RAM. It depends on the \
                number of targets, and does not grow over time.",
            )
            .query(
                OF.instances("process_resident_memory_bytes", ""),
                "{{instance}}",
            )
            .unit("bytes"),
        ],
    }
}

fn server() -> Row {
    let rate = |metric: &str| format!("rate({}[$__rate_interval])", OF.instances(metric, ""));
    Row {
        title: "Echo servers (modes server and both)",
        panels: vec![
            Panel::new(
                Kind::Lines,
                "Connections",
                "Connections that each server holds open: one \
                for each prober that has it as a target.",
            )
            .query(
                OF.instances("tcp_echo_server_connections", ""),
                "{{instance}}",
            ),
            Panel::new(
                Kind::Lines,
                "Echoed bytes",
                "Bytes sent back; 16 of them are a probe.",
            )
            .query(rate("tcp_echo_server_echoed_bytes_total"), "{{instance}}")
            .unit("Bps"),
            Panel::new(
                Kind::Lines,
                "Accepted connections",
                "New connections in a second. Steady \
                probers connect once; a lasting rate is somebody who reconnects all the time.",
            )
            .query(rate("tcp_echo_server_accepted_total"), "{{instance}}")
            .unit("suffix:/s"),
            Panel::new(
                Kind::Stack,
                "Rejected connections and errors",
                "Connections closed at once \
                because a limit was reached (in all, or from one address) or their address is not \
                among those allowed; served ones that were idle or did not read; and attempts to \
                accept that failed, as a rule for want of files.",
            )
            .query(
                rate("tcp_echo_server_rejected_total"),
                "{{instance}} {{reason}}",
            )
            .query(
                rate("tcp_echo_server_closed_total"),
                "{{instance}} {{reason}}",
            )
            .query(
                rate("tcp_echo_server_accept_errors_total"),
                "{{instance}} accept error",
            )
            .unit("suffix:/s"),
        ],
    }
}
