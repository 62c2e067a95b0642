use std::time::Duration;

use tcp_echo_prober::{ConnectFailure, Observer as _, Sensor as _, Session, SessionConfig, Target};
use tcp_echo_session::{Output, Time};
use tcp_echo_wire::UnixNanos;

use super::*;
use crate::{TargetMetrics, TargetSensor};

const INTERVAL: Duration = Duration::from_millis(200);

/// A target in virtual time.
struct Probed {
    history: History,
    sensor: TargetSensor,
    session: Session,
    now: Instant,
}

impl Probed {
    fn new() -> Self {
        let config = SessionConfig::new(INTERVAL, INTERVAL).unwrap();
        let target = Target::new("192.0.2.1:1".parse().unwrap(), config.clone());
        let metrics = TargetMetrics::new();
        let sensor = metrics.attach(&target);
        let now = Instant::now();
        Self {
            history: History::new(metrics, 1 << 20),
            sensor,
            session: Session::new(&config, now),
            now,
        }
    }

    fn connect(&mut self) {
        let address = "192.0.2.1:1".parse().unwrap();
        let event = self.session.handle_connected(self.now, address, INTERVAL);
        self.sensor.on_event(&event, &self.session);
    }

    /// Advances by so many intervals before the next poll. No probe is answered.
    fn wake_after(&mut self, intervals: u32) {
        self.now += INTERVAL * intervals;
        loop {
            let (at, wall) = (self.now, UnixNanos(0));
            let event = match self.session.poll(Time { at, wall }) {
                Output::Event(event) => event,
                Output::Transmit(_) => self.session.handle_transmitted(at).unwrap(),
                Output::Close(reason) => self.session.handle_disconnected(reason),
                Output::Request(_) => continue,
                Output::Wait(_) => return,
            };
            self.sensor.on_event(&event, &self.session);
        }
    }

    /// Its health and the text of its loss.
    fn seen(&self) -> (Health, String) {
        let view = View::of(&self.history);
        (view.rows[0].health, view.rows[0].cells().loss.clone())
    }
}

#[test]
fn a_busy_host_makes_no_target_lossy() {
    let mut probed = Probed::new();
    probed.connect();
    // Most slots passed while it did not run, and one probe is in flight.
    probed.wake_after(10);
    let (health, loss) = probed.seen();
    assert_eq!((health, &*loss), (Health::Missed, "100 % (100 % missed)"));
    // That probe times out, which is the target's fault.
    probed.wake_after(1);
    let (health, loss) = probed.seen();
    assert_eq!(health, Health::Down, "{loss}");
    assert!(
        loss.starts_with("100 % (") && loss.ends_with(" missed)"),
        "{loss}"
    );
}

#[test]
fn slots_missed_by_this_host_have_their_own_state() {
    let mut probed = Probed::new();
    // As without file descriptors, before anything is known of the target.
    probed.session.handle_out_of_resources(probed.now);
    probed.wake_after(4);
    let (health, loss) = probed.seen();
    assert_eq!((health, &*loss), (Health::Missed, "100 % (100 % missed)"));
    assert_eq!(health.as_str(), "missed");
    // Then there is a descriptor, but the peer refuses.
    let reason = ConnectFailure::Refused;
    let event = probed.session.handle_connect_failed(probed.now, reason);
    probed.sensor.on_event(&event, &probed.session);
    probed.wake_after(1);
    let (health, loss) = probed.seen();
    assert_eq!((health, &*loss), (Health::Down, "100 % (83 % missed)"));
}
