//! Which connection is closed for another.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

fn admit(connections: &Connections, client: u8) -> ConnectionGuard {
    let peer = SocketAddr::from(([192, 0, 2, client], 9));
    connections.admit(peer, Instant::now() + Duration::from_secs(60))
}

/// Whether it was notified to close.
async fn is_closed(guard: &ConnectionGuard) -> bool {
    let closed = guard.connection.closed();
    timeout(Duration::ZERO, closed).await.is_ok()
}

/// The indices of the connections that were notified to close.
async fn closed(all: &[ConnectionGuard]) -> Vec<usize> {
    let mut closed = Vec::new();
    for (index, one) in all.iter().enumerate() {
        if is_closed(one).await {
            closed.push(index);
        }
    }
    closed
}

#[tokio::test]
async fn the_oldest_idle_connection_is_evicted() {
    let connections = Connections::new(8);
    let mut all: Vec<_> = (0..4).map(|_| admit(&connections, 1)).collect();
    // The first one is busy, the second one was.
    let _request = all[0].connection.begin_request();
    drop(all[1].connection.begin_request());
    all.push(admit(&connections, 1));
    assert_eq!(closed(&all).await, [2]);
    all.push(admit(&connections, 1));
    assert_eq!(closed(&all).await, [3]);
    all.push(admit(&connections, 1));
    assert_eq!(closed(&all).await, [1]);
    assert_eq!(lock(&connections.0).open.len(), 4);
}

#[tokio::test]
async fn the_slowest_reader_is_evicted_before_waiting_requests() {
    let connections = Connections::new(6);
    let mut all: Vec<_> = (0..3).map(|_| admit(&connections, 1)).collect();
    // What an earlier request wrote does not count.
    all[1].connection.on_written(1_000_000);
    let _requests: Vec<_> = all
        .iter()
        .map(|one| one.connection.begin_request())
        .collect();
    for (index, bytes) in [(1, 1_000), (2, 100_000)] {
        all[index].connection.on_written(bytes);
        all[index].connection.on_blocked();
    }
    all.push(admit(&connections, 1));
    let _request = all[3].connection.begin_request();
    assert_eq!(closed(&all).await, [1]);
    // A reader that has caught up is not slow.
    all[2].connection.on_written(0);
    all.push(admit(&connections, 1));
    assert_eq!(closed(&all).await, [0]);
}

#[tokio::test]
async fn the_client_with_the_most_connections_is_evicted() {
    let connections = Connections::new(8);
    let mut all: Vec<_> = [2, 1, 1, 1, 1, 2, 3, 4]
        .map(|client| admit(&connections, client))
        .into();
    all.push(admit(&connections, 5));
    assert_eq!(closed(&all).await, [1]);
    all.push(admit(&connections, 6));
    assert_eq!(closed(&all).await, [2]);
    // Among clients with the same number, the oldest connection is closed.
    all.push(admit(&connections, 7));
    assert_eq!(closed(&all).await, [0]);
}

#[tokio::test]
async fn a_waiting_connection_is_evicted_if_all_wait() {
    let connections = Connections::new(2);
    let all = [1, 2].map(|client| admit(&connections, client));
    let _requests = [&all[0], &all[1]].map(|one| one.connection.begin_request());
    let another = admit(&connections, 3);
    assert_eq!(closed(&all).await, [0]);
    assert!(!is_closed(&another).await);
}

#[tokio::test]
async fn only_idle_connections_are_closed_for_file_descriptors() {
    let connections = Connections::new(9);
    assert!(!connections.close_idle());
    let all = [1, 2, 2, 2].map(|client| admit(&connections, client));
    let _request = all[1].connection.begin_request();
    assert!(connections.close_idle());
    assert_eq!(closed(&all).await, [2]);
    assert!(connections.close_idle());
    assert!(connections.close_idle());
    assert!(!connections.close_idle());
    assert!(!is_closed(&all[1]).await);
}

#[tokio::test]
async fn an_ended_connection_is_not_counted() {
    let connections = Connections::new(4);
    for _ in 0..10 {
        let all = [1, 1].map(|client| admit(&connections, client));
        assert_eq!(closed(&all).await, [0; 0]);
    }
    let closed = admit(&connections, 1);
    let others = [1, 1].map(|client| admit(&connections, client));
    // It was evicted already, so its end must not release another's place.
    drop(closed);
    assert_eq!(lock(&connections.0).open.len(), 2);
    drop(others);
    assert_eq!(
        lock(&connections.0)
            .quotas
            .held_by(Some([192, 0, 2, 1].into())),
        0
    );
}
