//! On loopback, where the destination is one hop away.

#![expect(clippy::unwrap_used, reason = "that is how a test fails")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use tcp_echo_socket::SockRef;

use super::*;

async fn traced(destination: SocketAddr, options: &SocketOptions) -> Traced {
    let traced = trace(destination, options, &TraceLimits::AT_CONNECT).await;
    traced.unwrap()
}

/// A listener on this host, and the options of a flow to it from a port that is free.
fn flow() -> (TcpListener, SocketOptions) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = SocketOptions {
        source: Some([127, 0, 0, 1].into()),
        source_port: Some(free.local_addr().unwrap().port()),
        ..SocketOptions::default()
    };
    (listener, options)
}

#[tokio::test]
async fn a_connection_of_the_trace_is_an_ordinary_one() {
    let (listener, options) = flow();
    let destination = listener.local_addr().unwrap();
    for _ in 0..3 {
        let Traced { path, end } = traced(destination, &options).await;
        assert!(path.is_complete);
        assert_eq!(Some(path.source.port()), options.source_port);
        let [hop] = &*path.hops else {
            panic!("{path:?}");
        };
        assert_eq!((hop.ttl, hop.address), (1, Some(destination.ip())));
        let TraceEnd::Connected { stream, handshake } = end else {
            panic!("{end:?}");
        };
        assert_eq!(hop.rtt, Some(handshake));
        assert_eq!(stream.local_addr().unwrap(), path.source);
        assert!(stream.ttl().unwrap() > 1, "{:?}", stream.ttl());
        assert_eq!(SockRef::from(&stream).linger().unwrap(), None);
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"there").unwrap();
        stream.readable().await.unwrap();
        assert_eq!(stream.try_read(&mut [0; 8]).unwrap(), 5);
        tcp_echo_socket::abort(stream).unwrap();
        let end = peer.read(&mut [0; 8]).map_err(|error| error.kind());
        assert_eq!(end, Err(io::ErrorKind::ConnectionReset));
    }
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let (listener, options) = flow();
    let destination = listener.local_addr().unwrap();
    drop(listener);
    let Traced { path, end } = traced(destination, &options).await;
    assert!(matches!(end, TraceEnd::Refused), "{end:?}");
    assert!(path.is_complete);
    assert_eq!(path.last_hop().unwrap().address, Some(destination.ip()));
}

#[tokio::test]
async fn a_socket_that_meets_itself_is_refused() {
    let (_listener, mut options) = flow();
    let port = options.source_port.unwrap();
    options.source = Some([127, 0, 0, 1].into());
    let Traced { end, .. } = traced(([127, 0, 0, 1], port).into(), &options).await;
    assert!(matches!(end, TraceEnd::Refused), "{end:?}");
    TcpListener::bind(("127.0.0.1", port)).unwrap();
}

#[tokio::test]
async fn a_flow_with_a_connection_is_not_traced() {
    let (listener, options) = flow();
    let destination = listener.local_addr().unwrap();
    let first = traced(destination, &options).await;
    let error = trace(destination, &options, &TraceLimits::AFTER_STALL)
        .await
        .unwrap_err();
    let TraceError::Connect { error, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    assert!(matches!(first.end, TraceEnd::Connected { .. }));
}

#[tokio::test]
async fn without_time_nothing_is_sent() {
    let (listener, options) = flow();
    let limits = TraceLimits {
        time: Duration::ZERO,
        ..TraceLimits::AFTER_STALL
    };
    let destination = listener.local_addr().unwrap();
    let Traced { path, end } = trace(destination, &options, &limits).await.unwrap();
    assert!(matches!(end, TraceEnd::TimeLimit), "{end:?}");
    assert!(path.hops.is_empty() && !path.is_complete);
    assert_eq!(Some(path.source.port()), options.source_port);
}
