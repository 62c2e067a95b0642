//! The status page.
//!
//! It works without its script: a table that reloads every ten seconds, and a search form. The
//! script updates it in between.
//!
//! All its links are relative, so that a proxy can serve it below any path.

mod detail;
mod document;
mod episodes;
mod history;
mod overview;
mod paths;
mod picture;
mod plot;
mod query;
mod routes;
mod sparkline;
mod sse;
mod status;
mod text;
mod verdict;
mod view;

pub(crate) use routes::routes;
