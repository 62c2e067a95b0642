//! A grid of wake-ups delays probes and events by up to its window, and changes no RTT.
// Elsewhere kernels have no receive timestamps.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::time::Duration;

use common::{Log, echo, ms, peer};
use tcp_echo_prober::{
    Coalesce, Event, Options, Prober, SessionConfig, Target, TargetSet, Timestamps,
};

const WINDOW: Duration = ms(10);
const PROBES: usize = 600;

/// The medians over many probes.
struct Medians {
    rtt: Duration,
    host_delay: Option<Duration>,
    lateness: Duration,
}

/// Probes with this window.
async fn probe(coalesce: Coalesce, timestamps: Timestamps) -> Medians {
    let address = peer(|stream, _| echo(stream)).await;
    let session = SessionConfig::new(4 * WINDOW, ms(2000)).unwrap();
    let target = |n| {
        let address = address.to_string().parse().unwrap();
        Target::new(address, session.clone()).named(format!("target-{n}"))
    };
    let mut options = Options::default();
    options.timestamps = timestamps;
    let log = Log::default();
    let prober = Prober::builder()
        .observer(log.clone())
        .options(options)
        .coalesce(coalesce)
        .targets(TargetSet::new((0..20).map(target)).unwrap())
        .start()
        .unwrap();
    let received = |event: &Event| matches!(event, Event::Received { .. });
    log.until("replies", |seen| seen.count(received) >= PROBES)
        .await;
    prober.stop().unwrap();
    log.see(|seen| {
        let (mut rtts, mut delays, mut lates) = (Vec::new(), Vec::new(), Vec::new());
        for (_, event) in &seen.events {
            match event {
                Event::Received {
                    rtt, host_delay, ..
                } => {
                    rtts.push(*rtt);
                    delays.extend(*host_delay);
                }
                Event::Sent { lateness, .. } => lates.push(*lateness),
                _ => {}
            }
        }
        Medians {
            rtt: median(rtts).unwrap(),
            host_delay: median(delays),
            lateness: median(lates).unwrap(),
        }
    })
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_wait_for_the_grid_and_rtts_do_not() {
    let grid = probe(Coalesce::Every(WINDOW), Timestamps::Kernel).await;
    // A reply arrives right after its probe and is read a window later; slots are anywhere in
    // a window.
    let waited = grid.host_delay.unwrap();
    assert!(waited > WINDOW / 2, "{waited:?}");
    assert!(grid.lateness > WINDOW / 5, "{:?}", grid.lateness);
    assert!(grid.rtt < waited / 3, "{:?} and {waited:?}", grid.rtt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_timestamps_there_is_no_grid() {
    let user = probe(Coalesce::Every(WINDOW), Timestamps::User).await;
    assert_eq!(user.host_delay, None);
    assert!(user.rtt < WINDOW / 2, "{:?}", user.rtt);
}
