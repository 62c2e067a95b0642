//! A fair queue for the processor, round robin over clients.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tcp_echo_net::client_network;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The number of permits. Each holder occupies a processor, and probes need processors, too.
const PERMITS: usize = 1;

/// How many requests of one client may wait: enough for the concurrent requests of a few browsers
/// behind one address.
const WAITING_PER_CLIENT: usize = 16;

/// How many requests of all clients may wait.
const WAITING: usize = 256;

/// Hands out permits to one client after the other, however many requests of each wait. A client
/// is an IPv4 address, or the /64 of an IPv6 one.
#[derive(Debug)]
pub(crate) struct ClientQueue {
    permits: Arc<Semaphore>,
    waiting: Semaphore,
    /// Clients that wait for a permit or hold one.
    clients: Mutex<HashMap<Option<IpAddr>, Arc<Client>>>,
}

#[derive(Debug)]
struct Client {
    waiting: Semaphore,
    /// Held by the one request of the client that is in the queue for all clients, or has left
    /// it with a permit. Both semaphores are fair.
    front: Arc<Semaphore>,
}

/// The permission to occupy a processor.
#[derive(Debug)]
pub(crate) struct Permit {
    _all: OwnedSemaphorePermit,
    _front: OwnedSemaphorePermit,
    /// Keeps the client in the map.
    _client: Arc<Client>,
}

impl Default for ClientQueue {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(PERMITS)),
            waiting: Semaphore::new(WAITING),
            clients: Mutex::default(),
        }
    }
}

impl ClientQueue {
    /// Waits for a permit; `None` if too many requests wait already, of the client or in total.
    pub(crate) async fn acquire(&self, ip: Option<IpAddr>) -> Option<Permit> {
        let client = self.client(ip.map(client_network));
        let _waiting_of_client = client.waiting.try_acquire().ok()?;
        let _waiting = self.waiting.try_acquire().ok()?;
        let front = Arc::clone(&client.front).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        Some(Permit {
            _all: all,
            _front: front,
            _client: Arc::clone(&client),
        })
    }

    fn client(&self, network: Option<IpAddr>) -> Arc<Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|_, client| Arc::strong_count(client) > 1);
        let client = clients.entry(network).or_insert_with(|| {
            Arc::new(Client {
                waiting: Semaphore::new(WAITING_PER_CLIENT),
                front: Arc::new(Semaphore::new(1)),
            })
        });
        Arc::clone(client)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as it is passed on")]
    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn permit<F: Future<Output = Option<Permit>>>(future: Pin<&mut F>) -> Permit {
        match poll(future) {
            Poll::Ready(Some(permit)) => permit,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn clients_take_turns_however_many_requests_each_has() {
        let queue = ClientQueue::default();
        let first = permit(pin!(queue.acquire(ip("192.0.2.1"))));
        let mut second = pin!(queue.acquire(ip("::ffff:192.0.2.1")));
        let mut third = pin!(queue.acquire(ip("192.0.2.1")));
        let mut other = pin!(queue.acquire(ip("2001:db8::1")));
        let mut others_second = pin!(queue.acquire(ip("2001:db8::2")));
        let mut unknown = pin!(queue.acquire(None));
        assert!(poll(second.as_mut()).is_pending());
        assert!(poll(third.as_mut()).is_pending());
        assert!(poll(other.as_mut()).is_pending());
        assert!(poll(others_second.as_mut()).is_pending());
        assert!(poll(unknown.as_mut()).is_pending());
        // The first client's next request joins the queue for all behind the others.
        drop(first);
        assert!(poll(second.as_mut()).is_pending());
        drop(permit(other.as_mut()));
        assert!(poll(others_second.as_mut()).is_pending());
        drop(permit(unknown.as_mut()));
        drop(permit(second.as_mut()));
        assert!(poll(third.as_mut()).is_pending());
        drop(permit(others_second.as_mut()));
        drop(permit(third.as_mut()));
    }

    #[test]
    fn the_waiting_requests_of_a_client_are_limited() {
        let queue = ClientQueue::default();
        let held = permit(pin!(queue.acquire(ip("192.0.2.1"))));
        let mut waiting: Vec<_> = (0..WAITING_PER_CLIENT)
            .map(|_| Box::pin(queue.acquire(ip("192.0.2.1"))))
            .collect();
        for one in &mut waiting {
            assert!(poll(one.as_mut()).is_pending());
        }
        let refused = poll(pin!(queue.acquire(ip("192.0.2.1"))));
        assert!(matches!(refused, Poll::Ready(None)));
        let mut other = pin!(queue.acquire(ip("192.0.2.2")));
        assert!(poll(other.as_mut()).is_pending());
        // A request that is cancelled makes room.
        waiting.pop();
        let mut again = pin!(queue.acquire(ip("192.0.2.1")));
        assert!(poll(again.as_mut()).is_pending());
        drop(held);
        drop(permit(other.as_mut()));
    }

    #[test]
    fn the_waiting_requests_of_all_clients_are_limited() {
        let queue = ClientQueue::default();
        let _held = permit(pin!(queue.acquire(None)));
        let address = |n: usize| ip(&format!("2001:db8:0:{n:x}::1"));
        let mut waiting: Vec<_> = (0..WAITING)
            .map(|n| Box::pin(queue.acquire(address(n))))
            .collect();
        for one in &mut waiting {
            assert!(poll(one.as_mut()).is_pending());
        }
        let refused = poll(pin!(queue.acquire(ip("192.0.2.1"))));
        assert!(matches!(refused, Poll::Ready(None)));
    }

    #[test]
    fn clients_that_want_nothing_are_forgotten() {
        let queue = ClientQueue::default();
        for n in 0..100 {
            let address = ip(&format!("192.0.2.{n}"));
            drop(permit(pin!(queue.acquire(address))));
        }
        assert_eq!(queue.clients.lock().unwrap().len(), 1);
    }
}
