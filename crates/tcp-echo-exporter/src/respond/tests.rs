//! Clients that take their time.

use axum::{body::to_bytes, http::HeaderMap};
use tokio::time::Instant;

use super::*;
use crate::peers::{Peers, Share};

/// Longer than what may wait of it.
const LONG: usize = 4 << 20;

fn of(share: Option<&Share>) -> Client {
    Client {
        headers: HeaderMap::new(),
        share: share.cloned(),
        address: None,
    }
}

async fn long(renderer: &Renderer, client: &Client) -> Response {
    let render = |out: &mut dyn Write| out.write_all(&vec![b'x'; LONG]);
    renderer.render(client, render).await
}

async fn short(renderer: &Renderer, client: &Client) -> Response {
    let render = |out: &mut dyn Write| out.write_all(b"short");
    renderer.render(client, render).await
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends() {
    let renderer = Renderer {
        reading: Duration::from_millis(50),
        ..Renderer::default()
    };
    let stuck = long(&renderer, &of(None)).await;
    let most = u32::try_from(MOST).unwrap();
    let all = renderer.permits.acquire_many(most);
    let all = timeout(Duration::from_secs(10), all).await;
    drop(all.unwrap().unwrap());
    let read = to_bytes(stuck.into_body(), usize::MAX).await;
    // What was made of it must not look whole.
    read.unwrap_err();
}

#[tokio::test]
async fn who_reads_nothing_keeps_another_address_from_nothing() {
    let patience = Duration::from_millis(50);
    let renderer = Renderer {
        patience,
        ..Renderer::default()
    };
    let mut peers = Peers::new(9);
    let (slow, _place) = peers.admit("192.0.2.1".parse().unwrap()).unwrap();
    let (good, _place) = peers.admit("192.0.2.2".parse().unwrap()).unwrap();
    let (slow, good) = (of(Some(&slow)), of(Some(&good)));
    let mut stuck = Vec::new();
    for _ in 0..2 {
        stuck.push(long(&renderer, &slow).await);
    }
    let before = Instant::now();
    let refused = long(&renderer, &slow).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    assert!(before.elapsed() >= patience);
    let answered = short(&renderer, &good).await;
    assert_eq!(answered.status(), StatusCode::OK);
}
