//! Runs the echo server and the prober in one tokio runtime, and prints the counts and where
//! the slowest round trip took its time.
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
    Counts, Event, Excess, Observer, Prober, Sensor, Session, SessionConfig, Target, TargetSet,
};
use tcp_echo_server::{Server, ServerConfig};
use tokio::{sync::oneshot, time::sleep};

/// What happened to the only target.
#[derive(Clone, Copy, Default)]
struct Summary {
    counts: Counts,
    in_flight: usize,
    /// The round trip that exceeded the minimum most. The server stamps its replies on Linux.
    slowest: Option<Excess>,
}

#[derive(Clone, Default)]
struct Tally(Arc<Mutex<Summary>>);

impl Observer for Tally {
    type Sensor = Self;

    fn attach(&self, _target: &Target) -> Self {
        self.clone()
    }
}

impl Sensor for Tally {
    fn on_event(&mut self, event: &Event, session: &Session) {
        let mut summary = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (summary.counts, summary.in_flight) = (*session.counts(), session.in_flight());
        if let Event::Excess(excess) = event
            && summary
                .slowest
                .is_none_or(|slowest| total(&slowest) < total(excess))
        {
            summary.slowest = Some(*excess);
        }
    }
}

fn total(excess: &Excess) -> Duration {
    excess.prober + excess.forward + excess.peer + excess.reverse
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
    let Summary {
        counts,
        in_flight,
        slowest,
    } = *tally.0.lock().unwrap_or_else(PoisonError::into_inner);
    println!(
        "sent {} = received {} + timeouts {} + in flight {in_flight}",
        counts.sent, counts.received, counts.timeouts
    );
    if let Some(slowest) = slowest {
        println!("the slowest round trip exceeded the minimum by {slowest:?}");
    }
    println!("the server echoed {} bytes", stats.echoed_bytes());
    if counts.received == 0 {
        return Err("no replies".into());
    }
    if cfg!(target_os = "linux") && slowest.is_none() {
        return Err("no stamps of the server".into());
    }
    Ok(())
}
