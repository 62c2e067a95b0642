//! Observers of a prober's events.

use std::sync::Arc;

use tcp_echo_session::{Event, Session};

use crate::Target;

/// Observes a prober: returns a [`Sensor`] for each target.
///
/// `()` ignores all events, and a pair of observers is an observer, so that metrics, a report
/// and a log can observe side by side.
pub trait Observer: Send + Sync + 'static {
    /// Observes one target.
    type Sensor: Sensor;

    /// Called before a target is probed. The sensor is dropped when the target is removed, and
    /// before another target of the same name is attached.
    fn attach(&self, target: &Target) -> Self::Sensor;

    /// Called for each flow of a target before it is probed, with the number of the flow from 0
    /// on. Each flow has a session and a sensor of its own; the sensors of one target are
    /// dropped before another target of the same name is attached.
    ///
    /// By default it attaches another sensor for the same target. An observer that keeps one
    /// record per target joins the flows of [`Target::flows`] here.
    fn attach_flow(&self, target: &Target, flow: u16) -> Self::Sensor {
        let _ = flow;
        self.attach(target)
    }
}

/// Observes one target.
pub trait Sensor: Send + 'static {
    /// Called at each event; `session` is the target's session right after it.
    ///
    /// Runs on the thread that probes, between two probes: it should take nanoseconds, and
    /// must never wait. A panic ends the prober; [`Handle::closed`](crate::Handle::closed)
    /// returns it.
    fn on_event(&mut self, event: &Event, session: &Session);
}

impl Observer for () {
    type Sensor = ();

    fn attach(&self, _target: &Target) {}
}

impl Sensor for () {
    fn on_event(&mut self, _event: &Event, _session: &Session) {}
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    type Sensor = (A::Sensor, B::Sensor);

    fn attach(&self, target: &Target) -> Self::Sensor {
        (self.0.attach(target), self.1.attach(target))
    }

    fn attach_flow(&self, target: &Target, flow: u16) -> Self::Sensor {
        (
            self.0.attach_flow(target, flow),
            self.1.attach_flow(target, flow),
        )
    }
}

impl<A: Sensor, B: Sensor> Sensor for (A, B) {
    #[inline]
    fn on_event(&mut self, event: &Event, session: &Session) {
        self.0.on_event(event, session);
        self.1.on_event(event, session);
    }
}

impl<O: Observer> Observer for Arc<O> {
    type Sensor = O::Sensor;

    fn attach(&self, target: &Target) -> Self::Sensor {
        O::attach(self, target)
    }

    fn attach_flow(&self, target: &Target, flow: u16) -> Self::Sensor {
        O::attach_flow(self, target, flow)
    }
}
