//! Limits, shutdown, and failures to start.

#[cfg(test)]
mod common;

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use common::{LIMIT, Running, echo, is_closed, pattern, until, within, write_until_stuck};
use tcp_echo_net::listen;
use tcp_echo_server::{Address, CloseReason, RejectReason, Server, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn limits(total: usize, per_ip: usize) -> ServerConfig {
    let mut config = ServerConfig::default();
    config.max_connections = NonZeroUsize::new(total);
    config.max_connections_per_ip = NonZeroUsize::new(per_ip);
    config
}

fn idle(timeout: Duration) -> ServerConfig {
    let mut config = ServerConfig::default();
    config.idle_timeout = Some(timeout);
    config
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_counted() {
    let server = Running::start(limits(2, 0)).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    echo(&mut first, b"one").await;
    echo(&mut second, b"two").await;
    for _ in 0..3 {
        assert!(is_closed(&mut server.connect().await).await);
    }
    assert_eq!(server.stats.connections(), 2);
    assert_eq!(server.stats.accepted(), 2);
    assert_eq!(server.stats.rejected(RejectReason::MaxConnections), 3);
    assert_eq!(server.stats.rejected(RejectReason::MaxConnectionsPerIp), 0);

    drop(first);
    until("there is room", || server.stats.connections() == 1).await;
    echo(&mut server.connect().await, b"three").await;
    echo(&mut second, b"two").await;
    assert_eq!(server.stats.accepted(), 3);
    assert_eq!(server.stats.accept_errors(), 0);
    server.stop().await;
}

// Elsewhere 127.0.0.2 is no address of the host.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_address_cannot_take_the_place_of_others() {
    let server = Running::start(limits(3, 1)).await;
    let mut first = server.connect().await;
    echo(&mut first, b"one").await;
    assert!(is_closed(&mut server.connect().await).await);

    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(server.address).await.unwrap();
    echo(&mut other, b"two").await;
    assert_eq!(server.stats.rejected(RejectReason::MaxConnections), 0);
    assert_eq!(server.stats.rejected(RejectReason::MaxConnectionsPerIp), 1);
    assert_eq!(server.stats.connections(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_silent_connection_ends_at_the_idle_timeout_and_a_busy_one_does_not() {
    let timeout = Duration::from_secs(1);
    let server = Running::start(idle(timeout)).await;
    let start = Instant::now();
    let mut silent = server.connect().await;
    let mut once = server.connect().await;
    let mut busy = server.connect().await;
    let (silent, once, ()) = tokio::join!(
        async {
            assert!(is_closed(&mut silent).await);
            start.elapsed()
        },
        async {
            tokio::time::sleep(timeout / 2).await;
            let echoed = Instant::now();
            echo(&mut once, b"once").await;
            assert!(is_closed(&mut once).await);
            echoed.elapsed()
        },
        async {
            while start.elapsed() < timeout * 2 {
                echo(&mut busy, b"busy").await;
            }
        }
    );
    assert!(silent >= timeout && silent < LIMIT, "{silent:?}");
    assert!(once >= timeout && once < LIMIT, "{once:?}");
    echo(&mut busy, b"busy").await;
    assert_eq!(server.stats.connections(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_never_reads_ends_at_the_idle_timeout_too() {
    let bytes = pattern(64 << 20);
    let server = Running::start(idle(Duration::from_secs(2))).await;
    let mut stream = server.connect().await;
    write_until_stuck(&mut stream, &bytes).await;
    until("it is closed", || server.stats.connections() == 0).await;
    assert_eq!(server.stats.accepted(), 1);
    assert_eq!(server.stats.closed(CloseReason::Idle), 1);
    assert_eq!(server.stats.closed(CloseReason::SlowReader), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_reads_a_byte_now_and_then_ends_at_the_slow_reader_timeout() {
    let mut config = ServerConfig::default();
    config.slow_reader_timeout = Some(Duration::from_secs(1));
    let server = Running::start(config).await;
    let mut reader = server.connect().await;
    let mut slow = server.connect().await;
    write_until_stuck(&mut slow, &pattern(64 << 20)).await;
    let mut byte = [0];
    let start = Instant::now();
    // The peer can still read, after the reset, the bytes that its own host has received.
    while server.stats.closed(CloseReason::SlowReader) == 0 {
        assert!(start.elapsed() < LIMIT, "it is not closed");
        within(slow.read_exact(&mut byte)).await.unwrap();
        echo(&mut reader, b"reads").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until("it is forgotten", || server.stats.connections() == 1).await;
    assert_eq!(server.stats.closed(CloseReason::SlowReader), 1);
    assert_eq!(server.stats.closed(CloseReason::Idle), 0);
    echo(&mut reader, b"reads").await;
    server.stop().await;
}

// Elsewhere 127.0.0.2 is no address of the host.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_is_not_allowed_is_closed_before_a_byte_is_echoed() {
    let mut config = ServerConfig::default();
    config.allow = Some("127.0.0.2,10.0.0.0/8".parse().unwrap());
    let server = Running::start(config).await;
    let mut denied = server.connect().await;
    // It may be closed before this.
    let _ = denied.write_all(b"let me in").await;
    assert!(is_closed(&mut denied).await);

    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut allowed = socket.connect(server.address).await.unwrap();
    echo(&mut allowed, b"hello").await;
    assert_eq!(server.stats.rejected(RejectReason::NotAllowed), 1);
    assert_eq!(server.stats.accepted(), 1);
    server.until_echoed(5).await;
    server.stop().await;
}

#[tokio::test]
async fn a_timeout_of_zero_is_none() {
    let server = Running::start(idle(Duration::ZERO)).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        echo(&mut stream, b"still here").await;
    }
    server.stop().await;
}

#[cfg(test)]
async fn shutdown_ends_everything() {
    let server = Running::start(ServerConfig::default()).await;
    let address = server.address;
    let stats = server.stats.clone();
    let mut silent = Vec::new();
    for _ in 0..50 {
        let mut stream = server.connect().await;
        echo(&mut stream, b"hello").await;
        silent.push(stream);
    }
    let mut stuck = server.connect().await;
    write_until_stuck(&mut stuck, &pattern(64 << 20)).await;
    let (mut reader, mut writer) = server.connect().await.into_split();
    let flood = tokio::spawn(async move { while writer.write_all(&[1; 16_000]).await.is_ok() {} });
    let drain = tokio::spawn(async move {
        let mut buffer = [0; 16_000];
        while reader.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    });
    until("the flood flows", || stats.echoed_bytes() > 10 << 20).await;

    let took = server.stop().await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(stats.connections(), 0);
    assert_eq!(stats.accepted(), 52);
    for stream in &mut silent {
        assert!(is_closed(stream).await);
    }
    flood.await.unwrap();
    drain.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn shutdown_ends_everything_on_one_thread() {
    shutdown_ends_everything().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_ends_everything_on_several_threads() {
    shutdown_ends_everything().await;
}

#[tokio::test]
async fn a_failure_to_bind_names_the_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = taken.local_addr().unwrap().to_string();
    for (text, kind) in [
        (in_use.as_str(), Some(std::io::ErrorKind::AddrInUse)),
        // For documentation: no host has it.
        ("192.0.2.1:0", Some(std::io::ErrorKind::AddrNotAvailable)),
        ("name.invalid:0", None),
    ] {
        let address: Address = text.parse().unwrap();
        let error = Server::bind(&address, ServerConfig::default())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        let cause = error.source().unwrap().downcast_ref::<std::io::Error>();
        if let Some(kind) = kind {
            assert_eq!(cause.unwrap().kind(), kind);
        }
    }
}

#[tokio::test]
async fn a_port_taken_in_one_family_is_an_error_for_both() {
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = listen(&Address::of_port(port)).await.unwrap_err();
    assert!(error.to_string().contains(&format!(":{port}")), "{error}");
}
