//! Scrapes stay consistent while the target is probed far faster than in practice.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use common::{BUILD, Driven, TIMEOUT, get, serve, target};
use tcp_echo_exporter::{Endpoints, TargetMetrics};

/// In how many scrapes the target must have changed since the previous one.
const MOVED: u32 = 100;

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_scrape_sees_one_moment() {
    let metrics = TargetMetrics::new();
    let done = Arc::new(AtomicBool::new(false));
    let prober = std::thread::spawn({
        let (metrics, done) = (metrics.clone(), Arc::clone(&done));
        move || {
            let mut driven = Driven::attach(&metrics, &target(":4000"));
            driven.connect("127.0.0.1:4000");
            for round in 1_u32.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                driven.send();
                driven.send();
                driven.reply(Duration::from_nanos(900 * u64::from(round % 1000)));
                if round % 5 == 0 {
                    driven.wait(TIMEOUT);
                    driven.poll();
                    driven.reply(Duration::from_micros(2));
                }
                driven.reply(Duration::from_micros(1));
                // Bursts with gaps, as in practice; a read needs a gap.
                let burst = Instant::now();
                while burst.elapsed() < Duration::from_micros(20) {
                    std::hint::spin_loop();
                }
            }
        }
    });
    let (address, _tasks) = serve(Endpoints::new(BUILD).with_targets(metrics)).await;
    let (mut last_sent, mut moved) = (0, 0);
    let start = Instant::now();
    while moved < MOVED {
        assert!(start.elapsed() < DEADLINE, "{moved} scrapes saw it move");
        let answer = get(address, "/metrics").await;
        let value = |name: &str| -> Option<u64> {
            let series = format!("tcp_echo_{name}{{target=\":4000\"");
            let mut lines = answer.text().lines();
            let line = lines.find(|line| line.starts_with(&series))?;
            line.rsplit_once(' ')?.1.parse().ok()
        };
        let Some(sent) = value("sent_total") else {
            continue;
        };
        let received = value("received_total").unwrap();
        let others = value("timeouts_total").unwrap() + value("in_flight").unwrap();
        assert_eq!(sent, received + others);
        assert_eq!(value("rtt_seconds_count").unwrap(), received);
        assert_eq!(value("send_lateness_seconds_count").unwrap(), sent);
        moved += u32::from(sent > last_sent);
        last_sent = sent;
    }
    done.store(true, Ordering::Relaxed);
    prober.join().unwrap();
}
