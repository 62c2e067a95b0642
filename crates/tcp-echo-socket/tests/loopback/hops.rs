use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU8;

use tcp_echo_socket::{
    ConnectOptions, abort, begin_connect, disable_flow_labels, open, read_error_queue,
    segments_received, set_error_queue, set_hop_limit,
};

use crate::pair;

#[test]
fn the_hop_limit_is_set_and_restored() {
    for target in ["127.0.0.1:9", "[::1]:9"] {
        let target = target.parse().unwrap();
        let Ok(opened) = open(target, &ConnectOptions::default()) else {
            // A host without IPv6.
            continue;
        };
        let socket = opened.socket;
        let hops = || {
            if target.is_ipv6() {
                socket.unicast_hops_v6().unwrap()
            } else {
                socket.ttl_v4().unwrap()
            }
        };
        let default = hops();
        set_hop_limit(&socket, NonZeroU8::new(3)).unwrap();
        assert_eq!(hops(), 3);
        set_hop_limit(&socket, NonZeroU8::new(255)).unwrap();
        assert_eq!(hops(), 255);
        set_hop_limit(&socket, None).unwrap();
        assert_eq!(hops(), default);
        assert_ne!(default, 255);
    }
}

#[test]
fn only_ipv6_has_flow_labels() {
    if let Ok(opened) = open("[::1]:9".parse().unwrap(), &ConnectOptions::default()) {
        disable_flow_labels(&opened.socket).unwrap();
    }
    let opened = open("127.0.0.1:9".parse().unwrap(), &ConnectOptions::default()).unwrap();
    disable_flow_labels(&opened.socket).unwrap_err();
}

#[test]
fn an_empty_queue_has_no_error() {
    let (near, _far) = pair();
    for on in [true, false] {
        set_error_queue(&near, on).unwrap();
        assert_eq!(read_error_queue(&near).unwrap(), None);
    }
}

#[test]
fn segments_of_a_handshake_count() {
    let (near, _far) = pair();
    assert!(segments_received(&near).unwrap() >= 1);
    let opened = open("127.0.0.1:9".parse().unwrap(), &ConnectOptions::default()).unwrap();
    assert_eq!(segments_received(&opened.socket).unwrap(), 0);
}

/// The port serves several targets, and the same one again after a reset.
#[test]
fn a_source_port_is_shared_and_reused() {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    // A port that is free, found by a socket that shares it.
    let probe = open(
        listeners[0].local_addr().unwrap(),
        &ConnectOptions {
            source_port: Some(0),
            ..ConnectOptions::default()
        },
    )
    .unwrap();
    let local = probe.socket.local_addr().unwrap().as_socket().unwrap();
    let options = ConnectOptions {
        source_port: Some(local.port()),
        ..ConnectOptions::default()
    };
    let connect = |listener: &TcpListener| {
        let target = listener.local_addr().unwrap();
        let opened = open(target, &options).unwrap();
        opened.socket.set_nonblocking(false).unwrap();
        begin_connect(&opened.socket, target).map(|()| TcpStream::from(opened.socket))
    };
    let first = connect(&listeners[0]).unwrap();
    let second = connect(&listeners[1]).unwrap();
    for stream in [&first, &second] {
        assert_eq!(stream.local_addr().unwrap().port(), local.port());
    }
    let again = connect(&listeners[0]).map_err(|error| error.kind());
    assert_eq!(again.unwrap_err(), ErrorKind::AddrNotAvailable, "in use");
    abort(first).unwrap();
    for _ in 0..3 {
        let next = connect(&listeners[0]).unwrap();
        assert_eq!(next.local_addr().unwrap().port(), local.port());
        abort(next).unwrap();
    }
}

#[test]
fn a_source_port_in_use_is_named() {
    let owner = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = owner.local_addr().unwrap().port();
    for source in [None, Some([127, 0, 0, 1].into())] {
        let options = ConnectOptions {
            source,
            source_port: Some(port),
            ..ConnectOptions::default()
        };
        let error = open("127.0.0.1:9".parse().unwrap(), &options).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("cannot use source port {port}: ")),
            "{text}"
        );
    }
}
