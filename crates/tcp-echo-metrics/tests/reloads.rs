//! Targets that go leave nothing behind: however many have been, the parts of the program have
//! as many bytes from the allocator as before. (What the allocator has from the system is its own
//! affair, and more, until it has found room for what comes and goes.)
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::alloc::System;
use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tcp_echo_exporter::{BuildInfo, Endpoints, Exporter, TargetMetrics};
use tcp_echo_prober::{Event, Observer, Prober, Sensor, Session, Target};
use tcp_echo_server::{Server, ServerConfig, ServerStats};
use tcp_echo_targets::{Config, Defaults, FilePattern, Handle, Source};
use testkit::http::get;
use testkit::wait::until_async;
use tokio::task::{JoinSet, spawn_blocking};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Targets that stay, and those that others take the place of at each reload.
const STEADY: usize = 10;
const CHANGED: usize = 20;
/// Reloads from one look at the heap to the next.
const RELOADS: usize = 25;
/// Looks in each third of the time.
const SAMPLES: usize = 5;

/// How many targets there are whose probes are answered.
#[derive(Clone, Default)]
struct Answered(Arc<AtomicUsize>);

struct One {
    answered: bool,
    all: Answered,
}

impl Observer for Answered {
    type Sensor = One;

    fn attach(&self, _: &Target) -> One {
        One {
            answered: false,
            all: self.clone(),
        }
    }
}

impl Sensor for One {
    fn on_event(&mut self, event: &Event, _: &Session) {
        if matches!(event, Event::Received { .. }) && !self.answered {
            self.answered = true;
            self.all.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.all
            .0
            .fetch_sub(usize::from(self.answered), Ordering::Relaxed);
    }
}

/// The parts of the program, at work.
struct Parts {
    file: PathBuf,
    peer: SocketAddr,
    metrics: SocketAddr,
    source: Handle,
    answered: Answered,
    stats: Arc<ServerStats>,
    reloaded: usize,
}

/// Names of one length, all different.
fn write(file: &Path, peer: SocketAddr, reload: usize) {
    let target = |name: String| format!("{{\"name\": \"{name}\", \"address\": \"{peer}\"}}");
    let steady = (0..STEADY).map(|n| target(format!("steady-{n:03}")));
    let changed = (0..CHANGED).map(|n| target(format!("changed-{reload:05}-{n:03}")));
    let list: Vec<_> = steady.chain(changed).collect();
    fs::write(file, format!("[{}]", list.join(","))).unwrap();
}

impl Parts {
    /// Reloads so often, lets everything come to rest, and gives the bytes on the heap.
    async fn heap_after_reloads(&mut self) -> usize {
        for _ in 0..RELOADS {
            self.reloaded += 1;
            write(&self.file, self.peer, self.reloaded);
            self.source.reload().await.unwrap();
            let metrics = self.metrics;
            spawn_blocking(move || get(metrics, "/metrics").unwrap())
                .await
                .unwrap();
        }
        let all = STEADY + CHANGED;
        until_async("rest", Duration::from_secs(20), || {
            let answered = self.answered.0.load(Ordering::Relaxed);
            (answered == all && self.stats.connections() == all as u64).then_some(())
        })
        .await
        .unwrap();
        // It forgets the history of those that went.
        let metrics = self.metrics;
        spawn_blocking(move || get(metrics, "/api/v1/targets").unwrap())
            .await
            .unwrap();
        let mut least = usize::MAX;
        // A request's connection may take a moment more, and a probe comes and goes.
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let heap = ALLOCATOR.stats();
            least = least.min(heap.bytes_allocated - heap.bytes_deallocated);
        }
        least
    }
}

#[tokio::test]
async fn targets_that_go_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.json");
    let anywhere = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(&anywhere, ServerConfig::default())
        .await
        .unwrap();
    let (peer, stats) = (server.local_addr(), server.stats());
    write(&file, peer, 0);
    let defaults = Defaults {
        interval: Duration::from_millis(5),
        timeout: Duration::from_secs(1),
        window: 100.try_into().unwrap(),
        stall: None,
        is_adaptive: false,
        flows: NonZeroU16::MIN,
    };
    let mut config = Config::new(defaults);
    config.files.push(FilePattern::new(&file).unwrap());
    let source = Source::load(config).unwrap();
    let (metrics, answered) = (TargetMetrics::new(), Answered::default());
    let prober = Prober::builder()
        .observer((metrics.clone(), answered.clone()))
        .threads(2.try_into().unwrap())
        .targets(source.targets().clone())
        .start()
        .unwrap();
    let build = BuildInfo {
        version: "1",
        revision: "1",
        rustversion: "1",
    };
    let router = Endpoints::new(build).with_targets(metrics).router();
    let exporter = Exporter::bind(&anywhere, router).await.unwrap();
    let mut parts = Parts {
        file,
        peer,
        metrics: exporter.local_addr(),
        source: source.handle(),
        answered,
        stats,
        reloaded: 0,
    };
    let prober = Arc::new(Mutex::new(prober));
    let applies = Arc::clone(&prober);
    let mut tasks = JoinSet::new();
    tasks.spawn(async { server.run(std::future::pending()).await.unwrap() });
    tasks.spawn(exporter.serve(std::future::pending()));
    tasks.spawn(async move {
        let run = source.run(move |targets| drop(applies.lock().unwrap().apply(targets)));
        match pin!(run).await {}
    });

    let mut heaps = Vec::new();
    for _ in 0..3 * SAMPLES {
        heaps.push(parts.heap_after_reloads().await);
    }
    // The first third is for what is made once and grows to its size.
    let [middle, last] = [1, 2].map(|third| {
        let mut heaps = heaps[third * SAMPLES..(third + 1) * SAMPLES].to_vec();
        heaps.sort_unstable();
        heaps[SAMPLES / 2]
    });
    // Not even as much as a pointer to each.
    let gone = SAMPLES * RELOADS * CHANGED;
    assert!(last < middle + 6 * gone, "{heaps:?}");
    tasks.shutdown().await;
}
