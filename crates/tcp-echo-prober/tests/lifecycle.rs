//! Starting, replacing and stopping targets, by one handle or several, and sensors that panic.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use tcp_echo_prober::{
    ApplyError, AskError, Event, Handle, Observer, OnDemand, OnDemandLimits, Prober, ProberError,
    Sensor, Session, SessionConfig, StopError, Target, TargetSet,
};
use testkit::wait;
use tokio::time::timeout;

/// Much longer than a loaded test machine delays a thread.
const DEADLINE: Duration = Duration::from_secs(20);

/// The maximum time in which a prober ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

fn targets(n: usize, label: &str) -> TargetSet {
    let ms = Duration::from_millis;
    let session = SessionConfig::new(ms(10), ms(50)).unwrap();
    // Nothing listens there.
    let target = || Target::new("127.0.0.1:1".parse().unwrap(), session.clone());
    let named = |n: usize| target().named(format!("t{n}")).with_label("l", label);
    TargetSet::new((0..n).map(named)).unwrap()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    wait::until(what, DEADLINE, || condition().then_some(())).unwrap();
}

/// Counts the attached sensors, and asserts that no name is attached twice.
#[derive(Clone, Default)]
struct Present(Arc<Mutex<HashSet<String>>>, Arc<AtomicUsize>);

struct PresentSensor(Present, String);

impl Present {
    fn names(&self) -> HashSet<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Present {
    type Sensor = PresentSensor;

    fn attach(&self, target: &Target) -> PresentSensor {
        let name = target.name().to_string();
        let is_new = self.0.lock().unwrap().insert(name.clone());
        assert!(is_new, "{name} is attached twice");
        if target.labels()["l"] == "new" {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        PresentSensor(self.clone(), name)
    }
}

impl Sensor for PresentSensor {
    fn on_event(&mut self, _: &Event, _: &Session) {}
}

impl Drop for PresentSensor {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().remove(&self.1);
    }
}

#[test]
fn all_are_replaced_at_once_and_each_when_its_predecessor_is_gone() {
    let present = Present::default();
    let prober = Prober::builder()
        .observer(present.clone())
        .targets(targets(1000, "old"))
        .start()
        .unwrap();
    until("all are attached", || {
        present.0.lock().unwrap().len() == 1000
    });
    for _ in 0..10 {
        let _ = prober.apply(targets(1000, "other"));
        let _ = prober.apply(targets(1000, "new"));
    }
    until("all are replaced", || {
        present.1.load(Ordering::Relaxed) >= 1000 && present.0.lock().unwrap().len() == 1000
    });
    let _ = prober.apply(TargetSet::default());
    let _ = prober.apply(targets(3, "new"));
    until("few are left", || present.0.lock().unwrap().len() == 3);
    prober.stop().unwrap();
    assert!(present.0.lock().unwrap().is_empty());
    assert!(prober.stop().is_ok(), "a second call returns the same");
}

#[test]
fn a_handle_is_shared_between_threads() {
    fn is_shared<T: Clone + Send + Sync + 'static>() {}
    is_shared::<Handle>();

    let present = Present::default();
    let observer = present.clone();
    let prober = Prober::builder().observer(observer).start().unwrap();
    thread::scope(|scope| {
        for n in [3, 5] {
            let prober = prober.clone();
            scope.spawn(move || {
                for _ in 0..500 {
                    let _ = prober.apply(targets(n, "new")).unwrap();
                    let _ = prober.apply(targets(1, "other")).unwrap();
                }
                let _ = prober.apply(targets(n, "new")).unwrap();
            });
        }
    });
    let last = prober.targets();
    let last: HashSet<_> = last.iter().map(|one| one.name().to_string()).collect();
    assert!([3, 5].contains(&last.len()));
    until("the last set is probed", || present.names() == last);
    drop(prober);
    assert!(present.names().is_empty(), "the last handle stops it");
}

/// An address whose handshakes hang: its queue of connections is full.
#[cfg(target_os = "linux")]
async fn hanging() -> (std::net::SocketAddr, impl Sized) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    let connect = || tokio::net::TcpStream::connect(address);
    while let Ok(stream) = timeout(Duration::from_millis(300), connect()).await {
        queued.push(stream.unwrap());
    }
    (address, (listener, queued))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn closing_waits_for_no_handshake() {
    let (address, _full) = hanging().await;
    let session = SessionConfig::new(Duration::from_millis(10), DEADLINE).unwrap();
    let target = |n| Target::new(address.into(), session.clone()).named(format!("t{n}"));
    let target = |n| target(n).with_label("l", "new");
    let present = Present::default();
    let prober = Prober::builder()
        .observer(present.clone())
        .targets(TargetSet::new((0..50).map(target)).unwrap())
        .start()
        .unwrap();
    until("all are attached", || present.names().len() == 50);
    timeout(STOP_TIMEOUT, prober.close())
        .await
        .unwrap()
        .unwrap();
    assert!(present.names().is_empty());
}

#[tokio::test]
async fn a_prober_is_idle_once_all_has_ended() {
    let present = Present::default();
    let prober = Prober::builder()
        .observer(present.clone())
        .targets(targets(100, "new"))
        .threads(3.try_into().unwrap())
        .start()
        .unwrap();
    until("all are attached", || present.names().len() == 100);
    let early = timeout(Duration::from_millis(50), prober.wait_idle()).await;
    assert!(early.is_err(), "it was not stopped yet");

    let closing = prober.clone();
    let closing = tokio::spawn(async move { closing.close().await });
    timeout(DEADLINE, prober.wait_idle()).await.unwrap();
    assert!(present.names().is_empty());
    closing.await.unwrap().unwrap();
    prober.closed().await.unwrap();
    let refused = prober.apply(targets(1, "new"));
    assert!(matches!(refused, Err(ApplyError::Stopped)), "{refused:?}");
    assert!(prober.targets().is_empty());
}

/// Panics at the first event of one target.
struct Panics;

struct PanicsAt(bool);

impl Observer for Panics {
    type Sensor = PanicsAt;

