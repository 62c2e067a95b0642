//! Beginning, replacing and ending targets, and what comes of a sensor that panics.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tcp_echo_prober::{
    Event, Observer, Prober, ProberError, Sensor, Session, SessionConfig, Target, TargetSet,
};
use testkit::wait;

/// Long against what a test machine does to a thread.
const MOST: Duration = Duration::from_secs(20);

fn targets(n: usize, label: &str) -> TargetSet {
    let ms = Duration::from_millis;
    let session = SessionConfig::new(ms(10), ms(50)).unwrap();
    // Nothing listens there.
    let target = || Target::new("127.0.0.1:1".parse().unwrap(), session.clone());
    let named = |n: usize| target().named(format!("t{n}")).with_label("l", label);
    TargetSet::new((0..n).map(named)).unwrap()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    wait::until(what, MOST, || is_so().then_some(())).unwrap();
}

/// Counts who is attached, and holds that no name is attached twice.
#[derive(Clone, Default)]
struct Present(Arc<Mutex<HashSet<String>>>, Arc<AtomicUsize>);

struct Here(Present, String);

impl Observer for Present {
    type Sensor = Here;

    fn attach(&self, target: &Target) -> Here {
        let name = target.name().to_string();
        let is_new = self.0.lock().unwrap().insert(name.clone());
        assert!(is_new, "{name} is attached twice");
        if target.labels()["l"] == "new" {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        Here(self.clone(), name)
    }
}

impl Sensor for Here {
    fn on_event(&mut self, _: &Event, _: &Session) {}
}

impl Drop for Here {
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
    assert!(
        prober.stop().is_ok(),
        "a second time there is nothing to do"
    );
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

fn is_told(error: &ProberError) {
    let text = error.to_string();
    assert!(
        text.contains("\"t1\"") && text.contains("a bug of the embedder's"),
        "{text}"
    );
}

#[tokio::test]
async fn a_sensor_that_panics_is_told_of() {
    let builder = || Prober::builder().observer(Panics).targets(targets(3, "l"));
    let prober = builder().start().unwrap();
    let error = tokio::time::timeout(MOST, prober.ended()).await.unwrap();
    is_told(&error);
    is_told(&prober.stop().unwrap_err());

    let run = builder().run(std::future::pending());
    let error = tokio::time::timeout(MOST, run).await.unwrap().unwrap_err();
    is_told(&error);
}

#[tokio::test]
async fn a_prober_that_is_well_does_not_end() {
    let prober = Prober::builder().targets(targets(3, "l")).start().unwrap();
    let ended = tokio::time::timeout(Duration::from_millis(200), prober.ended()).await;
    assert!(ended.is_err());
}
