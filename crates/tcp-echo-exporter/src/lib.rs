//! Prometheus metrics and HTTP endpoints for TCP echo probing.
//!
//! - [`TargetMetrics`] observes a prober: it keeps every target's numbers.
//! - [`Endpoints`] say what is shown: targets, an echo server's counts, look-ups and
//!   where targets come from, the build, how the last reload went. Its [router](Endpoints::router) can be served by itself or
//!   as a part of another program.
//! - [`Exporter`] listens and serves, and doesn't let slow or many clients hold it.
//!
//! ```
//! use std::time::Duration;
//! use tcp_echo_exporter::{BuildInfo, Endpoints, Exporter, TargetMetrics};
//! use tcp_echo_prober::{Observer as _, SessionConfig, Target};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let metrics = TargetMetrics::new();
//! // A prober that is given the metrics as its observer does this for each target.
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
//! # Metrics of one moment
//!
//! A scrape takes each target's numbers once, as they were between two events, and
//! writes all formats and metrics from that. So in every scrape, whatever happens
//! meanwhile, sent = received + timeouts + in flight, and the RTT's histogram counts
//! what `tcp_echo_received_total` counts. The prober's threads never wait for it: the
//! numbers are atomics behind a version that the scrape checks.
//!
//! # Formats
//!
//! `/metrics` is Prometheus's text 0.0.4 unless `Accept` prefers `OpenMetrics` 1.0 or
//! Prometheus's protobuf. Protobuf alone carries `tcp_echo_rtt_seconds` as a native
//! histogram too, of schema 3 (buckets 9 % wide, from 1 µs up to the target's timeout);
//! Prometheus takes either the native or, with `scrape_classic_histograms`, both.
//! Prometheus before version 3 takes the `le` of bounds below 100 µs as text, and the
//! text formats write them differently (`1e-06`, `0.000001`).
//!
//! # Labels
//!
//! Every series of a target has the label `target`, its name. A target's own labels
//! follow. In their names every character but ASCII letters, digits and `_` becomes
//! `_`, and a leading digit gets a `_` before it; `target`, `reason`, `le` and
//! `address` become `exported_target` and so on. Names that begin with `__`, empty
//! values, and names that became the same as an earlier one are left out.
//!
//! # `/probe`
//!
//! `GET /probe?target=host:port`, where a [`Probe`] lets it, is Prometheus's pattern of
//! one exporter for many targets: it begins to probe that target, and answers with its
//! series alone, in the same formats. The series of targets that were asked for are
//! there and not at `/metrics`, where they would be scraped a second time; page and API
//! have them. A name that the prober was given itself answers with that target's
//! series, and so does one that is probed already, whatever `interval`, `timeout` or
//! `window` is asked for. The first answer waits until the target was connected to, or could
//! not be: for a second at most, or half a second less than the scrape's timeout that
//! Prometheus says in `X-Prometheus-Scrape-Timeout-Seconds`. With nothing known by then, it
//! is all at 0. A client's address has a share of the targets that may be asked for
//! ([`OnDemandLimits::max`](tcp_echo_prober::OnDemandLimits::max)).
//!
//! | status | |
//! |---|---|
//! | 200 | the series |
//! | 400 | the query, or that header, can't be understood; it says what is accepted |
//! | 403 | none of the target's addresses is in the networks that are allowed |
//! | 404 | nothing may be asked for here |
//! | 429 | the client has begun as many targets as its share allows |
//! | 502 | the target's name can't be looked up |
//! | 503 | as many targets as may be are probed on demand, or too many are being looked up |
//! | 504 | the target's name was not looked up within the scrape's timeout |
//!
//! # `/api/v1/targets`
//!
//! `{"targets": [...]}`, in the order of the names. Fields may be added, not changed:
//!
//! | field | |
//! |---|---|
//! | `name`, `address` | the target's name, and its address as written |
//! | `peer` | the address of the present or last connection, or null |
//! | `labels` | its own labels, as in the metrics |
//! | `on_demand` | whether it is probed because `/probe` was asked for it |
//! | `state` | `untried`, `connected` or `disconnected` |
//! | `last_rtt_seconds` | or null before the first reply |
//! | `p50_seconds`, `p99_seconds` | of the RTT in the last 2½ to 5 minutes, or null |
//! | `jitter_seconds`, `loss_ratio` | as in the metrics |
//! | `missed_ratio` | the part of the loss window that this host missed, which is part of `loss_ratio` |
//! | `sent`, `received`, `timeouts`, `in_flight`, `unsent`, `late`, `unexpected` | counts |
//! | `missed` | of `unsent`, the slots that this host missed: `overrun` and `resources` |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod allowed_hosts;
mod answers;
mod body;
mod buckets;
mod buffers;
mod build_info;
mod client;
mod collect;
mod connections;
mod discovery;
mod encode;
mod endpoints;
mod exporter;
mod families;
mod history;
mod labels;
mod layout;
mod lifecycle;
mod log_limiter;
mod native;
mod negotiate;
mod page;
mod plot;
mod probe;
mod process;
mod query;
mod quota;
mod readiness;
mod respond;
mod scalar;
mod seqlock;
mod server;
mod snapshot;
mod sockets;
mod sse;
mod status;
mod sync;
mod targets;
mod text;
mod view;

pub use allowed_hosts::{AllowedHosts, AllowedHostsError};
pub use buckets::{Buckets, BucketsError};
pub use build_info::{BuildInfo, ReloadStatus};
pub use discovery::SourceStatus;
pub use endpoints::{Endpoints, ReloadError};
pub use exporter::Exporter;
pub use lifecycle::Lifecycle;
pub use probe::{ParseDuration, Probe};
pub use readiness::Readiness;
pub use targets::{TargetMetrics, TargetSensor};
pub use tcp_echo_net::{Address, BindError};
pub use tcp_echo_resolve::LookupStats;