    fn attach(&self, target: &Target) -> PanicsAt {
        PanicsAt(&**target.name() == "t1")
    }
}

impl Sensor for PanicsAt {
    fn on_event(&mut self, _: &Event, _: &Session) {
        assert!(!self.0, "a bug of the embedder's");
    }
}

fn names_the_panic(error: &ProberError) {
    let text = error.to_string();
    assert!(
        text.contains("\"t1\"") && text.contains("a bug of the embedder's"),
        "{text}"
    );
}

#[tokio::test]
async fn a_sensor_that_panics_ends_the_prober() {
    let on_demand = OnDemand::new(OnDemandLimits {
        networks: "127.0.0.0/8".parse().unwrap(),
        idle: DEADLINE,
        max: 10,
    });
    let builder = || Prober::builder().observer(Panics).targets(targets(9, "l"));
    let prober = builder()
        .threads(3.try_into().unwrap())
        .on_demand(on_demand.clone())
        .start()
        .unwrap();
    let closed = timeout(DEADLINE, prober.closed()).await.unwrap();
    names_the_panic(&closed.unwrap_err());
    // So do the threads whose sensors do not panic.
    timeout(DEADLINE, prober.wait_idle()).await.unwrap();
    match prober.apply(targets(1, "l")) {
        Err(ApplyError::Failed(error)) => names_the_panic(&error),
        other => panic!("{other:?}"),
    }
    let session = SessionConfig::new(DEADLINE, DEADLINE).unwrap();
    let asked = on_demand.ask("127.0.0.1:1".parse().unwrap(), session, None);
    assert!(matches!(asked.await, Err(AskError::Ended)));
    names_the_panic(&prober.close().await.unwrap_err());
    match prober.stop() {
        Err(StopError::Failed(error)) => names_the_panic(&error),
        other => panic!("{other:?}"),
    }

    let run = builder().run(std::future::pending());
    let error = timeout(DEADLINE, run).await.unwrap().unwrap_err();
    names_the_panic(&error);
}

#[tokio::test]
async fn a_prober_without_a_panic_does_not_end() {
    let prober = Prober::builder().targets(targets(3, "l")).start().unwrap();
    let closed = timeout(Duration::from_millis(200), prober.closed()).await;
    assert!(closed.is_err());
}

/// Drops the last handle inside a sensor, and sends how long that took.
struct DropsHandle(mpsc::Sender<Duration>, Arc<Mutex<Option<Handle>>>);

struct DropsHandleOnce(mpsc::Sender<Duration>, Arc<Mutex<Option<Handle>>>);

impl Observer for DropsHandle {
    type Sensor = DropsHandleOnce;

    fn attach(&self, _: &Target) -> DropsHandleOnce {
        DropsHandleOnce(self.0.clone(), self.1.clone())
    }
}

impl Sensor for DropsHandleOnce {
    fn on_event(&mut self, _: &Event, _: &Session) {
        let started = Instant::now();
        if let Some(handle) = self.1.lock().unwrap().take() {
            drop(handle);
            self.0.send(started.elapsed()).unwrap();
        }
    }
}

#[test]
fn a_sensor_may_drop_the_last_handle() {
    let (sender, times) = mpsc::channel();
    let handle = Arc::default();
    let prober = Prober::builder()
        .observer(DropsHandle(sender, Arc::clone(&handle)))
        .targets(targets(1, "l"))
        .start()
        .unwrap();
    *handle.lock().unwrap() = Some(prober);
    let waited = times.recv_timeout(DEADLINE).unwrap();
    assert!(waited < STOP_TIMEOUT, "its thread has waited for itself");
    // The observer is dropped with the thread.
    let ended = times.recv_timeout(DEADLINE);
    assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
}
