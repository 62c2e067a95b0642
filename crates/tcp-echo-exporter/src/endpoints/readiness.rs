//! Whether the program does what it was started for.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::TargetMetrics;

/// Says when every part of the program runs. Clones are handles to the same.
///
/// An [`Endpoints`](crate::Endpoints) that has one is not ready before.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    started: AtomicBool,
    /// The names of the targets that are to be tried.
    configured: Mutex<Option<Vec<Arc<str>>>>,
}

impl Readiness {
    /// Not yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything listens.
    pub fn started(&self) {
        self.0.started.store(true, Ordering::Release);
    }

    /// These are the targets that have to be tried first, attached or not, in place of
    /// those that were given before. Without any such list those count that are attached.
    pub fn configured(&self, names: impl IntoIterator<Item = Arc<str>>) {
        *self.lock() = Some(names.into_iter().collect());
    }

    fn is_started(&self) -> bool {
        self.0.started.load(Ordering::Acquire)
    }

    /// How many of the targets were not tried yet, and how many there are.
    fn untried(&self, metrics: &TargetMetrics) -> (usize, usize) {
        match &*self.lock() {
            Some(names) => (metrics.untried_among(names), names.len()),
            None => metrics.untried_listed(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Arc<str>>>> {
        let configured = self.0.configured.lock();
        configured.unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer at `/-/ready`. Once it was yes it stays so: targets that a reload
/// brings don't take the whole program out of service.
#[derive(Debug, Default)]
pub(crate) struct ReadinessCheck {
    pub(crate) readiness: Option<Readiness>,
    pub(crate) was_ready: AtomicBool,
}

impl ReadinessCheck {
    /// Yes, or why not.
    pub(crate) fn check(&self, targets: Option<&TargetMetrics>) -> Result<(), String> {
        if self.was_ready.load(Ordering::Relaxed) {
            return Ok(());
        }
        if self
            .readiness
            .as_ref()
            .is_some_and(|started| !started.is_started())
        {
            return Err("still starting".to_owned());
        }
        let untried = targets.map(|targets| match &self.readiness {
            Some(started) => started.untried(targets),
            None => targets.untried_listed(),
        });
        if let Some((untried @ 1.., all)) = untried {
            return Err(format!("{untried} of {all} targets not tried yet"));
        }
        self.was_ready.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tcp_echo_prober::{
        ConnectFailure, Event, Observer as _, Sensor as _, Session, SessionConfig, Target,
    };

    use super::*;

    #[test]
    fn targets_that_nobody_attaches_are_waited_for() {
        let metrics = TargetMetrics::new();
        let readiness = Readiness::new();
        let ready = ReadinessCheck {
            readiness: Some(readiness.clone()),
            ..ReadinessCheck::default()
        };
        readiness.started();
        readiness.configured(["a".into(), "b".into()]);
        let not_yet = ready.check(Some(&metrics)).unwrap_err();
        assert_eq!(not_yet, "2 of 2 targets not tried yet");
        let second = Duration::from_secs(1);
        let config = SessionConfig::new(second, second).unwrap();
        let session = Session::new(&config, std::time::Instant::now());
        let try_it = |name: &str| {
            let target = Target::new("127.0.0.1:1".parse().unwrap(), config.clone());
            let mut sensor = metrics.attach(&target.named(name));
            let reason = ConnectFailure::Refused;
            sensor.on_event(&Event::ConnectFailed { reason }, &session);
            sensor
        };
        let _a = try_it("a");
        assert!(ready.check(Some(&metrics)).is_err());
        // The list has changed meanwhile.
        readiness.configured(["a".into(), "c".into()]);
        assert!(ready.check(Some(&metrics)).is_err());
        let _c = try_it("c");
        assert_eq!(ready.check(Some(&metrics)), Ok(()));
    }
}
