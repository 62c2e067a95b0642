//! Sends what happens to a target down a channel, so that another task can take its
//! time with it. The channel is bounded: a slow reader loses events, never probes.
//!
//! ```text
//! cargo run --example channel
//! ```

use std::{error::Error, sync::Arc, time::Duration};

use tcp_echo_prober::{Event, Observer, Prober, Sensor, Session, SessionConfig, Target, TargetSet};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

/// What goes down the channel: whose event it is, and the event.
type Message = (Arc<str>, Event);

struct Outlet(mpsc::Sender<Message>);

struct TargetOutlet {
    name: Arc<str>,
    outlet: mpsc::Sender<Message>,
}

impl Observer for Outlet {
    type Sensor = TargetOutlet;

    fn attach(&self, target: &Target) -> TargetOutlet {
        TargetOutlet {
            name: target.name().clone(),
            outlet: self.0.clone(),
        }
    }
}

impl Sensor for TargetOutlet {
    fn on_event(&mut self, event: &Event, _session: &Session) {
        // A full channel must not hold up the next probe.
        let _ = self.outlet.try_send((self.name.clone(), event.clone()));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // A peer that hangs up after ten replies.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let peer = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let mut frame = [0; 16];
            for _ in 0..10 {
                stream.read_exact(&mut frame).await?;
                stream.write_all(&frame).await?;
            }
        }
        #[allow(unreachable_code, reason = "it gives the block its type")]
        Ok::<(), std::io::Error>(())
    });

    let session = SessionConfig::new(Duration::from_millis(5), Duration::from_millis(100))?;
    let target = Target::new(address.into(), session).named("forgetful");
    let (outlet, mut events) = mpsc::channel(1024);
    let prober = Prober::builder()
        .observer(Outlet(outlet))
        .targets(TargetSet::new([target])?)
        .start()?;

    let mut disconnects = 0;
    while disconnects < 3 {
        let Some((name, event)) = events.recv().await else {
            return Err("the prober has ended".into());
        };
        match event {
            Event::Connected { address, handshake } => {
                println!("{name}: connected to {address} in {handshake:?}");
            }
            Event::Disconnected { reason } => {
                println!("{name}: disconnected: {reason}");
                disconnects += 1;
            }
            Event::Received { seq, rtt, .. } => {
                println!("{name}: probe {seq} came back in {rtt:?}");
            }
            _ => {}
        }
    }
    prober.close().await?;
    peer.abort();
    Ok(())
}
