//! Fair order of service: round robin over clients, not over connections.

use std::collections::VecDeque;

use crate::limiter::ClientId;

/// Connections that wait to be served: round robin over their clients, and first come, first
/// served among those of one client.
///
/// So a client with a thousand connections delays another client by one service per round, like a
/// client with a single connection.
#[derive(Debug, Default)]
pub(crate) struct FairQueue {
    /// Clients with a waiting connection, each once, in the order of service.
    round: VecDeque<ClientId>,
    /// The waiting connections of each client.
    waiting: Vec<VecDeque<usize>>,
    len: usize,
}

impl FairQueue {
    /// Appends a connection, which must not wait here already.
    pub(crate) fn push(&mut self, client: ClientId, connection: usize) {
        let index = client.index();
        if index >= self.waiting.len() {
            self.waiting.resize_with(index + 1, VecDeque::new);
        }
        if self.waiting[index].is_empty() {
            self.round.push_back(client);
        }
        self.waiting[index].push_back(connection);
        self.len += 1;
    }

    /// Removes the next connection to serve.
    pub(crate) fn pop(&mut self) -> Option<usize> {
        let client = self.round.pop_front()?;
        let waiting = &mut self.waiting[client.index()];
        let connection = waiting.pop_front()?;
        self.len -= 1;
        if !waiting.is_empty() {
            self.round.push_back(client);
        }
        Some(connection)
    }

    /// The number of waiting connections.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Frees the memory of a client without connections.
    pub(crate) fn forget(&mut self, client: ClientId) {
        if let Some(waiting) = self.waiting.get_mut(client.index()) {
            *waiting = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FairQueue;
    use crate::limiter::ClientId;

    fn all(queue: &mut FairQueue) -> Vec<usize> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn many_connections_of_one_client_do_not_precede_one_of_another() {
        let [crowd, good, third] = [0, 1, 2].map(ClientId::new);
        let mut queue = FairQueue::default();
        for connection in 0..5 {
            queue.push(crowd, connection);
        }
        queue.push(good, 10);
        queue.push(third, 20);
        queue.push(good, 11);
        assert_eq!(queue.len(), 8);
        assert_eq!(all(&mut queue), [0, 10, 20, 1, 11, 2, 3, 4]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_client_that_comes_back_is_behind_those_who_wait() {
        let [crowd, good] = [0, 1].map(ClientId::new);
        let mut queue = FairQueue::default();
        queue.push(crowd, 0);
        queue.push(crowd, 1);
        queue.push(good, 10);
        assert_eq!(queue.pop(), Some(0));
        assert_eq!(queue.pop(), Some(10));
        queue.push(good, 10);
        assert_eq!(all(&mut queue), [1, 10]);
    }

    #[test]
    fn nothing_is_kept_for_a_client_that_is_gone() {
        let client = ClientId::new(7);
        let mut queue = FairQueue::default();
        queue.push(client, 1);
        assert_eq!(queue.pop(), Some(1));
        queue.forget(client);
        queue.forget(ClientId::new(100));
        assert_eq!(queue.waiting[7].capacity(), 0);
        assert_eq!(queue.pop(), None);
    }
}
