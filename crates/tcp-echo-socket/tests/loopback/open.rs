use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use tcp_echo_socket::{ConnectOptions, OpenError, open};

const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

#[tokio::test]
async fn an_opened_socket_connects_under_tokio() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();

    let opened = open(target, &ConnectOptions::default()).unwrap();
    assert!(opened.warning.is_none());
    let socket = tokio::net::TcpSocket::from_std_stream(opened.socket.into());
    let stream = socket.connect(target).await.unwrap();

    assert_eq!(stream.peer_addr().unwrap(), target);
    let (_, seen) = listener.accept().unwrap();
    assert_eq!(seen, stream.local_addr().unwrap());
}

#[cfg(unix)]
#[test]
fn an_opened_socket_does_not_block() {
    let opened = open(ANYWHERE, &ConnectOptions::default()).unwrap();
    assert!(opened.socket.nonblocking().unwrap());
}

#[test]
fn source_and_target_are_of_one_family() {
    let options = ConnectOptions {
        source: Some(Ipv6Addr::LOCALHOST.into()),
        ..ConnectOptions::default()
    };
    let error = open(ANYWHERE, &options).unwrap_err();
    assert!(matches!(error, OpenError::SourceFamily { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "source ::1 cannot reach 127.0.0.1:9: one is IPv4, the other IPv6"
    );
}

#[test]
fn a_source_that_is_not_ours_is_named() {
    // TEST-NET-1 of RFC 5737, which no host has.
    let options = ConnectOptions {
        source: Some([192, 0, 2, 1].into()),
        ..ConnectOptions::default()
    };
    let error = open(ANYWHERE, &options).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot use source 192.0.2.1: "),
        "{error}"
    );
    let OpenError::Source { error, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
}

#[test]
fn an_interface_that_does_not_exist_is_named() {
    // Of the last two, the kernel would take one for "any" and cut the other to `lo` and zeros.
    for name in ["no-such-if", "", "lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"] {
        let options = ConnectOptions {
            interface: Some(name.to_owned()),
            ..ConnectOptions::default()
        };
        let error = open(ANYWHERE, &options).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("cannot use interface {name:?}: ")),
            "{text}"
        );
        assert!(matches!(error, OpenError::Interface { .. }), "{error:?}");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    #[test]
    fn the_peer_sees_the_source() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let source = [127, 0, 0, 5].into();
        let options = ConnectOptions {
            source: Some(source),
            ..ConnectOptions::default()
        };
        let opened = open(target, &options).unwrap();
        let bound = opened.socket.local_addr().unwrap().as_socket().unwrap();
        assert_eq!(bound, (source, 0).into(), "the port is left to connect");

        let _ = opened.socket.connect(&target.into());
        let (_, seen) = listener.accept().unwrap();
        assert_eq!(seen.ip(), source);
    }

    #[test]
    fn the_interface_is_used_or_named() {
        let options = ConnectOptions {
            interface: Some("lo".to_owned()),
            ..ConnectOptions::default()
        };
        match open(ANYWHERE, &options) {
            Ok(opened) => assert_eq!(
                opened.socket.device().unwrap().as_deref(),
                Some(b"lo".as_slice())
            ),
            // Before 5.7 that was for those with CAP_NET_RAW.
            Err(OpenError::Interface { name, error }) => {
                assert_eq!(name, "lo");
                assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn packets_of_both_families_are_marked() {
        let options = ConnectOptions {
            dscp: Some("ef".parse().unwrap()),
            ..ConnectOptions::default()
        };
        let opened = open(ANYWHERE, &options).unwrap();
        assert!(opened.warning.is_none());
        assert_eq!(opened.socket.tos_v4().unwrap(), 0xb8);

        match open((Ipv6Addr::LOCALHOST, 9).into(), &options) {
            Ok(opened) => {
                assert!(opened.warning.is_none());
                assert_eq!(opened.socket.tclass_v6().unwrap(), 0xb8);
            }
            // A host without IPv6.
            Err(error) => assert!(matches!(error, OpenError::Socket { .. }), "{error}"),
        }
    }
}
