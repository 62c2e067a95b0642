//! What a peer of this program tells of packet loss and delay.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use serde_json::Value;
use tcp_echo_server::{Server, ServerConfig};

use crate::peers::{Behavior, Peer};
use crate::{client, finish, report, stderr, stdout};

/// Starts the program's echo server. It ends with the process of the tests.
fn server() -> SocketAddr {
    let (bound, address) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let any = "127.0.0.1:0".parse().unwrap();
            let server = Server::bind(&any, ServerConfig::default()).await.unwrap();
            bound.send(server.local_addr()).unwrap();
            server.run(pending()).await.unwrap();
        });
    });
    address.recv().unwrap()
}

#[test]
fn a_peer_of_this_program_tells_loss_and_delay_by_direction() {
    let plain = Peer::new(Behavior::Echo).address.to_string();
    let server = server().to_string();
    // The peer is asked for its segments after a second.
    let start = |address: &str, flags: &[&str]| {
        let args = ["-interval=10ms", "-count=300", "-target", address];
        client(&[&args, flags].concat()).spawn().unwrap()
    };
    let json = |flag| ["-output=json", flag];
    let runs = [
        start(&server, &json("-hello=auto")),
        start(&server, &json("-hello=off")),
        start(&server, &json("-timestamps=user")),
        start(&plain, &json("-hello=auto")),
    ];
    let table = start(&server, &[]);
    let reports = runs.map(|run| report(&finish(run)));
    let [told, without_hello, without_stamps, plain] =
        reports.each_ref().map(|report| &report["targets"][0]);
    let segments = |target: &Value, direction: &str| {
        let of = &target["packet_loss"][direction];
        of.as_object().map(|of| of["segments_sent"].as_u64())
    };
    for target in [told, without_hello, without_stamps, plain] {
        let sent = segments(target, "forward").unwrap();
        assert!(
            sent >= target["connects"].as_u64() && sent > Some(9),
            "{target}"
        );
        assert_eq!(target["soft_errors"], 0);
    }
    for target in [told, without_stamps] {
        assert!(segments(target, "reverse").unwrap() > Some(9), "{target}");
    }
    for target in [without_hello, plain] {
        assert_eq!(segments(target, "reverse"), None, "{target}");
        assert_eq!(target["most_packet_loss"], Value::Null);
    }
    for target in [without_hello, without_stamps, plain] {
        assert_eq!(target["excess_delay_seconds"], Value::Null, "{target}");
        assert_eq!(target["most_excess_delay"], Value::Null);
    }
    let parts = told["excess_delay_seconds"].as_object().unwrap();
    assert_eq!(parts.len(), 4);
    let figure = |part: &str, name: &str| parts[part][name].as_f64().unwrap();
    let names = ["prober", "forward", "peer", "reverse"];
    for part in names {
        let [mean, p99, max] = ["mean", "p99", "max"].map(|name| figure(part, name));
        assert!(mean <= max && p99 <= max, "{part} of {told}");
    }
    // Two probes in a row never take equally long, and no part exceeds the round trip.
    let mean: f64 = names.iter().map(|part| figure(part, "mean")).sum();
    assert!(mean > 0.0 && mean < 1.0, "{told}");

    let table = finish(table);
    let titles = "lost there lost back own host way there peer way back";
    let words: Vec<_> = stdout(&table).split_whitespace().collect();
    assert!(
        words.join(" ").contains(titles),
        "{}{}",
        stdout(&table),
        stderr(&table)
    );
}
