//! The report: totals of all targets, as a table or as JSON.

mod excess;
mod fault;
mod histogram;
pub(crate) mod hops;
pub(crate) mod lines;
mod rtts;
mod schema;
mod table;
mod target_totals;
mod totals;
mod values;

pub use crate::format::Charset;
pub use schema::{Ended, Report, Run, TargetReport};
pub use table::render as table;
pub use totals::{Totals, TotalsSensor};
