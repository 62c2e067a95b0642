//! Which reader is evicted, and which waiter is served next.

use axum::http::HeaderMap;
use tokio::{task::yield_now, time::advance};

use super::*;

const MAX_WAIT: Duration = Duration::from_secs(5);

fn client(last: u8) -> Client {
    Client {
        headers: HeaderMap::new(),
        address: Some([192, 0, 2, last].into()),
        connection: None,
    }
}

async fn permit(responses: &Responses, last: u8) -> Option<ResponsePermit> {
    responses.acquire(&client(last), MAX_WAIT).await
}

/// Whether the reader was notified.
async fn is_evicted(permit: &ResponsePermit) -> bool {
    let evicted = permit.reader().evicted();
    tokio::time::timeout(Duration::ZERO, evicted).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn the_slowest_reader_of_the_client_with_the_most_is_evicted_for_another() {
    let responses = Responses::new(4);
    let mut permits = Vec::new();
    for last in [1, 1, 2, 3] {
        let permit = permit(&responses, last).await.unwrap();
        permit.reader().set_writer_waits(true);
        permit.reader().on_taken(1_000);
        permits.push(permit);
    }
    // The last one is the slowest of all, but its client has one response only.
    let [first, _, _, last] = &permits[..] else {
        unreachable!()
    };
    first.reader().on_taken(64_000);
    assert_eq!(last.reader().bytes_taken.load(Relaxed), 1_000);
    let before = Instant::now();
    let permit = permit(&responses, 4).await.unwrap();
    let waited = before.elapsed();
    assert!(
        waited >= SLOW_AFTER && waited <= SLOW_AFTER + EVICTION_INTERVAL,
        "{waited:?}"
    );
    let mut evicted = Vec::new();
    for permit in &permits {
        evicted.push(is_evicted(permit).await);
    }
    assert_eq!(evicted, [false, true, false, false]);
    // Its permit was granted to another.
    permits.remove(1);
    assert_eq!(lock(&responses.0).readers.len(), 4);
    drop((permit, permits));
    assert_eq!(lock(&responses.0).quotas.held_by(client(1).address), 0);
}

#[tokio::test(start_paused = true)]
async fn a_response_being_rendered_is_not_evicted() {
    let responses = Responses::new(1);
    let first = permit(&responses, 1).await.unwrap();
    let before = Instant::now();
    assert!(permit(&responses, 2).await.is_none());
    assert_eq!(before.elapsed(), MAX_WAIT);
    assert!(!is_evicted(&first).await);
}

#[tokio::test(start_paused = true)]
async fn a_client_waits_for_its_own_readers_unless_they_have_stalled() {
    let responses = Responses::new(4);
    let slow = permit(&responses, 1).await.unwrap();
    let stalled = permit(&responses, 1).await.unwrap();
    for permit in [&slow, &stalled] {
        permit.reader().set_writer_waits(true);
        permit.reader().on_taken(1_000);
    }
    let mut third = Box::pin(permit(&responses, 1));
    for _ in 0..12 {
        tokio::select! {
            biased;
            _ = &mut third => break,
            () = sleep(EVICTION_INTERVAL) => slow.reader().on_taken(1),
        }
    }
    assert!(is_evicted(&stalled).await);
    assert!(!is_evicted(&slow).await);
}

#[tokio::test(start_paused = true)]
async fn the_client_with_the_fewest_responses_is_served_first() {
    let responses = Arc::new(Responses::new(4));
    let mut held = Vec::new();
    for last in [1, 1, 2, 3] {
        held.push(permit(&responses, last).await.unwrap());
    }
    let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
    for last in [1, 4, 5] {
        let (responses, sender) = (Arc::clone(&responses), sender.clone());
        tokio::spawn(async move {
            let permit = permit(&responses, last).await;
            sender.send((last, permit)).unwrap();
        });
        yield_now().await;
    }
    advance(EVICTION_INTERVAL / 2).await;
    // A waiter that is gone gets no permit.
    let gone = tokio::spawn({
        let responses = Arc::clone(&responses);
        async move { permit(&responses, 6).await.is_some() }
    });
    yield_now().await;
    gone.abort();
    gone.await.unwrap_err();
    let mut served = Vec::new();
    while held.pop().is_some() {
        yield_now().await;
        while let Ok(next) = order.try_recv() {
            served.push(next);
        }
    }
    let order: Vec<_> = served.iter().map(|(last, _)| *last).collect();
    assert_eq!(order, [4, 5, 1]);
    assert!(served.iter().all(|(_, permit)| permit.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_served_last_and_evicts_no_slow_reader() {
    let responses = Arc::new(Responses::new(1));
    let slow = permit(&responses, 1).await.unwrap();
    slow.reader().set_writer_waits(true);
    let second = permit(&responses, 2).await.unwrap();
    second.reader().set_writer_waits(true);
    assert!(is_evicted(&slow).await);
    let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
    for last in [1, 3] {
        let (responses, sender) = (Arc::clone(&responses), sender.clone());
        tokio::spawn(async move {
            let permit = permit(&responses, last).await;
            permit.as_ref().unwrap().reader().set_writer_waits(true);
            sender.send((last, Instant::now(), permit)).unwrap();
        });
        yield_now().await;
    }
    let before = Instant::now();
    let (first, at, _third) = order.recv().await.unwrap();
    assert_eq!(first, 3);
    assert!(at - before <= SLOW_AFTER + EVICTION_INTERVAL);
    assert!(is_evicted(&second).await);
    // It gets the permit of a reader that has stalled.
    let (last, then, _) = order.recv().await.unwrap();
    assert_eq!(last, 1);
    assert!(then - at >= STALL_TIMEOUT);
    advance(SLOW_CLIENT_PENALTY).await;
    assert!(!lock(&responses.0).is_penalized(client(1).address, Instant::now()));
}
