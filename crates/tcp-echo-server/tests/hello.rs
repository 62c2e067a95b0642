//! What a client that begins with a hello gets, and that no other client gets any of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of tests fails as a test does"
)]

#[cfg(test)]
mod common;

use common::{Running, echo, within};
use tcp_echo_server::ServerConfig;
use tcp_echo_wire::{
    Control, FRAME_LEN, Features, Identity, IdentityReader, Probe, Seq, UnixNanos,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ALL: Features = Features::STAMPS.union(Features::SEGMENTS);

fn probe(seq: u64) -> [u8; FRAME_LEN] {
    let sent = UnixNanos(1_700_000_000_000_000_000);
    Probe {
        seq: Seq(seq),
        sent,
    }
    .encode()
}

async fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> Vec<Probe> {
    let mut back = vec![0; bytes.len()];
    within(async {
        stream.write_all(bytes).await.unwrap();
        stream.read_exact(&mut back).await.unwrap();
    })
    .await;
    let (frames, rest) = back.as_chunks::<FRAME_LEN>();
    assert!(rest.is_empty());
    frames.iter().map(Probe::decode).collect()
}

/// Connects and says hello. Returns what the server grants.
async fn greet(server: &Running, asked: Features) -> (TcpStream, Features) {
    let mut stream = server.connect().await;
    let hello = Control::HelloRequest(asked).encode();
    let answer = exchange(&mut stream, &hello).await[0].control();
    let Some(Control::HelloAnswer(granted)) = answer else {
        panic!("{answer:?}");
    };
    (stream, granted)
}

#[cfg(target_os = "linux")]
mod granted {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use common::until;
    use tcp_echo_wire::{PeerStamp, Segments};

    use super::*;

    fn now() -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::try_from(now.as_nanos() % u128::from(PeerStamp::MODULUS)).unwrap()
    }

    /// Of clients of any kind.
    #[tokio::test]
    async fn segments_of_clients_are_counted_up_to_the_maximum() {
        let mut config = ServerConfig::default();
        config.max_client_stats = 1;
        let server = Running::start(config).await;
        let mut stream = server.connect().await;
        for seq in 1..=10 {
            echo(&mut stream, &probe(seq)).await;
        }
        drop(stream);
        until("it is closed", || server.stats.connections() == 0).await;
        let clients = server.stats.clients();
        let [(ip, stats)] = *clients else {
            panic!("{clients:?}");
        };
        assert!(ip.is_loopback());
        assert_eq!((stats.segments_sent, stats.segments_lost), (10, 0));
        assert!(!stats.srtt.is_zero());
        server.stop().await;
    }

    /// Until the kernel stamps: the first socket of a host that asks for it has it enabled later.
    async fn stamped(stream: &mut TcpStream) -> Probe {
        for seq in 1..1000 {
            let reply = exchange(stream, &probe(seq)).await[0];
            assert_eq!(reply.seq, Seq(seq));
            if PeerStamp::from(reply.sent).residence.is_some() {
                return reply;
            }
        }
        panic!("the kernel never stamps");
    }

    #[tokio::test]
    async fn an_echo_says_when_the_probe_came_and_how_long_it_was_kept() {
        let server = Running::start(ServerConfig::default()).await;
        let (mut stream, granted) = greet(&server, ALL).await;
        assert_eq!(granted, ALL);
        stamped(&mut stream).await;
        let before = now();
        let stamp = PeerStamp::from(exchange(&mut stream, &probe(7)).await[0].sent);
        let took = now().wrapping_sub(before) % PeerStamp::MODULUS;
        let after = stamp.received.wrapping_sub(before) % PeerStamp::MODULUS;
        assert!(after <= took, "{after} of {took}");
        let residence = stamp.residence.unwrap();
        assert!(residence <= Duration::from_nanos(took - after));
        assert!(!stamp.is_merged);
        server.stop().await;
    }

    #[tokio::test]
    async fn frames_of_one_read_but_the_last_are_merged() {
        let server = Running::start(ServerConfig::default()).await;
        let (mut stream, _) = greet(&server, Features::STAMPS).await;
        stamped(&mut stream).await;
        let frames = [probe(1), probe(2), probe(3)].concat();
        let replies = exchange(&mut stream, &frames).await;
        let stamps: Vec<_> = replies.iter().map(|r| PeerStamp::from(r.sent)).collect();
        let merged: Vec<_> = stamps.iter().map(|stamp| stamp.is_merged).collect();
        assert_eq!(merged, [true, true, false]);
        assert!(
            stamps
                .iter()
                .all(|stamp| stamp.received == stamps[0].received)
        );
        server.stop().await;
    }

    #[tokio::test]
    async fn frames_may_be_cut_anywhere() {
        let server = Running::start(ServerConfig::default()).await;
        let (mut stream, _) = greet(&server, ALL).await;
        let sent: Vec<u8> = (1..=500).flat_map(probe).collect();
        let (mut reader, mut writer) = stream.split();
        let writing = async {
            let mut rest = &sent[..];
            let mut turn = 0;
            while !rest.is_empty() {
                turn += 1;
                let size = rest.len().min(turn * 37 % 61 + 1);
                writer.write_all(&rest[..size]).await.unwrap();
                rest = &rest[size..];
                tokio::task::yield_now().await;
            }
            // Less than a frame, and then the end.
            writer.write_all(b"the end").await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let mut back = Vec::new();
        within(async { tokio::join!(writing, reader.read_to_end(&mut back)) })
            .await
            .1
            .unwrap();
        let (frames, rest) = back.as_chunks::<FRAME_LEN>();
        let seqs: Vec<_> = frames
            .iter()
            .map(|frame| Probe::decode(frame).seq.0)
            .collect();
        assert_eq!(seqs, (1..=500).collect::<Vec<_>>());
        assert_eq!(rest, b"the end");
        server.stop().await;
    }

    #[tokio::test]
    async fn segments_are_counted() {
        let server = Running::start(ServerConfig::default()).await;
        let (mut stream, _) = greet(&server, Features::SEGMENTS).await;
        let echoed = exchange(&mut stream, &probe(1)).await[0];
        assert_eq!(echoed.encode(), probe(1), "stamps were not asked for");
        let answer = exchange(&mut stream, &Control::SegmentsRequest.encode()).await[0];
        let Some(Control::SegmentsAnswer(Segments { sent, lost })) = answer.control() else {
            panic!("{answer:?}");
        };
        assert_eq!((sent, lost), (2, 0));
        server.stop().await;
    }
}

#[cfg(not(target_os = "linux"))]
#[tokio::test]
async fn other_systems_neither_stamp_nor_count() {
    let server = Running::start(ServerConfig::default()).await;
    let (mut stream, granted) = greet(&server, ALL.union(Features::DEPARTURE)).await;
    assert_eq!(granted, Features::DEPARTURE);
    echo(&mut stream, &probe(1)).await;
    let request = Control::SegmentsRequest.encode();
    echo(&mut stream, &request).await;
    server.stop().await;
}

#[tokio::test]
async fn who_it_is_is_told_to_clients_that_ask() {
    let asked = Features::IDENTITY;
    let server = Running::start(ServerConfig::default()).await;
    let (mut stream, granted) = greet(&server, asked).await;
    assert_eq!(granted, Features::NONE, "it has no name");
    echo(&mut stream, &Control::IdentityRequest(0).encode()).await;
    server.stop().await;

    let mut config = ServerConfig::default();
    config.identity = Identity::new("a-node-of-a-long-name", "b").unwrap();
    let server = Running::start(config.clone()).await;
    let (mut stream, granted) = greet(&server, asked).await;
    assert_eq!(granted, asked);
    let mut reader = IdentityReader::new();
    while let Some(n) = reader.next_part() {
        let request = Control::IdentityRequest(n).encode();
        let answer = exchange(&mut stream, &request).await[0].control();
        let Some(Control::IdentityAnswer(of, part)) = answer else {
            panic!("{answer:?}");
        };
        reader.read(of, part);
    }
    assert_eq!(reader.identity(), Some(config.identity));
    let (mut stream, granted) = greet(&server, Features::NONE).await;
    assert_eq!(granted, Features::NONE);
    echo(&mut stream, &Control::IdentityRequest(0).encode()).await;
    server.stop().await;
}

#[tokio::test]
async fn without_a_hello_first_nothing_changes() {
    let server = Running::start(ServerConfig::default()).await;
    let hello = Control::HelloRequest(ALL).encode();
    let frame_of_24_bytes = [b"TCPPING\0".as_slice(), &probe(1)].concat();
    for first in [&probe(1)[..], &hello[..15], &frame_of_24_bytes, &[0]] {
        let mut stream = server.connect().await;
        echo(&mut stream, first).await;
        echo(&mut stream, &hello).await;
        echo(&mut stream, &frame_of_24_bytes).await;
        echo(&mut stream, &Control::SegmentsRequest.encode()).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_server_without_hello_only_echoes() {
    let mut config = ServerConfig::default();
    config.hello = false;
    let server = Running::start(config).await;
    let mut stream = server.connect().await;
    echo(&mut stream, &Control::HelloRequest(ALL).encode()).await;
    echo(&mut stream, &probe(1)).await;
    server.stop().await;
}
