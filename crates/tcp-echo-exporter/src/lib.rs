//! Prometheus metrics and HTTP endpoints for TCP echo probing.
//!
//! - [`TargetMetrics`] observes a prober and keeps the numbers of every target.
//! - [`Endpoints`] configures what is shown: targets, the counts of an echo server, look-ups,
//!   sources of targets, the build, the last reload. Its [router](Endpoints::router) can be
//!   served by itself or as part of another program.
//! - [`Exporter`] listens and serves, and bounds what slow or many clients can hold.
//!
//! ```
//! use std::time::Duration;
//! use tcp_echo_exporter::{BuildInfo, Endpoints, Exporter, TargetMetrics};
//! use tcp_echo_prober::{Observer as _, SessionConfig, Target};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let metrics = TargetMetrics::new();
//! // A prober does this for each target if the metrics are its observer.
//! let session = SessionConfig::new(Duration::from_millis(200), Duration::from_millis(800))?;
//! let sensor = metrics.attach(&Target::new("192.0.2.1:4000".parse()?, session));
//!
//! let build = BuildInfo { version: "1.0.0", revision: "unknown", rustversion: "1.88.0" };
//! let router = Endpoints::new(build).with_targets(metrics).router();
//! let exporter = Exporter::bind(&"127.0.0.1:0".parse()?, router).await?;
//! println!("http://{}/metrics", exporter.local_addr());
//! # let stop = std::future::ready(());
//! exporter.serve(stop).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! `page` (default): the status page with its history, plots, events and `/api/v1/targets`.
//! Without it neither `maud` nor `plotters` is compiled.
//!
//! # Consistency
//!
//! A scrape reads the numbers of each target once, as they were between two events, and
//! derives all formats and metrics from them. So in every scrape sent = received + timeouts +
//! in flight, and the histogram of the RTT has as many observations as
//! `tcp_echo_received_total`. The prober's threads never wait for a scrape: the numbers are
//! atomics under a version that the scrape checks.
//!
//! # Formats
//!
//! `/metrics` returns Prometheus's text format 0.0.4 unless `Accept` prefers `OpenMetrics` 1.0
//! or Prometheus's protobuf. Only protobuf also has `tcp_echo_rtt_seconds` as a native
//! histogram, of schema 3 (buckets 9 % wide, from 1 µs up to the target's timeout). Prometheus
//! ingests the native histogram alone or, with `scrape_classic_histograms`, both. Prometheus
//! before version 3 treats `le` as text, and the text formats write bounds below 100 µs
//! differently (`1e-06`, `0.000001`).
//!
//! # Sets of series
//!
//! Each target has 122 series with the default buckets, and `tcp_echo_estimated_timeout_seconds` if
//! its timeout is adaptive. With [`Episodes`](tcp_echo_episodes::Episodes) it has 21 more:
//! `tcp_echo_episodes_total` by `cause`, and `tcp_echo_episode_seconds`. The metrics may have a
//! smaller [`SeriesSet`], at `/metrics` and at `/probe`:
//!
//! - `Standard` has 32, and 37 where the target has several flows, with `tcp_echo_flows`,
//!   `tcp_echo_flows_bad`, `tcp_echo_worst_flow_loss_ratio`, `tcp_echo_worst_flow_rtt_seconds` and
//!   `tcp_echo_worst_flow_port`: `tcp_echo_sent_total`, `tcp_echo_received_total`,
//!   `tcp_echo_timeouts_total`, `tcp_echo_unsent_total` by `reason`, `tcp_echo_loss_ratio`,
//!   `tcp_echo_rtt_seconds`, `tcp_echo_jitter_seconds`, `tcp_echo_connected`,
//!   `tcp_echo_disconnects_total` without `reason`, `tcp_echo_tcp_retransmits_total`, and
//!   `tcp_echo_packet_loss_ratio` by `direction`; with episodes `tcp_echo_episodes_total` without
//!   `cause`, too.
//! - `Minimal` has 10: `tcp_echo_sent_total`, `tcp_echo_received_total`,
//!   `tcp_echo_timeouts_total`, `tcp_echo_unsent_total` without `reason`,
//!   `tcp_echo_loss_ratio` and `tcp_echo_connected`; in protobuf `tcp_echo_rtt_seconds`
//!   as a native histogram without classic buckets; in text
//!   `tcp_echo_rtt_sum_seconds_total`, and `tcp_echo_rtt_quantile_seconds` with the
//!   quantiles 0.5, 0.9 and 0.99 of the RTTs in the loss window. Without a reply in it they
//!   are NaN, as those of a summary in other exporters. Of a loss window longer than 10,000
//!   slots they take the last 10,000. They are interpolated in buckets 9 % wide.
//!
//! In both, `/metrics` has `tcp_echo_send_lateness_seconds` and `tcp_echo_host_delay_seconds`
//! once, without `target`: over all targets since the start. The page is the same with any
//! set.
//!
//! # Flows
//!
//! The series of a target with several flows are those of all its flows: counts are summed, ratios
//! are those of the sums, and it is connected if one flow is. Of the connected flows
//! `tcp_echo_last_rtt_seconds` is the longest and `tcp_echo_tcp_min_rtt_seconds` the shortest;
//! `tcp_echo_jitter_seconds`, `tcp_echo_tcp_srtt_seconds` and `tcp_echo_tcp_rttvar_seconds` are their
//! means.
//!
//! # Labels
//!
//! Every series of a target has the label `target`, its name, followed by the target's own
//! labels. In their names every character but ASCII letters, digits and `_` becomes `_`, and
//! a leading digit is prefixed with `_`; `target`, `reason`, `le`, `address`, `quantile`,
//! `direction`, `part` and `cause` become `exported_target` and so on. Names that begin with `__`, empty
//! values, and names that became equal to an earlier one are left out.
//!
//! [`Endpoints::with_labels`] adds labels to every series, also to those without a target. Where
//! a series has a label of that name itself, such as a target, its own value is written.
//!
//! # `/probe`
//!
//! `GET /probe?target=host:port`, if a [`Probe`] enables it, follows Prometheus's multi-target
//! exporter pattern: it starts to probe that target, and returns its series alone, in the same
//! formats. The series of targets on demand are not at `/metrics`, where they would be scraped
//! a second time; page and API show them. The name of a listed target returns that target's
//! series, and a target that is probed already keeps its `interval`, `timeout` and `window`,
//! whatever the request says. The first response waits until a connection attempt succeeded or
//! failed: for a second, or until half a second before the scrape timeout that Prometheus sends
//! in `X-Prometheus-Scrape-Timeout-Seconds`. Without a result by then, all values are 0. Each
//! client address has a share of the targets on demand (see
//! [`OnDemandLimits`](tcp_echo_prober::OnDemandLimits)).
//!
//! | status | meaning |
//! |---|---|
//! | 200 | the series |
//! | 400 | the query, or that header, is invalid; the body says what is accepted |
//! | 403 | none of the target's addresses is in an allowed network |
//! | 404 | targets on demand are disabled |
//! | 429 | the client has as many targets as its share allows |
//! | 502 | the target's name can't be resolved |
//! | 503 | the limit of targets on demand or of concurrent look-ups is reached |
//! | 504 | the target's name was not resolved within the scrape timeout |
//!
//! # `/api/v1/paths`
//!
//! `{"flows": [...]}` of the target named by `target=`. Later versions may add fields, but change none:
//!
//! | field | meaning |
//! |---|---|
//! | `source_port` | null while unknown, and for a flow alone whose path was not traced |
//! | `bad` | whether it loses or stalls while other flows of the target don't |
//! | `loss_ratio` | of its loss window |
//! | `rtt_seconds` | the median of the last replies, or null |
//! | `hops` | of its last trace, in order: `ttl`, `address` (null if nothing answered), `rtt_seconds`; empty without a trace |
//! | `last_hop` | the address of the last hop that answered, or null |
//!
//! # `/api/v1/targets`
//!
//! `{"targets": [...]}`, sorted by name. Later versions may add fields, but change none:
//!
//! | field | meaning |
//! |---|---|
//! | `name`, `address` | the target's name, and its address as written |
//! | `peer` | the address of the present or last connection, or null |
//! | `labels` | its labels but `target`, as in the metrics |
//! | `on_demand` | whether it was requested at `/probe` |
//! | `state` | `untried`, `connected`, `disconnected`, or `departed`: the peer has said that it stops, and is not back |
//! | `last_rtt_seconds` | null before the first reply |
//! | `p50_seconds`, `p99_seconds` | of the RTT in the last 5 minutes, or null |
//! | `jitter_seconds`, `loss_ratio` | as in the metrics |
//! | `missed_ratio` | the fraction of the loss window that this host missed, included in `loss_ratio` |
//! | `sent`, `received`, `timeouts`, `in_flight`, `unsent`, `late`, `unexpected` | counts |
//! | `missed` | the slots of `unsent` that this host missed: `overrun` and `resources` |
//! | `answers_hello` | whether the peer of the present or last connection has answered the hello |
//! | `packet_loss` | `{"forward": {...}, "reverse": {...}}`, each null while nothing is known of it: `ratio` (lost of sent in the last minute), and the counts `sent` and `lost` of data segments. Reverse needs a peer that answers the hello. |
//! | `excess_seconds` | `prober`, `forward`, `peer` and `reverse`: by how much each part of the round trip exceeded its minimum, as the mean of the last 10 to 20 seconds; null without a reply of a peer that answers the hello |
//!
//! # `/api/v1/episodes`
//!
//! `{"episodes": [...]}`, the newest begin first: those that last, and up to 1,000 that have ended.
//! `?target=` selects those of one target, `?limit=` that many at most. Without
//! [`Episodes`](tcp_echo_episodes::Episodes) there are none.
//!
//! | field | meaning |
//! |---|---|
//! | `target` | the target's name |
//! | `start` | when the first slot was due that was lost or late (RFC 3339, in UTC with milliseconds) |
//! | `end` | when the first slot after it was due that was answered as usual; null while it lasts |
//! | `cause` | as in `tcp_echo_episodes_total`; it may change while the episode lasts |
//! | `slots_lost` | the slots lost so far, of all flows |
//! | `source_port` | of the flow, if it is one of a single flow and the port is known; else null |
//! | `last_hop` | the last router of that flow's path that has answered a trace, or null |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod encoding;
mod endpoints;
mod exposition;
mod http;
mod metrics;
#[cfg(feature = "page")]
mod page;
mod probe;

pub use encoding::global_labels::{GlobalLabel, GlobalLabelError, GlobalLabels};
pub use endpoints::{Endpoints, lifecycle::Lifecycle, readiness::Readiness, reload::ReloadError};
pub use http::{
    allowed_hosts::{AllowedHosts, AllowedHostsError},
    exporter::Exporter,
};
pub use metrics::{
    buckets::{Buckets, BucketsError},
    build_info::BuildInfo,
    discovery::SourceStatus,
    reload_status::ReloadStatus,
    series_set::{SeriesSet, UnknownSeriesSet},
    targets::{TargetMetrics, TargetSensor},
};
pub use probe::Probe;
pub use tcp_echo_net::{Address, BindError};
pub use tcp_echo_resolve::LookupStats;
