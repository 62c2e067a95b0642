//! What becomes of names, and of the sources of targets.

use super::OF;
use crate::dashboards::board::Row;
use crate::dashboards::panel::{Kind, Panel};

pub(super) fn row() -> Row {
    Row {
        title: "Names and sources of targets",
        panels: vec![
            Panel::new(
                Kind::Stack,
                "Look-ups by outcome",
                "Names that each prober looks up in a second: `system` as the host does, A, AAAA and \
                SRV for `dns+` and `srv+`. Anything but `ok` for long is a nameserver that fails, or a \
                name that is gone.",
            )
            .query(
                format!(
                    "sum by (instance, type, outcome) (rate({}[$__rate_interval]))",
                    OF.instances("tcp_echo_dns_lookups_total", "")
                ),
                "{{instance}} {{type}} {{outcome}}",
            )
            .unit("suffix:/s"),
            Panel::new(
                Kind::Lines,
                "Look-up time p99",
                "How long nameservers take to answer. Probes wait for none of it: a target whose name \
                is looked up again keeps its connection.",
            )
            .query(
                format!(
                    "histogram_quantile(0.99, sum by (instance, le) (rate({}[$__rate_interval])))",
                    OF.instances("tcp_echo_dns_lookup_seconds_bucket", "")
                ),
                "{{instance}}",
            )
            .unit("s"),
            Panel::new(
                Kind::Lines,
                "Targets by source",
                "How many targets each file, and each `dns+` and `srv+` name, stands for.",
            )
            .query(
                OF.instances("tcp_echo_discovery_targets", ""),
                "{{instance}} {{source}}",
            ),
            Panel::new(
                Kind::Lines,
                "Age of sources",
                "The time since each source was last read, or looked up, with success. It goes on \
                growing where one fails: what it listed before is probed until then.",
            )
            .query(
                format!(
                    "time() - {}",
                    OF.instances("tcp_echo_discovery_last_success_timestamp_seconds", "")
                ),
                "{{instance}} {{source}}",
            )
            .unit("s"),
        ],
    }
}
