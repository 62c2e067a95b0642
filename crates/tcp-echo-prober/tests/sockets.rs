//! More targets than sockets, over real loopback.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{echo, frame, ms, peer};
use tcp_echo_prober::{
    Builder, Event, Observer, OnDemand, OnDemandLimits, Options, Prober, Resolver, Sensor, Session,
    SessionConfig, SocketStats, Target, TargetSet, UnsentReason,
};
use testkit::wait::until_async;
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

/// The counts of each target.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, Counts>>>);

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    is_connected: bool,
    connects: u32,
    failures: u32,
    /// Unsent slots, without a socket and without a connection.
    resources: u64,
    disconnected: u64,
}

struct Of(Seen, String);

impl Observer for Seen {
    type Sensor = Of;

    fn attach(&self, target: &Target) -> Of {
        let name = target.name().to_string();
        self.0
            .lock()
            .unwrap()
            .insert(name.clone(), Counts::default());
        Of(self.clone(), name)
    }
}

impl Sensor for Of {
    fn on_event(&mut self, event: &Event, session: &Session) {
        let mut all = self.0.0.lock().unwrap();
        let seen = all.get_mut(&self.1).unwrap();
        seen.is_connected = session.is_connected();
        let unsent = |reason: UnsentReason| session.counts().unsent(reason);
        seen.resources = unsent(UnsentReason::Resources);
        seen.disconnected = unsent(UnsentReason::Disconnected);
        match event {
            Event::Connected { .. } => seen.connects += 1,
            Event::ConnectFailed { .. } => seen.failures += 1,
            _ => {}
        }
    }
}

impl Drop for Of {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().remove(&self.1);
    }
}

impl Seen {
    fn all(&self) -> BTreeMap<String, Counts> {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, name: &str) -> Counts {
        self.all().get(name).copied().unwrap_or_default()
    }

    fn connected(&self) -> Vec<String> {
        let all = self.all().into_iter();
        let connected = all.filter(|(_, seen)| seen.is_connected);
        connected.map(|(name, _)| name).collect()
    }

    async fn until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let look = || condition(self).then_some(());
        let seen = until_async(what, Duration::from_secs(10), look).await;
        assert!(seen.is_ok(), "not in time: {what}: {:?}", self.all());
    }
}

fn session() -> SessionConfig {
    SessionConfig::new(ms(10), ms(50)).unwrap()
}

fn target(name: &str, address: &impl ToString) -> Target {
    let address = address.to_string().parse().unwrap();
    Target::new(address, session()).named(name)
}

fn set(names: &[&str], address: SocketAddr) -> TargetSet {
    let targets = names.iter().map(|name| target(name, &address));
    TargetSet::new(targets).unwrap()
}

/// A prober with this number of sockets.
fn prober(sockets: usize, seen: &Seen, stats: &SocketStats) -> Builder<Seen> {
    let mut options = Options::default();
    options.max_sockets = NonZeroUsize::new(sockets);
    options.reconnect_max = ms(10);
    Prober::builder()
        .observer(seen.clone())
        .options(options)
        .socket_stats(stats.clone())
        .threads(2.try_into().unwrap())
}

/// Nothing listens there.
async fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn a_target_without_a_socket_waits_and_counts_its_slots() {
    let address = peer(|stream, _| echo(stream)).await;
    let (seen, stats) = <(Seen, SocketStats)>::default();
    let prober = prober(2, &seen, &stats)
        .targets(set(&["a", "b", "c"], address))
        .start()
        .unwrap();
    let mut waiting = String::new();
    seen.until("two are connected, one has none", |seen| {
        let without = seen.all().into_iter().find(|(_, one)| one.resources > 3);
        waiting = without.map_or_else(String::new, |(name, _)| name);
        !waiting.is_empty() && seen.connected().len() == 2
    })
    .await;
    assert_eq!(stats.targets_without_socket(), 1);
    let without = seen.of(&waiting);
    assert_eq!(
        (without.connects, without.failures, without.disconnected),
        (0, 0, 0),
        "it is no failure of the peer's: {without:?}"
    );

    // The socket of a removed target goes to the next one.
    let names = ["a", "b", "c"];
    let goes = names.into_iter().find(|name| *name != waiting).unwrap();
    let stay = names.into_iter().filter(|name| *name != goes);
    let stay = stay.collect::<Vec<_>>();
    let _ = prober.apply(set(&stay, address));
    seen.until("the one that waited is connected", |seen| {
        seen.connected() == stay
    })
    .await;
    assert_eq!(stats.targets_without_socket(), 0);
    let had = seen.of(&waiting).resources;
    tokio::time::sleep(ms(50)).await;
    assert_eq!(seen.of(&waiting).resources, had, "that is over");

    // A target that is added again is the last in the queue, and the others keep their sockets.
    let _ = prober.apply(set(&names, address));
    seen.until("the one that came back waits", |seen| {
        let all = seen.all();
        all.get(goes).is_some_and(|one| one.resources > 3)
    })
    .await;
    assert_eq!(seen.connected(), stay);
    assert_eq!(stats.targets_without_socket(), 1);
    prober.stop().unwrap();
    assert_eq!(stats.targets_without_socket(), 0);
}

