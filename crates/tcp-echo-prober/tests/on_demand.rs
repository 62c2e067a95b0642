//! Targets on demand, over real loopback.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::time::Duration;

use common::{Log, echo, ms, peer};
use tcp_echo_prober::{
    AskError, Event, Handle, OnDemand, OnDemandLimits, Options, Prober, SessionConfig, Target,
    TargetSet,
};
use tokio::net::TcpListener;

/// Longer than any test lasts.
const LONG: Duration = Duration::from_secs(3600);

fn session() -> SessionConfig {
    SessionConfig::new(ms(5), ms(20)).unwrap()
}

fn on_demand(networks: &str, idle: Duration, max: usize) -> OnDemand {
    OnDemand::new(OnDemandLimits {
        networks: networks.parse().unwrap(),
        idle,
        max,
    })
}

fn start(on_demand: &OnDemand, log: &Log, targets: TargetSet) -> Handle {
    let prober = Prober::builder()
        .observer(log.clone())
        .threads(2.try_into().unwrap())
        .targets(targets)
        .on_demand(on_demand.clone());
    prober.start().unwrap()
}

async fn ask(on_demand: &OnDemand, address: impl ToString) -> Result<(), AskError> {
    let address = address.to_string().parse().unwrap();
    on_demand.ask(address, session(), None).await
}

fn connected(event: &Event) -> bool {
    matches!(event, Event::Connected { .. })
}

#[tokio::test]
async fn a_target_is_probed_while_it_is_asked_for() {
    let address = peer(|stream, _| echo(stream)).await;
    let on_demand = on_demand("127.0.0.0/8", ms(300), 10);
    let log = Log::default();
    let prober = start(&on_demand, &log, TargetSet::default());
    let ending = tokio::spawn({
        let on_demand = on_demand.clone();
        async move { on_demand.run().await }
    });
    // Three times the idle time.
    for _ in 0..9 {
        ask(&on_demand, address).await.unwrap();
        tokio::time::sleep(ms(100)).await;
    }
    log.see(|seen| {
        assert_eq!((seen.attached, seen.detached), (1, 0));
        assert_eq!(seen.count(connected), 1);
        assert!(seen.counts.received > 0);
    });
    log.until("its end", |seen| seen.detached == 1).await;
    ask(&on_demand, address).await.unwrap();
    log.until("a new beginning", |seen| seen.count(connected) == 2)
        .await;
    assert!(prober.targets().is_empty());
    prober.stop().unwrap();
    log.see(|seen| assert_eq!((seen.attached, seen.detached), (2, 2)));
    assert!(matches!(
        ask(&on_demand, address).await,
        Err(AskError::Ended)
    ));
    ending.abort();
}

#[tokio::test]
async fn nothing_is_connected_to_outside_the_networks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let on_demand = on_demand("10.0.0.0/8,::1", LONG, 10);
    let log = Log::default();
    let prober = start(&on_demand, &log, TargetSet::default());
    for host in [
        "127.0.0.1",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "169.254.169.254",
    ] {
        let asked = ask(&on_demand, format!("{host}:{port}")).await;
        assert!(matches!(asked, Err(AskError::NotAllowed)), "{host}");
    }
    let asked = ask(&on_demand, format!("no-such-name.invalid:{port}")).await;
    assert!(matches!(asked, Err(AskError::LookUp(_))), "{asked:?}");
    // Of several addresses only the allowed ones are used, here at most that of IPv6.
    let _ = ask(&on_demand, format!("localhost:{port}")).await;
    let _ = ask(&on_demand, format!(":{port}")).await;
    let accepted = tokio::time::timeout(ms(500), listener.accept()).await;
    assert!(accepted.is_err(), "{accepted:?}");
    prober.stop().unwrap();
}

#[tokio::test]
async fn a_target_of_the_set_is_the_one_of_its_name() {
    let address = peer(|stream, _| echo(stream)).await;
    let listed = Target::new(address.to_string().parse().unwrap(), session());
    let on_demand = on_demand("10.0.0.0/8", LONG, 0);
    let log = Log::default();
    let prober = start(
        &on_demand,
        &log,
        TargetSet::new([listed.clone().named("a"), listed]).unwrap(),
    );
    assert!(on_demand.is_listed("a") && !on_demand.is_listed("b"));
    // It is in the set, so neither networks nor the maximum apply.
    ask(&on_demand, address).await.unwrap();
    log.until("two connections", |seen| seen.count(connected) == 2)
        .await;
    log.see(|seen| assert_eq!(seen.attached, 2));
    let _ = prober.apply(TargetSet::default());
    assert!(!on_demand.is_listed("a"));
    assert!(matches!(
        ask(&on_demand, address).await,
        Err(AskError::Full { max: 0 })
    ));
}

