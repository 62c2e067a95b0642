//! Which reader is dropped, and who comes next.

use axum::http::HeaderMap;
use tokio::{task::yield_now, time::advance};

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

fn client(last: u8) -> Client {
    Client {
        headers: HeaderMap::new(),
        address: Some([192, 0, 2, last].into()),
        connection: None,
    }
}

async fn place(answers: &Answers, last: u8) -> Option<Place> {
    answers.place(&client(last), PATIENCE).await
}

/// Whether the reader was told.
async fn is_dropped(place: &Place) -> bool {
    let dropped = place.reader().dropped();
    tokio::time::timeout(Duration::ZERO, dropped).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn the_slowest_reader_of_those_with_the_most_is_dropped_for_another_client() {
    let answers = Answers::new(4);
    let mut places = Vec::new();
    for last in [1, 1, 2, 3] {
        let place = place(&answers, last).await.unwrap();
        place.reader().set_awaited(true);
        place.reader().on_taken(1_000);
        places.push(place);
    }
    // It has taken the least of all, but is not one of two.
    let [first, _, _, last] = &places[..] else {
        unreachable!()
    };
    first.reader().on_taken(64_000);
    assert_eq!(last.reader().taken.load(Relaxed), 1_000);
    let before = Instant::now();
    let place = place(&answers, 4).await.unwrap();
    let waited = before.elapsed();
    assert!(
        waited >= SLOW_AFTER && waited <= SLOW_AFTER + CHECK,
        "{waited:?}"
    );
    let mut dropped = Vec::new();
    for place in &places {
        dropped.push(is_dropped(place).await);
    }
    assert_eq!(dropped, [false, true, false, false]);
    // Its place is another's now.
    places.remove(1);
    assert_eq!(lock(&answers.0).readers.len(), 4);
    drop((place, places));
    assert_eq!(lock(&answers.0).quota.of(client(1).address), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_being_made_is_not_dropped() {
    let answers = Answers::new(1);
    let first = place(&answers, 1).await.unwrap();
    let before = Instant::now();
    assert!(place(&answers, 2).await.is_none());
    assert_eq!(before.elapsed(), PATIENCE);
    assert!(!is_dropped(&first).await);
}

#[tokio::test(start_paused = true)]
async fn a_client_waits_for_its_own_readers_unless_they_have_stalled() {
    let answers = Answers::new(4);
    let slow = place(&answers, 1).await.unwrap();
    let stalled = place(&answers, 1).await.unwrap();
    for place in [&slow, &stalled] {
        place.reader().set_awaited(true);
        place.reader().on_taken(1_000);
    }
    let mut third = Box::pin(place(&answers, 1));
    for _ in 0..12 {
        tokio::select! {
            biased;
            _ = &mut third => break,
            () = sleep(CHECK) => slow.reader().on_taken(1),
        }
    }
    assert!(is_dropped(&stalled).await);
    assert!(!is_dropped(&slow).await);
}

#[tokio::test(start_paused = true)]
async fn the_client_with_the_fewest_answers_comes_first() {
    let answers = Arc::new(Answers::new(4));
    let mut held = Vec::new();
    for last in [1, 1, 2, 3] {
        held.push(place(&answers, last).await.unwrap());
    }
    let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
    for last in [1, 4, 5] {
        let (answers, told) = (Arc::clone(&answers), told.clone());
        tokio::spawn(async move {
            let place = place(&answers, last).await;
            told.send((last, place)).unwrap();
        });
        yield_now().await;
    }
    advance(CHECK / 2).await;
    // What nobody waits for any longer is not given.
    let gone = tokio::spawn({
        let answers = Arc::clone(&answers);
        async move { place(&answers, 6).await.is_some() }
    });
    yield_now().await;
    gone.abort();
    gone.await.unwrap_err();
    let mut came = Vec::new();
    while held.pop().is_some() {
        yield_now().await;
        while let Ok(next) = order.try_recv() {
            came.push(next);
        }
    }
    let order: Vec<_> = came.iter().map(|(last, _)| *last).collect();
    assert_eq!(order, [4, 5, 1]);
    assert!(came.iter().all(|(_, place)| place.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_comes_last_and_has_nobody_dropped() {
    let answers = Arc::new(Answers::new(1));
    let slow = place(&answers, 1).await.unwrap();
    slow.reader().set_awaited(true);
    let second = place(&answers, 2).await.unwrap();
    second.reader().set_awaited(true);
    assert!(is_dropped(&slow).await);
    let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
    for last in [1, 3] {
        let (answers, told) = (Arc::clone(&answers), told.clone());
        tokio::spawn(async move {
            let place = place(&answers, last).await;
            place.as_ref().unwrap().reader().set_awaited(true);
            told.send((last, Instant::now(), place)).unwrap();
        });
        yield_now().await;
    }
    let before = Instant::now();
    let (first, at, _third) = order.recv().await.unwrap();
    assert_eq!(first, 3);
    assert!(at - before <= SLOW_AFTER + CHECK);
    assert!(is_dropped(&second).await);
    // It gets the place of a reader that has stalled.
    let (last, then, _) = order.recv().await.unwrap();
    assert_eq!(last, 1);
    assert!(then - at >= STALLED_AFTER);
    advance(LAST_FOR).await;
    assert!(!lock(&answers.0).is_last(client(1).address, Instant::now()));
}
