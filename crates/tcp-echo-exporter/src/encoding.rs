//! The exposition formats: metrics as bytes.
//!
//! A scrape of many targets is nearly all time that the program spends for the reader, so this
//! is written for it: labels are escaped once for each target rather than for each series, and
//! nothing is held in memory but a buffer, in protobuf the series of one family.

pub(crate) mod encoder;
pub(crate) mod format;
pub(crate) mod global_labels;
pub(crate) mod histogram;
pub(crate) mod labels;
mod protobuf;
mod text;

#[cfg(test)]
mod tests;
