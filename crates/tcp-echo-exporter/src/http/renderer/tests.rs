//! Clients that read slowly.

use axum::{body::to_bytes, http::HeaderMap};
use tokio::time::timeout;

use super::*;

/// Longer than what the queue and socket buffers hold.
const LONG: usize = 4 << 20;

/// Far longer than a busy test machine delays a timer.
const TIMEOUT: Duration = Duration::from_secs(10);

fn client(last: u8) -> Client {
    Client {
        headers: HeaderMap::new(),
        address: Some([192, 0, 2, last].into()),
        connection: None,
    }
}

async fn answer(renderer: &Renderer, client: &Client, len: usize) -> Response {
    let render = move |out: &mut dyn Write| out.write_all(&vec![b'x'; len]);
    renderer.render(client, render).await
}

#[tokio::test]
async fn an_unread_response_times_out() {
    let renderer = Renderer {
        responses: Responses::new(1),
        read_timeout: Duration::from_millis(50),
        ..Renderer::default()
    };
    let stuck = answer(&renderer, &client(1), LONG).await;
    // The body is incomplete by then, so it must end in an error.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let read = to_bytes(stuck.into_body(), usize::MAX).await;
    read.unwrap_err();
    let answered = timeout(TIMEOUT, answer(&renderer, &client(1), 5)).await;
    assert_eq!(answered.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_response_holds_its_permit_until_it_is_read() {
    let renderer = Renderer {
        responses: Responses::new(1),
        permit_timeout: Duration::ZERO,
        ..Renderer::default()
    };
    // All of it fits into the queue, so its writer is done.
    let unread = answer(&renderer, &client(1), 200_000).await;
    let refused = answer(&renderer, &client(2), 5).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    to_bytes(unread.into_body(), usize::MAX).await.unwrap();
    // Its writer's thread may take a moment to end.
    let answered = async {
        while answer(&renderer, &client(2), 5).await.status() != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, answered).await.unwrap();
}

#[tokio::test]
async fn a_client_that_reads_nothing_does_not_block_another() {
    let renderer = Renderer {
        permit_timeout: Duration::from_millis(50),
        ..Renderer::default()
    };
    let mut stuck = Vec::new();
    for _ in 0..2 {
        stuck.push(answer(&renderer, &client(1), LONG).await);
    }
    let refused = answer(&renderer, &client(1), LONG).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let answered = answer(&renderer, &client(2), 5).await;
    assert_eq!(answered.status(), StatusCode::OK);
}

#[tokio::test]
async fn clients_that_read_nothing_are_evicted_when_they_hold_all_permits() {
    let renderer = Renderer::default();
    let mut stuck = Vec::new();
    for last in [1, 1, 2, 3] {
        stuck.push(answer(&renderer, &client(last), LONG).await);
    }
    for last in 4..20 {
        let client = client(last);
        let answered = timeout(Duration::from_secs(2), answer(&renderer, &client, 5));
        assert_eq!(answered.await.unwrap().status(), StatusCode::OK);
    }
    // One eviction was enough; the others are read in the end.
    let mut whole = 0;
    for stuck in stuck {
        let read = to_bytes(stuck.into_body(), usize::MAX).await;
        whole += usize::from(read.is_ok());
    }
    assert_eq!(whole, 3);
}
