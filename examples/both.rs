//! Runs the echo server and the prober in one tokio runtime, and prints the counts.
//!
//! ```text
//! cargo run --example both
//! ```

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tcp_echo_prober::{
    Counts, Event, Observer, Prober, Sensor, Session, SessionConfig, Target, TargetSet,
};
use tcp_echo_server::{Server, ServerConfig};
use tokio::{sync::oneshot, time::sleep};

/// The counts of the only target.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<(Counts, usize)>>);

impl Observer for Tally {
    type Sensor = Self;

    fn attach(&self, _target: &Target) -> Self {
        self.clone()
    }
}

impl Sensor for Tally {
    fn on_event(&mut self, _event: &Event, session: &Session) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            (*session.counts(), session.in_flight());
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::bind(&"127.0.0.1:0".parse()?, ServerConfig::default()).await?;
    let (address, stats) = (server.local_addr(), server.stats());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async { drop(stopped.await) }));

    let every_5_ms = SessionConfig::new(Duration::from_millis(5), Duration::from_millis(100))?;
    let tally = Tally::default();
    Prober::builder()
        .observer(tally.clone())
        .targets(TargetSet::new([Target::new(address.into(), every_5_ms)])?)
        .run(sleep(Duration::from_secs(1)))
        .await?;

    drop(stop);
    serving.await??;
    let (counts, in_flight) = *tally.0.lock().unwrap_or_else(PoisonError::into_inner);
    println!(
        "sent {} = received {} + timeouts {} + in flight {in_flight}",
        counts.sent, counts.received, counts.timeouts
    );
    println!("the server echoed {} bytes", stats.echoed_bytes());
    if counts.received == 0 {
        return Err("no replies".into());
    }
    Ok(())
}
