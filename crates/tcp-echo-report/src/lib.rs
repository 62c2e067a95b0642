//! Reports of runs of the prober: in the foreground, for a person or a script.
//!
//! [`ReportRun`] is the run: it returns the observer for the prober, knows when the run is over,
//! waits for the replies in flight, and prints. Its parts are usable alone:
//!
//! - [`report`]: [`Totals`](report::Totals) count what happens to each target; a
//!   [`Report`](report::Report) of them is a table or JSON.
//! - [`live`]: a live view of all targets in the terminal (feature `terminal`, as is the
//!   progress bar of a run).
//!
//! # What is counted
//!
//! With `count`, the report has exactly that many slots of each target: the first ones with an
//! outcome or a probe in flight. The prober continues until all targets are complete, and later
//! probes are ignored. With `duration`, or if a signal ends the run, the report has the slots
//! until then. In both cases the run waits for the replies in flight until their timeout, unless
//! a second signal ends it at once.
//!
//! # What it costs
//!
//! The totals of each target are behind a mutex, which its sensor locks for each event.
//! Nothing else locks it while probes are counted: the progress bar reads an atomic count, and
//! the run locks it once to end the count and once to print. So the probing thread never waits,
//! and pays two atomic operations. Histograms are allocated at their full size at the start, so
//! no event allocates: about 100 KB per target at the default timeout. A peer that stamps replies
//! adds four smaller histograms, 50 KB, when it says so.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use tcp_echo_prober::{Event, Observer, Sensor, Seq, Session, SessionConfig, Target};
//! use tcp_echo_report::Percent;
//! use tcp_echo_report::report::{Charset, Ended, Report, Run, Totals, table};
//!
//! let second = Duration::from_secs(1);
//! let config = SessionConfig::new(second, second)?;
//! let session = Session::new(&config, Instant::now());
//! let target = Target::new("192.0.2.1:4000".parse()?, config).named("db");
//!
//! // A prober does this.
//! let totals = Totals::new(1, None);
//! let mut sensor = totals.attach(&target);
//! let (seq, rtt) = (Seq(1), Duration::from_micros(40));
//! sensor.on_event(&Event::Sent { seq, lateness: Duration::ZERO }, &session);
//! sensor.on_event(&Event::Received { seq, rtt, host_delay: None }, &session);
//!
//! let run = Run {
//!     version: "0.1.0",
//!     start_time: Duration::ZERO,
//!     duration: second,
//!     ended: Ended::Duration,
//!     max_loss: Percent::new(5.0).ok_or("not a percentage")?,
//! };
//! let report = Report::new(run, &totals);
//! assert_eq!(report.within_max_loss(), Some(true));
//! assert!(table(&report, Charset::Ascii).contains("40.0us"));
//! assert!(report.to_json()?.contains(r#""received":1"#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "terminal")]
mod bar;
mod config;
mod display;
mod format;
mod hops;
#[cfg(feature = "terminal")]
pub mod live;
mod print;
mod progress;
pub mod report;
mod run;

pub use config::{Output, Percent, PercentError, ReportConfig, UnknownOutput, WatchConfig};
pub use run::{ReportRun, RunObserver, RunSensor};