#[tokio::test]
async fn another_set_leaves_what_was_asked_for() {
    let asked = peer(|stream, _| echo(stream)).await;
    let other = peer(|stream, _| echo(stream)).await;
    let on_demand = on_demand("127.0.0.1", LONG, 1);
    let log = Log::default();
    let prober = start(&on_demand, &log, TargetSet::default());
    ask(&on_demand, asked).await.unwrap();
    assert!(matches!(
        ask(&on_demand, other).await,
        Err(AskError::Full { max: 1 })
    ));
    let slower = SessionConfig::new(ms(10), ms(20)).unwrap();
    let asked_again = asked.to_string().parse().unwrap();
    // Its session continues.
    on_demand.ask(asked_again, slower, None).await.unwrap();

    let target = |address: std::net::SocketAddr| {
        Target::new(address.to_string().parse().unwrap(), session())
    };
    let _ = prober.apply(TargetSet::new([target(other)]).unwrap());
    log.until("both", |seen| seen.count(connected) == 2).await;
    let _ = prober.apply(TargetSet::default());
    log.until("the end of one", |seen| seen.detached == 1).await;
    ask(&on_demand, asked).await.unwrap();
    log.see(|seen| assert_eq!((seen.attached, seen.count(connected)), (2, 2)));

    // It is in the set from now on, so it has a new session and does not end when idle.
    let _ = prober.apply(TargetSet::new([target(asked)]).unwrap());
    log.until("the change", |seen| {
        (seen.attached, seen.detached) == (3, 2)
    })
    .await;
    log.until("a connection", |seen| seen.count(connected) == 3)
        .await;
    ask(&on_demand, asked).await.unwrap();
    ask(&on_demand, other).await.unwrap();
    log.until("the other one", |seen| seen.count(connected) == 4)
        .await;
}

#[tokio::test]
async fn it_works_inside_the_runtime_too() {
    let address = peer(|stream, _| echo(stream)).await;
    let on_demand = on_demand("127.0.0.1", LONG, 1);
    assert!(matches!(
        ask(&on_demand, address).await,
        Err(AskError::Ended)
    ));
    let log = Log::default();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let prober = Prober::builder()
        .observer(log.clone())
        .on_demand(on_demand.clone());
    let running = tokio::spawn(prober.run(async { stopped.await.unwrap_or(()) }));
    while let Err(AskError::Ended) = ask(&on_demand, address).await {
        tokio::task::yield_now().await;
    }
    log.until("a reply", |seen| seen.counts.received > 0).await;
    drop(stop);
    running.await.unwrap().unwrap();
    log.see(|seen| assert_eq!((seen.attached, seen.detached), (1, 1)));
    assert!(matches!(
        ask(&on_demand, address).await,
        Err(AskError::Ended)
    ));
}

#[tokio::test]
async fn no_duration_is_too_long() {
    let address = peer(|stream, _| echo(stream)).await;
    let on_demand = on_demand("127.0.0.1,::1", Duration::MAX, 10);
    let mut options = Options::default();
    (options.dns_refresh, options.reconnect_max) = (Duration::MAX, Duration::MAX);
    let log = Log::default();
    let prober = Prober::builder()
        .observer(log.clone())
        .options(options)
        .on_demand(on_demand.clone())
        .start()
        .unwrap();
    let ending = tokio::spawn({
        let on_demand = on_demand.clone();
        async move { on_demand.run().await }
    });
    let by_name = format!("localhost:{}", address.port());
    for target in [address.to_string(), by_name, "127.0.0.1:1".to_owned()] {
        ask(&on_demand, target).await.unwrap();
    }
    log.until("replies", |seen| seen.counts.received > 3).await;
    assert!(!ending.is_finished(), "{:?}", ending.await);
    ending.abort();
    prober.stop().unwrap();
    log.see(|seen| assert_eq!((seen.attached, seen.detached), (3, 3)));
}
