//! Peers, and an observer that records all events.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]
#![allow(unreachable_pub, reason = "it is a module of each test binary")]

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tcp_echo_prober::{
    Counts, Event, Observer, Options, Prober, Sensor, Session, SessionConfig, Target, TargetSet,
};
use testkit::wait::until_async;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The events of all targets so far.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Seen>>);

#[derive(Default)]
pub struct Seen {
    pub events: Vec<(Instant, Event)>,
    pub counts: Counts,
    pub in_flight: u64,
    pub loss: f64,
    pub attached: u32,
    pub detached: u32,
}

pub struct LogSensor(Log);

impl Observer for Log {
    type Sensor = LogSensor;

    fn attach(&self, _target: &Target) -> LogSensor {
        self.0.lock().unwrap().attached += 1;
        LogSensor(self.clone())
    }
}

impl Sensor for LogSensor {
    fn on_event(&mut self, event: &Event, session: &Session) {
        let mut seen = self.0.0.lock().unwrap();
        seen.events.push((Instant::now(), event.clone()));
        seen.counts = *session.counts();
        seen.in_flight = session.in_flight() as u64;
        seen.loss = session.loss_window().ratio();
        let counts = &seen.counts;
        assert_eq!(
            counts.sent,
            counts.received + counts.timeouts + seen.in_flight
        );
    }
}

impl Drop for LogSensor {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().detached += 1;
    }
}

impl Seen {
    pub fn count(&self, matches: impl Fn(&Event) -> bool) -> usize {
        self.events
            .iter()
            .filter(|(_, event)| matches(event))
            .count()
    }
}

impl Log {
    pub fn see<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.0.lock().unwrap())
    }

    pub fn count(&self, matches: impl Fn(&Event) -> bool) -> usize {
        self.see(|seen| seen.count(matches))
    }

    /// Waits for half a minute at most until something is seen: on a busy machine much takes long.
    pub async fn until(&self, what: &str, mut seen: impl FnMut(&Seen) -> bool) {
        let look = || self.see(&mut seen).then_some(());
        until_async(what, Duration::from_secs(30), look)
            .await
            .unwrap();
    }
}

/// Probes one address every 10 ms with a timeout of 20 ms while `test` runs.
pub async fn probing(address: &str, test: impl AsyncFnOnce(&Log)) {
    let session = SessionConfig::new(ms(10), ms(20)).unwrap();
    probing_as(Target::new(address.parse().unwrap(), session), test).await;
}

pub async fn probing_as(target: Target, test: impl AsyncFnOnce(&Log)) {
    probing_with(Options::default(), target, test).await;
}

pub async fn probing_with(options: Options, target: Target, test: impl AsyncFnOnce(&Log)) {
    let log = Log::default();
    let targets = TargetSet::new([target]).unwrap();
    let prober = Prober::builder()
        .options(options)
        .observer(log.clone())
        .targets(targets)
        .start()
        .unwrap();
    test(&log).await;
    let stopping = Instant::now();
    prober.stop().unwrap();
    assert!(
        stopping.elapsed() < Duration::from_secs(1),
        "it stops at once"
    );
    log.see(|seen| assert_eq!((seen.attached, seen.detached), (1, 1)));
}

/// A peer that handles each of its connections, the n-th as `n`, by `handle`.
pub async fn peer<F: Future<Output = ()> + Send + 'static>(
    handle: impl Fn(TcpStream, usize) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        for n in 0.. {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            stream.set_nodelay(true).unwrap();
            connections.spawn(handle(stream, n));
        }
    });
    address
}

pub async fn frame(stream: &mut TcpStream) -> Option<[u8; 16]> {
    let mut frame = [0; 16];
    stream.read_exact(&mut frame).await.ok().map(|_| frame)
}

/// Echoes until the end.
pub async fn echo(mut stream: TcpStream) {
    while let Some(frame) = frame(&mut stream).await {
        if stream.write_all(&frame).await.is_err() {
            return;
        }
    }
}
