use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::time::Duration;

use tcp_echo_socket::{SockRef, abort, configure_stream, set_busy_poll, set_quickack};

use crate::pair;

#[test]
fn a_configured_stream_is_prompt_and_kept_alive() {
    let (near, _far) = pair();
    near.set_nodelay(false).unwrap();
    configure_stream(&near).unwrap();

    let near = SockRef::from(&near);
    assert!(near.tcp_nodelay().unwrap());
    assert!(near.keepalive().unwrap());
    #[cfg(unix)]
    {
        let half_a_minute = Duration::from_secs(30);
        assert_eq!(near.tcp_keepalive_time().unwrap(), half_a_minute);
        assert_eq!(near.tcp_keepalive_interval().unwrap(), half_a_minute);
    }
}

/// Bound to the port that it connects to, a socket meets itself. Windows does without.
#[cfg(unix)]
#[test]
fn a_socket_that_connects_to_itself_is_known() {
    use tcp_echo_socket::{ConnectOptions, open};

    for any in ["127.0.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
        let any = any.parse().unwrap();
        let socket = open(any, &ConnectOptions::default()).unwrap().socket;
        socket.set_nonblocking(false).unwrap();
        if socket.bind(&any.into()).is_err() {
            // No IPv6 here.
            continue;
        }
        let own = socket.local_addr().unwrap();
        socket.connect(&own).unwrap();
        assert!(
            tcp_echo_socket::is_self_connected(&socket).unwrap(),
            "{any}"
        );
        abort(socket).unwrap();
    }

    let (near, far) = pair();
    assert!(!tcp_echo_socket::is_self_connected(&near).unwrap());
    assert!(!tcp_echo_socket::is_self_connected(&far).unwrap());
    let unconnected = open(([127, 0, 0, 1], 9).into(), &ConnectOptions::default()).unwrap();
    assert!(tcp_echo_socket::is_self_connected(&unconnected.socket).is_err());
}

#[test]
fn the_reset_comes_when_the_last_owner_is_gone() {
    let (near, mut far) = pair();
    let near = Arc::new(near);
    abort(Arc::clone(&near)).unwrap();
    far.set_nonblocking(true).unwrap();
    let still_open = far.read(&mut [0; 16]).unwrap_err();
    assert_eq!(still_open.kind(), ErrorKind::WouldBlock);

    drop(near);
    far.set_nonblocking(false).unwrap();
    let reset = far.read(&mut [0; 16]).unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn acknowledgements_can_be_hurried_on_linux() {
    let (near, _far) = pair();
    for on in [true, false] {
        let result = set_quickack(&near, on).map_err(|error| error.kind());
        #[cfg(target_os = "linux")]
        assert_eq!(SockRef::from(&near).tcp_quickack().unwrap(), on);
        let expected = if cfg!(target_os = "linux") {
            Ok(())
        } else {
            Err(ErrorKind::Unsupported)
        };
        assert_eq!(result, expected);
    }
}

#[test]
fn busy_polling_needs_linux_and_a_privilege() {
    let (near, _far) = pair();
    let result = set_busy_poll(&near, Duration::from_micros(50)).map_err(|error| error.kind());
    if cfg!(target_os = "linux") {
        match result {
            #[cfg(target_os = "linux")]
            Ok(()) => assert_eq!(SockRef::from(&near).busy_poll().unwrap(), 50),
            other => assert_eq!(other, Err(ErrorKind::PermissionDenied)),
        }
        assert!(set_busy_poll(&near, Duration::ZERO).is_ok());
    } else {
        assert_eq!(result, Err(ErrorKind::Unsupported));
    }
}
