//! Hostile and broken peers: they affect no other target, and the sum of the counts holds after
//! every event, which the log of the tests checks.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::{
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use common::{Log, echo, frame, ms, peer, probing, probing_with};
use tcp_echo_prober::{
    DisconnectReason, Event, Handle, Observer, Options, Prober, Sensor, Session, SessionConfig,
    Target, TargetSet,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn disconnected(wanted: DisconnectReason) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Disconnected { reason } if *reason == wanted)
}

/// Closes the write half, and reads on: a close with unread bytes would be a reset.
async fn end_in_order(mut stream: TcpStream) {
    stream.shutdown().await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Every connection ends within its third reply, one byte later than the connection before.
#[tokio::test]
async fn a_peer_that_resets_at_every_byte_of_a_reply() {
    const WHOLE_FRAMES: usize = 2;
    let address = peer(|mut stream, n| async move {
        for _ in 0..WHOLE_FRAMES {
            let Some(frame) = frame(&mut stream).await else {
                return;
            };
            stream.write_all(&frame).await.unwrap();
        }
        if n > 16 {
            return echo(stream).await;
        }
        let Some(frame) = frame(&mut stream).await else {
            return;
        };
        stream.write_all(&frame[..n]).await.unwrap();
        if n % 2 == 0 {
            // A reset can discard bytes that were not read yet, and this test needs them.
            tokio::time::sleep(ms(5)).await;
            stream.set_zero_linger().unwrap();
        } else {
            end_in_order(stream).await;
        }
    })
    .await;
    probing(&address.to_string(), async |log| {
        log.until("as many connections and some replies more", |seen| {
            let connects = seen.count(|event| matches!(event, Event::Connected { .. }));
            connects >= 18 && seen.counts.received > 17 * WHOLE_FRAMES as u64 + 50
        })
        .await;
        log.see(|seen| {
            // A partial reply is not received, nor joined with bytes of the next connection.
            assert_eq!(seen.counts.unexpected, 0);
            // Probes in flight at the end of a connection, without a whole reply, time out.
            assert!(seen.counts.timeouts >= 16, "{}", seen.counts.timeouts);
            assert_eq!(seen.count(disconnected(DisconnectReason::Reset)), 9);
            assert_eq!(seen.count(disconnected(DisconnectReason::Eof)), 8);
        });
    })
    .await;
}

/// The peer reads a part of a frame and hangs up.
#[tokio::test]
async fn a_peer_that_resets_at_every_byte_of_a_probe() {
    let address = peer(|mut stream, n| async move {
        if n > 16 {
            return echo(stream).await;
        }
        let mut part = vec![0; n];
        let _ = stream.read_exact(&mut part).await;
        // Unread bytes make this a reset.
    })
    .await;
    let session = SessionConfig::new(ms(10), ms(20)).unwrap();
    let target = Target::new(address.to_string().parse().unwrap(), session);
    // The peer does not answer, so the delays before attempts grow: keep them short.
    let mut options = Options::default();
    options.reconnect_max = ms(100);
    probing_with(options, target, async |log| {
        log.until("replies after all that", |seen| seen.counts.received >= 20)
            .await;
        log.see(|seen| {
            assert_eq!(seen.counts.unexpected, 0);
            let ends = seen.count(|event| matches!(event, Event::Disconnected { .. }));
            assert_eq!(ends, 17);
        });
    })
    .await;
}

/// The peer closes its write half, and reads on.
#[tokio::test]
async fn a_peer_that_closes_its_half() {
    let address = peer(|mut stream, n| async move {
        if n > 0 {
            return echo(stream).await;
        }
        for _ in 0..5 {
            let frame = frame(&mut stream).await.unwrap();
            stream.write_all(&frame).await.unwrap();
        }
        end_in_order(stream).await;
    })
    .await;
    probing(&address.to_string(), async |log| {
        log.until("replies on the next connection", |seen| {
            seen.counts.received >= 30
        })
        .await;
        assert_eq!(log.count(disconnected(DisconnectReason::Eof)), 1);
    })
    .await;
}

/// The peer sends the replies of an earlier connection again on the next one.
#[tokio::test]
async fn a_peer_that_replays() {
    let recorded = Arc::new(Mutex::new(Vec::new()));
    let records = Arc::clone(&recorded);
    let address = peer(move |mut stream, n| {
        let recorded = Arc::clone(&records);
        async move {
            if n == 0 {
                for _ in 0..10 {
                    let frame = frame(&mut stream).await.unwrap();
                    recorded.lock().unwrap().extend(frame);
                    stream.write_all(&frame).await.unwrap();
                }
                return end_in_order(stream).await;
            }
            let replay = recorded.lock().unwrap().clone();
            stream.write_all(&replay).await.unwrap();
            echo(stream).await;
        }
    })
    .await;
    probing(&address.to_string(), async |log| {
        log.until("replies on the next connection", |seen| {
            seen.counts.received >= 30
        })
        .await;
        // The hello among them is no probe.
        log.see(|seen| assert_eq!(seen.counts.unexpected, 9));
    })
    .await;
}

/// The peer answers with the expected number and the send time of no probe.
#[tokio::test]
async fn a_peer_that_answers_with_a_time_of_its_own() {
    let address = peer(|mut stream, _| async move {
        while let Some(mut frame) = frame(&mut stream).await {
            frame[15] ^= 1;
            if stream.write_all(&frame).await.is_err() {
                return;
            }
        }
    })
    .await;
    probing(&address.to_string(), async |log| {
        log.until("a stall", |seen| {
            seen.count(disconnected(DisconnectReason::Stalled)) > 0
        })
        .await;
        log.see(|seen| {
            assert_eq!(seen.counts.received, 0);
            assert!(seen.counts.unexpected > 10);
            assert!(seen.loss >= 1.0);
        });
    })
    .await;
}

/// A log for each of two targets, by the target's name.
#[derive(Clone, Default)]
struct ByName([Log; 2]);

struct Named(<Log as Observer>::Sensor);

impl Observer for ByName {
    type Sensor = Named;

    fn attach(&self, target: &Target) -> Named {
        let log = &self.0[usize::from(&**target.name() == "bad")];
        Named(log.attach(target))
    }
}

impl Sensor for Named {
    fn on_event(&mut self, event: &Event, session: &Session) {
        // There are millions of these; the next event of another kind has the counts.
        if !matches!(event, Event::Unexpected) {
            self.0.on_event(event, session);
        }
    }
}

/// Probes both targets on one thread.
fn probing_both(targets: [Target; 2]) -> (ByName, Handle) {
    let logs = ByName::default();
    let prober = Prober::builder()
        .observer(logs.clone())
        .threads(1.try_into().unwrap())
        .targets(TargetSet::new(targets).unwrap())
        .start()
        .unwrap();
    (logs, prober)
}

/// Probes a good target and a bad one on one thread.
async fn beside_a_good_one(bad: std::net::SocketAddr, test: impl AsyncFnOnce(&Log, &Log)) {
    let good = peer(|stream, _| echo(stream)).await;
    let session = SessionConfig::new(ms(10), ms(500)).unwrap();
    let target = |address: std::net::SocketAddr, name: &str| {
        Target::new(address.to_string().parse().unwrap(), session.clone()).named(name)
    };
    let (logs, prober) = probing_both([target(good, "good"), target(bad, "bad")]);
    let [good, bad] = &logs.0;
    test(good, bad).await;
    prober.stop().unwrap();
    good.see(|seen| {
        assert_eq!((seen.counts.timeouts, seen.counts.unexpected), (0, 0));
        assert_eq!(
            seen.count(|event| matches!(event, Event::Disconnected { reason } if *reason != DisconnectReason::Closed)),
            0
        );
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_leaves_other_targets_alone() {
    let flood = peer(|mut stream, _| async move {
        let garbage = vec![0x5A; 64 * 1024];
        while stream.write_all(&garbage).await.is_ok() {}
    })
    .await;
    beside_a_good_one(flood, async |good, bad| {
        bad.until("a flood", |seen| seen.counts.unexpected > 10_000)
            .await;
        let before = good.see(|seen| seen.counts.received);
        good.until("200 replies more", |seen| {
            seen.counts.received >= before + 200
        })
        .await;
        bad.see(|seen| assert_eq!(seen.counts.received, 0));
    })
    .await;
}

/// Counts frames that answer no probe.
#[derive(Clone, Default)]
struct Frames(Arc<AtomicU64>);

impl Observer for Frames {
    type Sensor = Self;

    fn attach(&self, _: &Target) -> Self {
        self.clone()
    }
}

impl Sensor for Frames {
    fn on_event(&mut self, event: &Event, _: &Session) {
        let unexpected = u64::from(matches!(event, Event::Unexpected));
        self.0.fetch_add(unexpected, Ordering::Relaxed);
    }
}

/// However much there is to read, other tasks of the runtime run after a part of it.
#[tokio::test]
async fn a_flood_is_read_in_parts() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let flood = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let garbage = vec![0x5A; 64 * 1024];
        while stream.write_all(&garbage).is_ok() {}
    });
    let session = SessionConfig::new(ms(10), ms(500)).unwrap();
    let target = Target::new(address.parse().unwrap(), session);
    let frames = Frames::default();
    let prober = Prober::builder()
        .observer(frames.clone())
        .targets(TargetSet::new([target]).unwrap());
    let mut max = 0;
    let enough = async {
        let mut before = 0;
        while before < 500_000 {
            // It continues after the runtime has polled other tasks.
            tokio::task::yield_now().await;
            let now = frames.0.load(Ordering::Relaxed);
            max = max.max(now - before);
            before = now;
        }
    };
    prober.run(enough).await.unwrap();
    assert!(max < 5000, "{max}");
    flood.join().unwrap();
}

/// Both targets are one peer, which sends each target the replies of the other.
#[tokio::test]
async fn a_peer_that_swaps_the_replies_of_two_targets() {
    // Bytes of one connection, to be sent on the other.
    let crossed: Arc<[Mutex<Vec<u8>>; 2]> = Arc::default();
    let address = peer(move |mut stream, n| {
        let crossed = Arc::clone(&crossed);
        async move {
            while let Some(frame) = frame(&mut stream).await {
                crossed[n % 2].lock().unwrap().extend(frame);
                let others = std::mem::take(&mut *crossed[(n + 1) % 2].lock().unwrap());
                if stream.write_all(&others).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let session = SessionConfig::new(ms(10), ms(20)).unwrap();
    let target =
        |name: &str| Target::new(address.to_string().parse().unwrap(), session.clone()).named(name);
    let (logs, prober) = probing_both([target("good"), target("bad")]);
    for log in &logs.0 {
        log.until("replies to the other target", |seen| {
            seen.counts.unexpected >= 20
        })
        .await;
        // The numbers are the same on both connections; the times differ.
        log.see(|seen| assert_eq!(seen.counts.received, 0));
    }
    prober.stop().unwrap();
}
