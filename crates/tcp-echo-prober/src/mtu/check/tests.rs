//! Checks of peers on loopback that swallow bursts, as a path does that drops large packets.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of tests fails as a test does"
)]

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

const LIMIT: Duration = Duration::from_millis(800);

/// A peer that echoes the first `frame` bytes and then as much as comes at once, if that is at
/// most `max`. It takes the number of a connection.
async fn peer(frame: usize, max: impl Fn(usize) -> usize + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let max = max(number);
            tokio::spawn(async move {
                let mut bytes = vec![0; frame];
                stream.read_exact(&mut bytes).await.unwrap();
                stream.write_all(&bytes).await.unwrap();
                let mut burst = Vec::new();
                while let Ok(more) = timeout(LIMIT / 6, stream.read_buf(&mut burst)).await
                    && more.unwrap() > 0
                {}
                if burst.len() <= max {
                    stream.write_all(&burst).await.unwrap();
                }
                let _ = stream.read_buf(&mut burst).await;
            });
        }
    });
    address
}

fn check(peer: SocketAddr) -> Check {
    Check {
        peer,
        socket: SocketOptions::default(),
        wire: Wire::Plain,
        limit: LIMIT,
    }
}

fn is_pass(found: Option<Found>) -> bool {
    let probe = found.map(|found| found.probe);
    matches!(probe, Some(MtuProbe::Passes { mss }) if mss > 16_000)
}

#[tokio::test]
async fn a_path_without_a_limit_passes() {
    let plain = check(peer(FRAME_LEN, |_| usize::MAX).await);
    assert!(is_pass(plain.run(None).await));
    let mut prefixed = check(peer(tcp_echo_session::PREFIXED_LEN, |_| usize::MAX).await);
    prefixed.wire = Wire::Prefixed;
    assert!(is_pass(prefixed.run(None).await));
}

#[tokio::test]
async fn the_largest_size_that_passes_is_found() {
    let sizes = [
        (3 * 1400, 1400),
        (3 * 1279, 1220),
        (30_000, 8960),
        (1700, 536),
    ];
    // Side by side, since each waits for echoes that never come.
    let cases = sizes.map(|(max, size)| tokio::spawn(the_largest_size_is(max, size)));
    for case in cases {
        case.await.unwrap();
    }
}

async fn the_largest_size_is(max: usize, size: u16) {
    let check = check(peer(FRAME_LEN, move |_| max).await);
    let found = check.run(None).await.unwrap();
    let MtuProbe::Drops {
        sent,
        passes,
        direction,
    } = found.probe
    else {
        panic!("{max}: {found:?}");
    };
    assert!(sent > 16_000, "{sent}");
    assert_eq!(passes, Some(size));
    // It has acknowledged the burst.
    assert_eq!(direction, Some(Direction::Reverse));
    // The next check is from the same port, and does not look for the size again.
    let probe = MtuProbe::Drops {
        sent,
        passes: Some(77),
        direction,
    };
    assert!(found.port.is_some());
    let before = Found { probe, ..found };
    assert_eq!(check.run(Some(before)).await, Some(before));
}

#[tokio::test]
async fn nothing_is_told_without_evidence() {
    // The first burst is lost with whatever else was on the way.
    let moment = check(peer(FRAME_LEN, |number| if number == 0 { 0 } else { usize::MAX }).await);
    assert!(is_pass(moment.run(None).await));
    // A peer that echoes single frames alone.
    let single = check(peer(FRAME_LEN, |_| 0).await);
    assert_eq!(single.run(None).await, None);
    // A peer that answers something else, or nothing, or is not there.
    let other = check(peer(FRAME_LEN + 1, |_| usize::MAX).await);
    assert_eq!(other.run(None).await, None);
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = check(nobody.local_addr().unwrap());
    assert_eq!(nobody.run(None).await, None);
}

/// Then the check begins again.
#[tokio::test]
async fn a_port_that_another_socket_has_is_told_from_a_failure_of_the_peer() {
    let check = check(peer(FRAME_LEN, |_| usize::MAX).await);
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port();
    let failed = check.attempt(None, Some(port)).await.err().unwrap();
    assert_eq!(failed.kind(), io::ErrorKind::AddrInUse);
}
