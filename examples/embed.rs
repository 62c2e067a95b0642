//! Embeds the prober in a program without an asynchronous runtime, with an observer that keeps
//! the slowest round trip of each target.
//!
//! ```text
//! cargo run --example embed [HOST:PORT ...]
//! ```
//!
//! Without arguments, it starts an echo server and probes it.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tcp_echo_prober::{Event, Observer, Prober, Sensor, Session, SessionConfig, Target, TargetSet};

/// The slowest round trip of each target, by name.
#[derive(Clone, Default)]
struct Slowest(Arc<Mutex<BTreeMap<String, Duration>>>);

/// The slowest round trip of one target. It updates the map only on a change.
struct SlowestOfOne {
    name: String,
    slowest: Duration,
    all: Slowest,
}

impl Observer for Slowest {
    type Sensor = SlowestOfOne;

    fn attach(&self, target: &Target) -> SlowestOfOne {
        SlowestOfOne {
            name: target.name().to_string(),
            slowest: Duration::ZERO,
            all: self.clone(),
        }
    }
}

impl Sensor for SlowestOfOne {
    fn on_event(&mut self, event: &Event, _session: &Session) {
        if let Event::Received { rtt, .. } = event
            && *rtt > self.slowest
        {
            self.slowest = *rtt;
            let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(self.name.clone(), *rtt);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut addresses: Vec<String> = env::args().skip(1).collect();
    if addresses.is_empty() {
        addresses.push(start_echo()?.to_string());
    }

    let every_10_ms = SessionConfig::new(Duration::from_millis(10), Duration::from_millis(800))?;
    let targets = addresses
        .iter()
        .map(|address| Ok(Target::new(address.parse()?, every_10_ms.clone())))
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;

    let slowest = Slowest::default();
    let prober = Prober::builder()
        .observer(slowest.clone())
        .targets(TargetSet::new(targets)?)
        .start()?;
    thread::sleep(Duration::from_secs(1));
    prober.stop()?;

    let slowest = slowest.0.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, rtt) in slowest.iter() {
        println!("{name}: slowest round trip {rtt:?}");
    }
    if slowest.len() < addresses.len() {
        return Err("some targets have not replied".into());
    }
    Ok(())
}

/// Starts a plain echo server.
fn start_echo() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        let (mut peer, _) = listener.accept()?;
        // Otherwise a reply may wait for the acknowledgement of the previous one.
        peer.set_nodelay(true)?;
        let mut frame = [0; 16];
        loop {
            peer.read_exact(&mut frame)?;
            peer.write_all(&frame)?;
        }
        #[allow(unreachable_code, reason = "determines the type of the closure")]
        Ok::<(), std::io::Error>(())
    });
    Ok(address)
}
