//! Whether the program does what it was started for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::TargetMetrics;

/// Says when every part of the program runs. Clones are handles to the same.
///
/// An [`Endpoints`](crate::Endpoints) that has one is not ready before.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Not yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything listens, and all targets of the start are attached.
    pub fn started(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_started(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The answer at `/-/ready`. Once it was yes it stays so: targets that a reload
/// brings don't take the whole program out of service.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    pub(crate) started: Option<Readiness>,
    pub(crate) latch: AtomicBool,
}

impl Ready {
    /// Yes, or why not.
    pub(crate) fn check(&self, targets: Option<&TargetMetrics>) -> Result<(), String> {
        if self.latch.load(Ordering::Relaxed) {
            return Ok(());
        }
        if self
            .started
            .as_ref()
            .is_some_and(|started| !started.is_started())
        {
            return Err("still starting".to_owned());
        }
        if let Some((untried @ 1.., all)) = targets.map(TargetMetrics::untried) {
            return Err(format!("{untried} of {all} targets not tried yet"));
        }
        self.latch.store(true, Ordering::Relaxed);
        Ok(())
    }
}
