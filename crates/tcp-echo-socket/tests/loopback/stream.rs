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