#[tokio::test]
async fn a_connection_that_ends_frees_its_socket() {
    let answers_once = |mut stream, _| async move {
        if let Some(frame) = frame(&mut stream).await {
            stream.write_all(&frame).await.unwrap();
        }
    };
    let (closing, dead) = (peer(answers_once).await, refusing().await);
    let (seen, stats) = <(Seen, SocketStats)>::default();
    let targets = [target("closing", &closing), target("refusing", &dead)];
    let prober = prober(1, &seen, &stats)
        .targets(TargetSet::new(targets).unwrap())
        .start()
        .unwrap();
    // They share the only socket.
    seen.until("fifty connections, fifty attempts", |seen| {
        seen.of("closing").connects >= 50 && seen.of("refusing").failures >= 50
    })
    .await;
    prober.stop().unwrap();
}

/// In a race each address has a socket of its own, if there are any.
#[tokio::test]
async fn with_one_socket_addresses_are_tried_one_by_one() {
    let listening = peer(|stream, _| echo(stream)).await;
    let refuses = SocketAddr::new([127, 0, 0, 2].into(), listening.port());
    assert!(
        tokio::net::TcpStream::connect(refuses).await.is_err(),
        "another address of the port refuses"
    );
    let answer = move |_: &str, _| Ok(vec![refuses, listening]);
    let resolver = Resolver::builder().system(answer).build();
    let (seen, stats) = <(Seen, SocketStats)>::default();
    let name = format!("name.test:{}", listening.port());
    // Some of these always wait for the socket, and must not get it between the two addresses.
    let dead = refusing().await;
    let others = (0..50).map(|n| target(&format!("refusing-{n}"), &dead));
    let targets = others.chain([target("name", &name)]);
    let prober = prober(1, &seen, &stats)
        .resolver(resolver)
        .targets(TargetSet::new(targets).unwrap())
        .start()
        .unwrap();
    seen.until("the second address is reached", |seen| {
        seen.connected() == ["name"]
    })
    .await;
    assert_eq!(seen.of("name").failures, 0);
    prober.stop().unwrap();
}

#[tokio::test]
async fn targets_on_demand_share_the_sockets() {
    let address = peer(|stream, _| echo(stream)).await;
    let on_demand = OnDemand::new(OnDemandLimits {
        networks: "127.0.0.0/8".parse().unwrap(),
        idle: Duration::from_secs(3600),
        max: 10,
    });
    let (seen, stats) = <(Seen, SocketStats)>::default();
    let prober = prober(1, &seen, &stats)
        .targets(set(&["listed"], address))
        .on_demand(on_demand.clone())
        .start()
        .unwrap();
    seen.until("connected", |seen| seen.connected() == ["listed"])
        .await;
    let asked = address.to_string();
    on_demand
        .ask(asked.parse().unwrap(), session(), None)
        .await
        .unwrap();
    seen.until("the target on demand waits", |seen| {
        let all = seen.all();
        all.get(&asked).is_some_and(|one| one.resources > 3)
    })
    .await;
    assert_eq!(stats.targets_without_socket(), 1);
    let _ = prober.apply(TargetSet::default());
    seen.until("it has the socket", |seen| seen.connected() == [&*asked])
        .await;
    assert_eq!(stats.targets_without_socket(), 0);
    prober.stop().unwrap();
}
