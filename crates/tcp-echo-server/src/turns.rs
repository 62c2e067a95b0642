//! Turns, for those who have much to echo.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A queue for connections with much to echo, which calls one of them after the other.
///
/// A runtime polls what is ready in the order in which it became so. A probe would come after all
/// those who flood, however many they are, and wait for a read and a write of each. So they
/// wait here instead, and between two of them the runtime looks for new bytes and serves whoever
/// has few of them, at once.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waker>,
    /// How many were called since the start, which is the number of the next ticket to be called.
    called: u64,
    /// Who calls, while nobody waits.
    caller: Option<Waker>,
}

/// A place in the queue.
#[derive(Debug)]
pub(crate) struct Ticket(u64);

impl Turns {
    /// Takes a place at the end. Whoever holds the waker is woken when called.
    pub(crate) fn queue(&self, waker: &Waker) -> Ticket {
        let mut queue = self.lock();
        let ticket = Ticket(queue.called + queue.waiting.len() as u64);
        queue.waiting.push_back(waker.clone());
        if let Some(caller) = queue.caller.take() {
            caller.wake();
        }
        ticket
    }

    /// Whether the one with this ticket was called.
    pub(crate) fn is_called(&self, ticket: &Ticket) -> bool {
        ticket.0 < self.lock().called
    }

    /// Calls one after the other, for ever.
    pub(crate) async fn run(&self) {
        loop {
            poll_fn(|cx| {
                let mut queue = self.lock();
                let Some(next) = queue.waiting.pop_front() else {
                    queue.caller = Some(cx.waker().clone());
                    return Poll::Pending;
                };
                queue.called += 1;
                drop(queue);
                next.wake();
                Poll::Ready(())
            })
            .await;
            // The runtime looks for events before it goes on here: those served at once come first.
            tokio::task::yield_now().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing that holds the lock can leave the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Wake, Waker};

    use super::Turns;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn they_are_called_one_by_one_in_their_order() {
        let turns = Turns::default();
        let woken = [(); 2].map(|()| Arc::<Woken>::default());
        let count = |n: usize| woken[n].0.load(Ordering::Relaxed);
        let tickets = [0, 1].map(|n| turns.queue(&Waker::from(Arc::clone(&woken[n]))));
        assert!(!turns.is_called(&tickets[0]));

        let mut running = pin!(turns.run());
        let mut once = || {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(running.as_mut().poll(&mut cx).is_pending());
        };
        once();
        assert!(turns.is_called(&tickets[0]) && !turns.is_called(&tickets[1]));
        assert_eq!((count(0), count(1)), (1, 0));
        once();
        assert!(turns.is_called(&tickets[1]));
        assert_eq!((count(0), count(1)), (1, 1));
        // Whoever comes when nobody waits is called too.
        once();
        let again = turns.queue(&Waker::from(Arc::clone(&woken[0])));
        assert!(!turns.is_called(&again));
        once();
        assert!(turns.is_called(&again));
        assert_eq!((count(0), count(1)), (2, 1));
    }
}
