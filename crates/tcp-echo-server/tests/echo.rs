//! All bytes come back unchanged, however they are split.

#[cfg(test)]
mod common;

use std::time::Duration;

use common::{Running, echo, is_closed, pattern, until, within, write_until_stuck};
use tcp_echo_server::{Address, Server, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn pieces_of_every_size_come_back_unchanged() {
    let server = Running::start(ServerConfig::default()).await;
    let mut stream = server.connect().await;
    let sizes = [1, 2, 3, 15, 16, 17, 1000, 16_383, 16_384, 16_385, 40_000];
    for size in sizes {
        echo(&mut stream, &pattern(size)).await;
    }
    let total: usize = sizes.iter().sum();
    server.until_echoed(total as u64).await;
    server.stop().await;
}

#[tokio::test]
async fn writes_and_reads_may_cut_the_stream_anywhere() {
    let server = Running::start(ServerConfig::default()).await;
    let (mut reader, mut writer) = server.connect().await.into_split();
    let sent = pattern(300_000);
    let expected = sent.clone();
    let writing = tokio::spawn(async move {
        for (turn, mut rest) in sent.chunks(10_007).enumerate() {
            while !rest.is_empty() {
                let size = rest.len().min(turn * 37 % 211 + 1);
                writer.write_all(&rest[..size]).await.unwrap();
                rest = &rest[size..];
            }
        }
        writer
    });
    let mut received = Vec::new();
    let mut piece = [0; 613];
    within(async {
        while received.len() < expected.len() {
            let read = reader.read(&mut piece).await.unwrap();
            assert_ne!(read, 0);
            received.extend_from_slice(&piece[..read]);
        }
    })
    .await;
    assert!(received == expected);
    writing.await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_half_closed_peer_gets_everything_back_before_the_end() {
    let server = Running::start(ServerConfig::default()).await;
    for size in [0, 1, 16, 2_000_000] {
        let (mut reader, mut writer) = server.connect().await.into_split();
        let sent = pattern(size);
        let writing = tokio::spawn({
            let sent = sent.clone();
            async move {
                writer.write_all(&sent).await.unwrap();
                writer.shutdown().await.unwrap();
                writer
            }
        });
        let mut received = Vec::new();
        within(reader.read_to_end(&mut received)).await.unwrap();
        assert!(received == sent, "{size} bytes");
        writing.await.unwrap();
    }
    until("all are closed", || server.stats.connections() == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_reads_late_gets_every_byte_in_order() {
    let server = Running::start(ServerConfig::default()).await;
    let mut stream = server.connect().await;
    let bytes = pattern(64 << 20);
    let written = write_until_stuck(&mut stream, &bytes).await;
    assert!(server.stats.echoed_bytes() < written as u64);

    // Other connections are served meanwhile.
    echo(&mut server.connect().await, b"meanwhile").await;

    stream.shutdown().await.unwrap();
    let mut received = Vec::new();
    within(stream.read_to_end(&mut received)).await.unwrap();
    assert_eq!(received.len(), written);
    assert!(received == bytes[..written]);
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_resets_is_forgotten() {
    let server = Running::start(ServerConfig::default()).await;
    let mut stream = server.connect().await;
    echo(&mut stream, b"here").await;
    stream.set_zero_linger().unwrap();
    drop(stream);
    until("it is closed", || server.stats.connections() == 0).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_connections_are_served_at_once() {
    let server = Running::start(ServerConfig::default()).await;
    let mut peers = tokio::task::JoinSet::new();
    for peer in 0..32_usize {
        let mut stream = server.connect().await;
        peers.spawn(async move {
            for turn in 0..50 {
                echo(&mut stream, &pattern(peer * 500 + turn + 1)).await;
            }
        });
    }
    while let Some(peer) = within(peers.join_next()).await {
        peer.unwrap();
    }
    assert_eq!(server.stats.accepted(), 32);
    let expected: usize = (0..32)
        .flat_map(|p| (0..50).map(move |t| p * 500 + t + 1))
        .sum();
    server.until_echoed(expected as u64).await;
    server.stop().await;
}

#[tokio::test]
async fn every_address_means_both_families() {
    let server = Server::bind(&Address::of_port(0), ServerConfig::default())
        .await
        .unwrap();
    let port = server.local_addr().port();
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let stats = server.stats();
    let running = tokio::spawn(server.run(std::future::pending()));
    let mut v4 = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    echo(&mut v4, b"four").await;
    let mut v6 = None;
    if has_ipv6 {
        let stream = v6.insert(TcpStream::connect(("::1", port)).await.unwrap());
        echo(stream, b"six").await;
    }
    assert_eq!(stats.connections(), 1 + u64::from(has_ipv6));

    // Dropping the future of `run` closes everything too.
    running.abort();
    assert!(is_closed(&mut v4).await);
    assert_eq!(stats.connections(), 0);
}

#[tokio::test]
async fn a_handle_waits_for_the_end_whatever_its_cause() {
    let bind = || async {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(&address, ServerConfig::default()).await;
        server.unwrap()
    };
    let server = bind().await;
    let handle = server.handle();
    drop(server);
    within(handle.closed()).await;

    let server = bind().await;
    let (address, handle) = (server.local_addr(), server.handle());
    let running = tokio::spawn(server.run(std::future::pending()));
    echo(&mut TcpStream::connect(address).await.unwrap(), b"up").await;
    let early = tokio::time::timeout(Duration::from_millis(50), handle.closed()).await;
    assert!(early.is_err(), "it still runs");
    running.abort();
    within(handle.closed()).await;
    std::net::TcpListener::bind(address).unwrap();

    let server = bind().await;
    let handle = server.handle();
    let running = tokio::spawn(server.run(std::future::pending()));
    within(handle.close()).await;
    within(running).await.unwrap().unwrap();
}
