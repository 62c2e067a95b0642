//! Runs that somebody watches: a report at their end, a line for each probe, a bar
//! that shows how far they are.
//!
//! [`ReportRun`] is what a run needs to know: it gives the observer, says when the
//! run is over, waits for the replies that are still out, and prints.
//!
//! # What counts
//!
//! With `count`, exactly so many slots of each target are in the report: the first
//! ones that have an outcome, or a probe whose reply is awaited. The prober goes on
//! until all targets are there, and what it sends meanwhile is left out. With
//! `duration`, or where a signal ends the run, the slots until then are. Either way
//! the probes in flight get their outcome: the run waits for their replies for as long
//! as their timeout allows, unless a second signal ends it at once.
//!
//! # What it costs
//!
//! Each target's figures are behind a mutex of their own, which its sensor takes for
//! each event. Nobody else takes it while probes are counted: the bar reads an atomic
//! number, and the runner locks it once to end the count and once to print. So the
//! thread that probes never waits for it, and pays two atomic operations. Histograms
//! have their full size from the start, so that no event allocates: about 100 KB a
//! target at the default timeout.

mod bar;
mod format;
mod histogram;
mod lines;
mod print;
mod report_run;
mod rtts;
mod schema;
mod table;
mod target_totals;
mod totals;

pub use format::Charset;
pub(crate) use format::{printable, short};
pub use report_run::{ReportRun, Watcher, WatcherSensor};
pub use schema::{Report, TargetReport};
pub use table::render as table;
pub use totals::{Totals, TotalsSensor};
