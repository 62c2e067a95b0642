use std::io::{ErrorKind, Write};

use tcp_echo_socket::{Received, abort, enable_receive_timestamps, recv, unread};

use crate::pair;

#[test]
fn without_stamps_it_is_a_plain_read() {
    let (near, mut far) = pair();
    far.write_all(b"sixteen bytes ok").unwrap();
    let mut buf = [0; 64];
    let received = recv(&near, &mut buf).unwrap();
    assert_eq!(
        received,
        Received {
            len: 16,
            kernel: None
        }
    );
    assert_eq!(&buf[..16], b"sixteen bytes ok");
}

#[test]
fn what_waits_to_be_read_is_counted() {
    let (near, mut far) = pair();
    far.write_all(&[7; 48]).unwrap();
    let mut buf = [0; 16];
    // One read returns when there is something, the others find it there.
    for left in [32, 16, 0] {
        assert_eq!(recv(&near, &mut buf).unwrap().len, 16);
        let waits = unread(&near).unwrap();
        assert!(waits >= left, "{waits}");
        if cfg!(target_os = "linux") {
            assert_eq!(waits, left);
        }
    }
}

#[test]
fn an_empty_stream_would_block_and_a_closed_one_ends() {
    let (near, far) = pair();
    let _ = enable_receive_timestamps(&near);
    near.set_nonblocking(true).unwrap();
    let error = recv(&near, &mut [0; 16]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);

    near.set_nonblocking(false).unwrap();
    drop(far);
    assert_eq!(recv(&near, &mut [0; 16]).unwrap().len, 0);
}

#[test]
fn a_reset_is_an_error() {
    let (near, far) = pair();
    let _ = enable_receive_timestamps(&near);
    abort(far).unwrap();
    let error = recv(&near, &mut [0; 16]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[cfg(not(target_os = "linux"))]
#[test]
fn other_systems_say_so() {
    let (near, _far) = pair();
    let error = enable_receive_timestamps(&near).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::Read;
    use std::net::TcpStream;
    use std::thread;
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use tokio::io::Interest;

    use super::*;

    /// `CLOCK_REALTIME`, which the kernel's stamps are read from.
    fn now() -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
    }

    /// A pair whose near end has stamps, by now for certain: the kernel begins some time after it
    /// was asked.
    fn stamped_pair() -> (TcpStream, TcpStream) {
        let (near, mut far) = pair();
        enable_receive_timestamps(&near).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            far.write_all(&[0; 16]).unwrap();
            if recv(&near, &mut [0; 16]).unwrap().kernel.is_some() {
                return (near, far);
            }
            assert!(Instant::now() < deadline, "no stamp ever came");
        }
    }

    #[test]
    fn a_stamp_lies_between_write_and_read() {
        let (near, mut far) = stamped_pair();
        for _ in 0..100 {
            let before = now();
            far.write_all(&[1; 16]).unwrap();
            let received = recv(&near, &mut [0; 64]).unwrap();
            let after = now();
            assert_eq!(received.len, 16);
            let stamp = received.kernel.unwrap();
            assert!(before <= stamp && stamp <= after, "{stamp:?}");
        }
    }

    /// Writes three frames and returns, once all wait at the near end, when each was written.
    ///
    /// The near end answers each with a byte that acknowledges it: on loopback the sender's copy
    /// of a segment is the receiver's, and the kernel joins none that is still shared.
    fn queue_three(near: &mut TcpStream, far: &mut TcpStream) -> [Duration; 3] {
        let written = [(); 3].map(|()| {
            let at = now();
            far.write_all(&[2; 16]).unwrap();
            near.write_all(&[0]).unwrap();
            far.read_exact(&mut [0]).unwrap();
            at
        });
        while near.peek(&mut [0; 64]).unwrap() < 48 {
            thread::yield_now();
        }
        written
    }

    #[test]
    fn one_read_of_several_segments_has_the_stamp_of_the_last() {
        let (mut near, mut far) = stamped_pair();
        for _ in 0..20 {
            let written = queue_three(&mut near, &mut far);
            let received = recv(&near, &mut [0; 64]).unwrap();
            assert_eq!(received.len, 48);
            assert!(received.kernel.unwrap() >= written[2]);
        }
    }

    #[test]
    fn the_stamp_of_a_frame_that_waited_is_an_upper_bound() {
        let (mut near, mut far) = stamped_pair();
        let mut joined = 0;
        for _ in 0..20 {
            let written = queue_three(&mut near, &mut far);
            let stamps = [(); 3].map(|()| {
                let received = recv(&near, &mut [0; 16]).unwrap();
                assert_eq!(received.len, 16);
                received.kernel.unwrap()
            });
            for (stamp, written) in stamps.iter().zip(&written) {
                assert!(stamp >= written);
            }
            joined += u32::from(stamps[0] >= written[2]);
        }
        assert!(joined > 0, "no segment was ever joined to the one before");
    }

    #[tokio::test]
    async fn an_event_loop_reads_stamps() {
        let (near, mut far) = stamped_pair();
        near.set_nonblocking(true).unwrap();
        let near = tokio::net::TcpStream::from_std(near).unwrap();
        let writer = thread::spawn(move || {
            far.write_all(&[3; 16]).unwrap();
            far
        });
        let mut buf = [0; 64];
        let received = near
            .async_io(Interest::READABLE, || recv(&near, &mut buf))
            .await
            .unwrap();
        assert_eq!(received.len, 16);
        assert!(received.kernel.is_some());
        writer.join().unwrap();
    }
}
