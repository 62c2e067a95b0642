//! Sends the events of a target through a channel to another task. The channel is bounded: with a
//! slow reader, events are dropped, but probes are not delayed.
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

/// The name of a target, and its event.
type Message = (Arc<str>, Event);

struct EventSender(mpsc::Sender<Message>);

struct TargetEventSender {
    name: Arc<str>,
    sender: mpsc::Sender<Message>,
}

impl Observer for EventSender {
    type Sensor = TargetEventSender;

    fn attach(&self, target: &Target) -> TargetEventSender {
        TargetEventSender {
            name: target.name().clone(),
            sender: self.0.clone(),
        }
    }
}

impl Sensor for TargetEventSender {
    fn on_event(&mut self, event: &Event, _session: &Session) {
        // Never wait: a full channel must not delay the next probe.
        let _ = self.sender.try_send((self.name.clone(), event.clone()));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // A peer that closes the connection after ten replies.
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
        #[allow(unreachable_code, reason = "determines the type of the block")]
        Ok::<(), std::io::Error>(())
    });

    let session = SessionConfig::new(Duration::from_millis(5), Duration::from_millis(100))?;
    let target = Target::new(address.into(), session).named("forgetful");
    let (sender, mut events) = mpsc::channel(1024);
    let prober = Prober::builder()
        .observer(EventSender(sender))
        .targets(TargetSet::new([target])?)
        .start()?;

    let mut disconnects = 0;
    while disconnects < 3 {
        let Some((name, event)) = events.recv().await else {
            return Err("the prober ended".into());
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
                println!("{name}: reply to probe {seq} after {rtt:?}");
            }
            _ => {}
        }
    }
    prober.close().await?;
    peer.abort();
    Ok(())
}
