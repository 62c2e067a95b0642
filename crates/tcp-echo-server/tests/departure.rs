//! A server that stops says so to the clients that want to know, and serves them until they close.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of tests fails as a test does"
)]

#[cfg(test)]
mod common;

use std::time::{Duration, Instant};

use common::{Running, is_closed, within, write_until_stuck};
use tcp_echo_server::ServerConfig;
use tcp_echo_wire::{Control, FRAME_LEN, Features, Probe, Seq, UnixNanos};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// As long as the server waits for clients, with room for a busy machine.
const WAITED: std::ops::Range<Duration> = Duration::from_millis(480)..Duration::from_secs(5);

async fn next(stream: &mut TcpStream) -> Probe {
    let mut frame = [0; FRAME_LEN];
    within(stream.read_exact(&mut frame)).await.unwrap();
    Probe::decode(&frame)
}

async fn greet(server: &Running, asked: Features) -> TcpStream {
    let mut stream = server.connect().await;
    let hello = Control::HelloRequest(asked).encode();
    within(stream.write_all(&hello)).await.unwrap();
    let answer = next(&mut stream).await.control();
    assert_eq!(answer, Some(Control::HelloAnswer(asked)));
    stream
}

fn probe(seq: u64) -> Probe {
    let sent = UnixNanos(1_700_000_000_000_000_000);
    let seq = Seq(seq);
    Probe { seq, sent }
}

#[tokio::test]
async fn a_client_is_told_and_served_until_it_closes() {
    let server = Running::start(ServerConfig::default()).await;
    let mut stream = greet(&server, Features::DEPARTURE).await;
    let (address, started) = (server.address, Instant::now());
    let stopping = tokio::spawn(server.stop());
    assert_eq!(next(&mut stream).await.control(), Some(Control::Departure));
    // Probes that were on their way are echoed.
    for seq in 1..=3 {
        let probe = probe(seq);
        within(stream.write_all(&probe.encode())).await.unwrap();
        assert_eq!(next(&mut stream).await, probe);
    }
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!stopping.is_finished() || started.elapsed() > WAITED.start);
    drop(stream);
    within(stopping).await.unwrap();
}

#[tokio::test]
async fn a_client_that_stays_is_closed_after_half_a_second() {
    let server = Running::start(ServerConfig::default()).await;
    let mut stream = greet(&server, Features::DEPARTURE).await;
    let took = server.stop().await;
    assert!(WAITED.contains(&took), "{took:?}");
    assert_eq!(next(&mut stream).await.control(), Some(Control::Departure));
    assert!(is_closed(&mut stream).await);
}

/// Such a connection waits to be served when it is closed.
#[tokio::test]
async fn a_client_may_flood_beside_one_that_is_told() {
    for _ in 0..20 {
        let server = Running::start(ServerConfig::default()).await;
        let mut told = greet(&server, Features::DEPARTURE).await;
        let (mut reader, mut writer) = server.connect().await.into_split();
        let flood =
            tokio::spawn(async move { while writer.write_all(&[0; 4096]).await.is_ok() {} });
        let read =
            tokio::spawn(
                async move { while reader.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {} },
            );
        within(server.until_busy()).await;
        let stopping = tokio::spawn(server.stop());
        assert_eq!(next(&mut told).await.control(), Some(Control::Departure));
        told.write_all(&probe(1).encode()).await.unwrap();
        assert_eq!(next(&mut told).await, probe(1));
        drop(told);
        within(stopping).await.unwrap();
        within(flood).await.unwrap();
        within(read).await.unwrap();
    }
}

#[tokio::test]
async fn others_are_closed_at_once() {
    let server = Running::start(ServerConfig::default()).await;
    let mut told = greet(&server, Features::DEPARTURE).await;
    let mut others = [
        server.connect().await,
        greet(&server, Features::NONE).await,
        // One that does not read has no room for it.
        greet(&server, Features::DEPARTURE).await,
    ];
    write_until_stuck(&mut others[2], &vec![0; 16 << 20]).await;
    let stopping = tokio::spawn(server.stop());
    assert_eq!(next(&mut told).await.control(), Some(Control::Departure));
    for other in &mut others[..2] {
        assert!(is_closed(other).await);
    }
    drop(told);
    let took = within(stopping).await.unwrap();
    assert!(took < WAITED.start, "{took:?}");
}
