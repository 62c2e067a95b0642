//! The status page.
//!
//! It is whole without its script: a table that is loaded again every ten seconds,
//! and a form for the search. The script keeps it up to date in between.
//!
//! All its references are relative, so that a proxy can serve it below any path.

mod detail;
mod document;
mod history;
mod overview;
mod plot;
mod query;
mod routes;
mod sparkline;
mod sse;
mod status;
mod text;
mod view;

pub(crate) use routes::routes;
