//! Measurements stay correct when the thread of the prober is paused, when slots are late, and when
//! a target is added later.
// Elsewhere timers are too coarse, and kernels give no receive stamps.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use common::{Log, frame, ms, peer};
use tcp_echo_prober::{
    Event, Hello, Observer, Options, Prober, Sensor, Session, SessionConfig, Target, TargetSet,
    UnsentReason,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, sleep_until, timeout},
};

/// An observer that blocks the prober's thread once, after a number of events of one kind.
struct Pause {
    at: fn(&Event) -> bool,
    events: u32,
    length: Duration,
}

impl Observer for Pause {
    type Sensor = Self;

    fn attach(&self, _: &Target) -> Self {
        Self { ..*self }
    }
}

impl Sensor for Pause {
    fn on_event(&mut self, event: &Event, _: &Session) {
        if (self.at)(event) && self.events > 0 {
            self.events -= 1;
            if self.events == 0 {
                thread::sleep(self.length);
            }
        }
    }
}

/// Echoes everything after `delay`.
async fn echo_after(stream: TcpStream, delay: Duration) {
    let (mut from, mut to) = stream.into_split();
    let under_way = Arc::new(Mutex::new(VecDeque::new()));
    let queue = under_way.clone();
    let back = tokio::spawn(async move {
        loop {
            let next = queue.lock().unwrap().pop_front();
            let Some((due, bytes)) = next else {
                sleep(ms(1)).await;
                continue;
            };
            sleep_until(due).await;
            let bytes: Vec<u8> = bytes;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = [0; 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        let due = Instant::now() + delay;
        let bytes = buffer[..len].to_vec();
        under_way.lock().unwrap().push_back((due.into(), bytes));
    }
    back.abort();
}

/// All replies that arrived while the thread was paused are read before a probe times out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_is_longer_than_the_timeout() {
    // All probes in flight fit into the socket buffer. Replies beyond it would really be late.
    const PATH: Duration = ms(600);
    const INTERVAL: Duration = Duration::from_micros(300);
    let address = peer(|stream, _| echo_after(stream, PATH)).await;
    let session = SessionConfig::new(INTERVAL, ms(1500)).unwrap();
    let target = Target::new(address.to_string().parse().unwrap(), session);
    let log = Log::default();
    let pause = Pause {
        at: |event| matches!(event, Event::Received { .. }),
        events: 1000,
        length: ms(2200),
    };
    let prober = Prober::builder()
        .observer((log.clone(), pause))
        .targets(TargetSet::new([target]).unwrap())
        .start()
        .unwrap();
    log.until("the pause and what follows", |seen| {
        seen.counts.unsent(UnsentReason::Overrun) > 5000 && seen.counts.received > 5000
    })
    .await;
    prober.stop().unwrap();
    log.see(|seen| {
        assert_eq!((seen.counts.timeouts, seen.counts.late), (0, 0));
        // One poll does not read this many.
        let waited = |event: &Event| {
            matches!(event, Event::Received { host_delay: Some(delay), .. } if *delay > ms(500))
        };
        assert!(seen.count(waited) > 1024, "{}", seen.count(waited));
    });
}

/// Spins after each frame, so that adjacent stamps differ, and records the time.
#[derive(Clone, Default)]
struct Writes {
    all: Arc<Mutex<Vec<Write>>>,
    /// Slots since the last write.
    skipped: u32,
}

struct Write {
    lateness: Duration,
    /// Slots since the write before, such as overruns on a loaded machine.
    skipped: u32,
    /// By the realtime clock, after the write.
    written: Duration,
}

const SPIN: Duration = Duration::from_micros(100);

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

impl Observer for Writes {
    type Sensor = Self;

    fn attach(&self, _: &Target) -> Self {
        self.clone()
    }
}

impl Sensor for Writes {
    fn on_event(&mut self, event: &Event, _: &Session) {
        if let Event::Unsent { slots, .. } = event {
            self.skipped += u32::try_from(*slots).unwrap();
        } else if let Event::Sent { lateness, .. } = event {
            let start = Instant::now();
            while start.elapsed() < SPIN {}
            self.all.lock().unwrap().push(Write {
                lateness: *lateness,
                skipped: std::mem::take(&mut self.skipped),
                written: wall(),
            });
        }
    }
}

/// Slots that are sent late, in a burst, have the times of their own writes.
#[tokio::test]
async fn every_frame_of_a_burst_has_its_own_stamp() {
    let stamps = Arc::new(Mutex::new(Vec::new()));
    let seen = stamps.clone();
    let address = peer(move |mut stream, _| {
        let stamps = stamps.clone();
        async move {
            while let Some(frame) = frame(&mut stream).await {
                let stamp = i64::from_le_bytes(frame[8..].try_into().unwrap());
                stamps.lock().unwrap().push(stamp);
                if stream.write_all(&frame).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let interval = ms(1);
    let session = SessionConfig::new(interval, ms(800)).unwrap();
    let target = Target::new(address.to_string().parse().unwrap(), session);
    let log = Log::default();
    let writes = Writes::default();
    let pause = Pause {
        at: |event| matches!(event, Event::Received { .. }),
        events: 20,
        length: ms(20),
    };
    let mut options = Options::default();
    // Every frame is a probe.
    options.hello = Hello::Off;
    let prober = Prober::builder()
        .options(options)
        .observer((log.clone(), (writes.clone(), pause)))
        .targets(TargetSet::new([target]).unwrap())
        .start()
        .unwrap();
    log.until("a burst", |seen| seen.counts.received > 60).await;
    prober.stop().unwrap();

    let (stamps, writes) = (seen.lock().unwrap(), writes.all.lock().unwrap());
    let mut burst = 0;
    for (n, pair) in writes.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        let Some(stamp) = stamps.get(n + 1) else {
            break;
        };
        let stamp = Duration::from_nanos((*stamp).try_into().unwrap());
        assert!(stamp >= before.written, "probe {}", n + 2);
        // The next slot was due by then, so its frame followed at once.
        if before.lateness > interval {
            burst += 1;
            let due_between = interval * (1 + after.skipped);
            let between = (after.lateness + due_between).checked_sub(before.lateness);
            assert!(between >= Some(SPIN), "probe {}: {between:?}", n + 2);
        }
    }
    assert!(burst >= 3, "no burst: {burst}");
}

/// A target that is added to a running prober has the time of its first handshake, like those that
/// were there from the start.
#[tokio::test]
async fn a_target_that_comes_later_has_its_first_handshake_free() {
    // It is added later than this after the prober's start.
    const TIMEOUT: Duration = ms(600);
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // No handshake ends: a listener whose queue is full drops what would open a connection.
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = timeout(ms(200), TcpStream::connect(address)).await {
        queue.push(stream);
    }
    let log = Log::default();
    let prober = Prober::builder().observer(log.clone()).start().unwrap();
    sleep(TIMEOUT + ms(100)).await;
    let session = SessionConfig::new(ms(10), TIMEOUT).unwrap();
    let target = Target::new(address.to_string().parse().unwrap(), session);
    let added = Instant::now();
    let _ = prober.apply(TargetSet::new([target]).unwrap());
    log.until("slots", |seen| seen.counts.slots > 0).await;
    prober.stop().unwrap();
    log.see(|seen| {
        let unsent = |event: &Event| matches!(event, Event::Unsent { .. });
        let (at, _) = seen.events.iter().find(|(_, event)| unsent(event)).unwrap();
        let free = *at - added;
        assert!(free >= TIMEOUT, "{free:?}");
    });
    drop(listener);
}
