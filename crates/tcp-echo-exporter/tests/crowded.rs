//! Clients that exhaust the limits, and one that still gets its scrape.
//!
//! Other systems usually have only one loopback address.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::{net::SocketAddr, time::Duration};

use common::{BUILD, get, request_on, serve, target};
use tcp_echo_exporter::{Endpoints, TargetMetrics};
use tcp_echo_prober::Observer as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};

/// The maximum duration of a scrape. Without optimization, three thousand targets take half a
/// second alone.
const TIMEOUT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 3 } else { 1 });

/// How often it is repeated.
const TRIES: usize = 5;

async fn connect(address: SocketAddr, last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

/// A connection that sends a request and reads nothing.
async fn slow_reader(address: SocketAddr, last: u8, path: &str) -> TcpStream {
    let mut client = connect(address, last).await;
    let question = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.write_all(question.as_bytes()).await.unwrap();
    client
}

/// Scrapes all series of `targets` targets from the address 127.0.0.`last`.
async fn scrape(address: SocketAddr, last: u8, targets: usize) {
    let before = Instant::now();
    let scrape = async {
        let client = connect(address, last).await;
        request_on(client, "GET", "/metrics", &[]).await
    };
    let answer = timeout(TIMEOUT, scrape).await.unwrap();
    let took = before.elapsed();
    assert_eq!(answer.status, 200);
    let text = match answer.header("transfer-encoding") {
        Some(_) => String::from_utf8(of_chunks(&answer.body)).unwrap(),
        None => answer.text().to_owned(),
    };
    let sent = "tcp_echo_sent_total{";
    let lines = text.lines().filter(|line| line.starts_with(sent));
    assert_eq!(lines.count(), targets, "after {took:?}");
}

/// Decodes a chunked body, which must be complete.
fn of_chunks(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let len = std::str::from_utf8(&body[..end]).unwrap();
        let len = usize::from_str_radix(len, 16).unwrap();
        let chunk = &body[end + 2..];
        if len == 0 {
            assert_eq!(chunk, b"\r\n");
            return whole;
        }
        whole.extend_from_slice(&chunk[..len]);
        body = &chunk[len + 2..];
    }
}

/// Creates endpoints with `targets` targets.
fn endpoints(targets: usize) -> (Endpoints, Vec<impl Sized>) {
    let metrics = TargetMetrics::new();
    let sensors = (0..targets).map(|n| {
        let [.., high, low] = n.to_be_bytes();
        metrics.attach(&target(&format!("10.1.{high}.{low}:4000")))
    });
    let sensors = sensors.collect();
    (Endpoints::new(BUILD).with_targets(metrics), sensors)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_of_four_addresses_block_nobody() {
    let (endpoints, _sensors) = endpoints(10);
    let (address, _tasks) = serve(endpoints).await;
    let mut idle = Vec::new();
    for _ in 0..64 {
        for last in 2..=5 {
            idle.push(connect(address, last).await);
        }
    }
    for _ in 0..TRIES {
        scrape(address, 1, 10).await;
        for path in ["/-/healthy", "/-/ready"] {
            let answer = timeout(TIMEOUT, get(address, path)).await;
            let status = answer.unwrap().status;
            assert!([200, 503].contains(&status), "{status} for {path}");
        }
        // They reconnect.
        for last in 2..=5 {
            idle.push(connect(address, last).await);
        }
    }
    // A client of the crowd is served, too.
    scrape(address, 2, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_of_few_addresses_block_nobody() {
    const TARGETS: usize = 3_000;
    let (endpoints, _sensors) = endpoints(TARGETS);
    let (address, _tasks) = serve(endpoints).await;
    for crowd in [&[2, 3][..], &[2, 3, 4, 5, 6]] {
        let mut slow = Vec::new();
        for last in crowd {
            for _ in 0..6 {
                slow.push(slow_reader(address, *last, "/metrics").await);
            }
        }
        // Each reads a little at a time.
        let reading = tokio::spawn(async move {
            let mut bytes = [0; 100];
            loop {
                for client in &mut slow {
                    let _ = timeout(Duration::from_millis(1), client.read(&mut bytes)).await;
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
        sleep(Duration::from_millis(300)).await;
        for _ in 0..TRIES {
            scrape(address, 1, TARGETS).await;
            let before = Instant::now();
            let answer = timeout(TIMEOUT, get(address, "/-/healthy")).await;
            let took = before.elapsed();
            assert_eq!(answer.unwrap().status, 200, "{took:?}");
        }
        reading.abort();
    }
}
