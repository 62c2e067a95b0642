//! `/-/ready`: whether the program does what it was started for.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};

use crate::metrics::targets::TargetMetrics;

/// Reports when every part of the program runs. Clones share the same state.
///
/// [`Endpoints`](crate::Endpoints) that have one are not ready before.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    started: AtomicBool,
    /// The names of the targets to be tried before the program is ready.
    configured: Mutex<Option<Vec<Arc<str>>>>,
}

impl Readiness {
    /// Not started yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reports that everything listens.
    pub fn started(&self) {
        self.0.started.store(true, Ordering::Release);
    }

    /// Sets the targets that must be tried first, attached or not. Replaces an earlier list.
    /// Without a list, the attached targets must be tried.
    pub fn configured(&self, names: impl IntoIterator<Item = Arc<str>>) {
        *self.lock() = Some(names.into_iter().collect());
    }

    fn is_started(&self) -> bool {
        self.0.started.load(Ordering::Acquire)
    }

    /// Returns how many of the targets were not tried yet, and how many there are.
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

/// Decides whether the program is ready. Once it is, it stays so: targets that a reload adds
/// don't take the whole program out of service.
#[derive(Debug, Default)]
struct ReadinessCheck {
    readiness: Option<Readiness>,
    targets: Option<TargetMetrics>,
    was_ready: AtomicBool,
}

impl ReadinessCheck {
    /// Returns the reason if the program is not ready.
    fn check(&self) -> Result<(), String> {
        if self.was_ready.load(Ordering::Relaxed) {
            return Ok(());
        }
        let readiness = self.readiness.as_ref();
        if readiness.is_some_and(|readiness| !readiness.is_started()) {
            return Err("still starting".to_owned());
        }
        let untried = self.targets.as_ref().map(|targets| match readiness {
            Some(readiness) => readiness.untried(targets),
            None => targets.untried_listed(),
        });
        if let Some((untried @ 1.., all)) = untried {
            return Err(format!("{untried} of {all} targets not tried yet"));
        }
        self.was_ready.store(true, Ordering::Relaxed);
        Ok(())
    }
}

pub(super) fn routes(readiness: Option<Readiness>, targets: Option<TargetMetrics>) -> Router {
    let check = ReadinessCheck {
        readiness,
        targets,
        ..ReadinessCheck::default()
    };
    Router::new()
        .route("/-/ready", get(handle))
        .with_state(Arc::new(check))
}

async fn handle(State(check): State<Arc<ReadinessCheck>>) -> Response {
    match check.check() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => {
            let body = format!("not ready: {reason}\n");
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tcp_echo_prober::{
        ConnectFailure, Event, Observer as _, Sensor as _, Session, SessionConfig, Target,
    };

    use super::*;

    #[test]
    fn configured_targets_are_awaited_before_they_are_attached() {
        let metrics = TargetMetrics::new();
        let readiness = Readiness::new();
        let ready = ReadinessCheck {
            readiness: Some(readiness.clone()),
            targets: Some(metrics.clone()),
            ..ReadinessCheck::default()
        };
        readiness.started();
        readiness.configured(["a".into(), "b".into()]);
        let not_yet = ready.check().unwrap_err();
        assert_eq!(not_yet, "2 of 2 targets not tried yet");
        let second = Duration::from_secs(1);
        let config = SessionConfig::new(second, second).unwrap();
        let session = Session::new(&config, Instant::now());
        let attach_and_fail = |name: &str| {
            let target = Target::new("127.0.0.1:1".parse().unwrap(), config.clone());
            let mut sensor = metrics.attach(&target.named(name));
            let reason = ConnectFailure::Refused;
            sensor.on_event(&Event::ConnectFailed { reason }, &session);
            sensor
        };
        let _a = attach_and_fail("a");
        assert!(ready.check().is_err());
        // A reload changes the list.
        readiness.configured(["a".into(), "c".into()]);
        assert!(ready.check().is_err());
        let _c = attach_and_fail("c");
        assert_eq!(ready.check(), Ok(()));
    }
}
