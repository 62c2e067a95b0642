//! Checks of large packets beside the probes.

mod common;

use common::{Log, echo, ms, peer, probing_with};
use tcp_echo_prober::{Event, MtuProbe, Options, SessionConfig, Target};

fn checks(log: &Log) -> usize {
    log.count(|event| matches!(event, Event::MtuProbe(MtuProbe::Passes { .. })))
}

#[tokio::test]
async fn checks_have_connections_of_their_own() {
    let address = peer(|stream, _| echo(stream)).await;
    let session = SessionConfig::new(ms(10), ms(1000)).unwrap();
    let target = Target::new(address.into(), session);
    let mut options = Options::default();
    probing_with(options.clone(), target.clone(), async |log| {
        log.until("probes", |seen| seen.counts.received > 30).await;
        assert_eq!(checks(log), 0, "it is off");
    })
    .await;
    options.mtu_probe = Some(ms(50));
    probing_with(options.clone(), target.clone(), async |log| {
        log.until("checks", |seen| {
            seen.count(|event| matches!(event, Event::MtuProbe(MtuProbe::Passes { .. }))) >= 3
        })
        .await;
        assert_eq!(
            log.count(|event| matches!(event, Event::Connected { .. })),
            1
        );
        assert_eq!(log.count(|event| matches!(event, Event::Unexpected)), 0);
    })
    .await;
    // The probing connection has the only socket.
    options.max_sockets = std::num::NonZeroUsize::new(1);
    probing_with(options, target, async |log| {
        log.until("probes", |seen| seen.counts.received > 30).await;
        assert_eq!(checks(log), 0);
    })
    .await;
}
