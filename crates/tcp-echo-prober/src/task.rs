//! The future of one target's task.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::sync::oneshot;

use crate::{
    Observer, Target,
    driver::Driver,
    timer::Sleeper,
    worker::{Shared, slot_from},
};

/// Attaches the sensor of a target, drives the target until it is stopped, and returns its name.
///
/// Both happen in the task, so that a panic of the sensor is that of the task. Written by hand, since
/// an `async` block would keep room for what it begins with beside the driver.
#[expect(clippy::large_enum_variant, reason = "it is running but for a moment")]
pub(crate) enum Task<O: Observer> {
    Starting(Option<Start<O>>),
    Running(Driver<O::Sensor>),
    Ended,
}

/// What a task begins with.
pub(crate) struct Start<O> {
    pub(crate) shared: Arc<Shared<O>>,
    pub(crate) target: Target,
    /// The number of the flow.
    pub(crate) flow: u16,
    pub(crate) sleeper: Sleeper,
    /// The first slot of the target's grid.
    pub(crate) first: Instant,
    pub(crate) stop: oneshot::Receiver<()>,
}

impl<O: Observer> Start<O> {
    fn driver(self) -> Driver<O::Sensor> {
        let Self {
            shared,
            target,
            flow,
            sleeper,
            first,
            stop,
        } = self;
        let sensor = shared.observer.attach_flow(&target, flow);
        let origin = slot_from(first, target.session().interval(), Instant::now());
        Driver::new(
            target,
            flow,
            sensor,
            shared.dialer.clone(),
            sleeper,
            origin,
            stop,
        )
    }
}

/// Nothing in it is pinned.
impl<O: Observer> Unpin for Task<O> {}

impl<O: Observer> Future for Task<O> {
    type Output = Arc<str>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Arc<str>> {
        let task = self.get_mut();
        loop {
            match task {
                Self::Starting(start) => {
                    *task = start
                        .take()
                        .map_or(Self::Ended, |start| Self::Running(start.driver()));
                }
                Self::Running(driver) => {
                    ready!(Pin::new(&mut *driver).poll(cx));
                    let name = driver.target().name().clone();
                    // The sensor is dropped before the worker knows of the end.
                    *task = Self::Ended;
                    return Poll::Ready(name);
                }
                Self::Ended => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each target has one of these for as long as it is probed.
    #[test]
    fn a_task_is_small() {
        let bytes = size_of::<Task<()>>();
        assert!(bytes <= 808, "{bytes}");
    }
}
