//! Systems without /proc have no `process_*` metrics.

use std::io;

use crate::encoding::encoder::{Collector, Encoder};

/// Writes nothing.
#[derive(Clone, Debug)]
pub(crate) struct ProcessCollector;

impl ProcessCollector {
    pub(crate) const fn new() -> Self {
        Self
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, _encoder: &mut Encoder<'_>) -> io::Result<()> {
        Ok(())
    }
}
