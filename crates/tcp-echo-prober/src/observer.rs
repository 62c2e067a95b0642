//! Who listens to what happens to the targets.

use std::sync::Arc;

use tcp_echo_session::{Event, Session};

use crate::Target;

/// Listens to a prober: it is asked once per target for a [`Sensor`].
///
/// `()` listens to nothing, and a pair of observers is an observer, so that
/// metrics, a report and a log listen side by side.
pub trait Observer: Send + Sync + 'static {
    /// What listens to one target.
    type Sensor: Sensor;

    /// A target is about to be probed. Its sensor is dropped when the target goes
    /// away; where another of its name follows, before that is attached.
    fn attach(&self, target: &Target) -> Self::Sensor;
}

/// Listens to one target.
pub trait Sensor: Send + 'static {
    /// Something happened; `session` is the target's session right after it.
    ///
    /// It is called on the thread that probes, between two probes: it should take
    /// nanoseconds, and never wait. A panic ends the prober; [`Handle::closed`](crate::Handle::closed)
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
}
