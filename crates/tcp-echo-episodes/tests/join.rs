//! Episodes of flows, joined to episodes of targets.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::{
    num::NonZeroU16,
    time::{Duration, Instant},
};

use tcp_echo_episodes::{EpisodeSensor, Episodes, Record};
use tcp_echo_prober::{
    Cause, Episode, Event, Observer as _, Sensor as _, Session, SessionConfig, Target,
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The flows of a target, and a time from which they count.
struct Flows {
    episodes: Episodes,
    sensors: Vec<EpisodeSensor>,
    session: Session,
    start: Instant,
}

impl Flows {
    fn new(episodes: &Episodes, name: &str, flows: u16) -> Self {
        let config = SessionConfig::new(ms(200), ms(800)).unwrap();
        let target = Target::new("127.0.0.1:4000".parse().unwrap(), config.clone())
            .named(name)
            .with_flows(NonZeroU16::new(flows).unwrap());
        let start = Instant::now().checked_sub(ms(100_000)).unwrap();
        Self {
            episodes: episodes.clone(),
            sensors: (0..flows)
                .map(|flow| episodes.attach_flow(&target, flow))
                .collect(),
            session: Session::new(&config, start),
            start,
        }
    }

    fn tell(&mut self, flow: usize, began: u64, ended: Option<u64>, cause: Cause, lost: u64) {
        let episode = Episode {
            began: self.start + ms(began),
            ended: ended.map(|ended| self.start + ms(ended)),
            cause,
            slots_lost: lost,
        };
        self.event(flow, &Event::Episode(episode));
    }

    fn event(&mut self, flow: usize, event: &Event) {
        self.sensors[flow].on_event(event, &self.session);
    }

    fn newest(&self) -> Vec<Record> {
        self.episodes.newest()
    }
}

fn length(record: &Record) -> Option<Duration> {
    let ended = record.ended?;
    Some(ended.duration_since(record.began).unwrap())
}

#[test]
fn of_one_flow_they_are_as_the_flow_says() {
    let episodes = Episodes::default();
    let mut flows = Flows::new(&episodes, "a", 1);
    assert!(flows.newest().is_empty() && episodes.totals().is_empty());
    flows.tell(0, 1_000, None, Cause::Unknown, 2);
    let lasting = flows.newest();
    assert_eq!((lasting[0].cause, lasting[0].ended), (Cause::Unknown, None));
    assert_eq!((lasting[0].slots_lost, episodes.lasting()), (2, 1));
    let seq = tcp_echo_prober::Seq(7);
    flows.event(0, &Event::TimedOut { seq });
    assert_eq!(flows.newest()[0].slots_lost, 3);
    flows.tell(0, 900, None, Cause::Blackhole, 3);
    flows.tell(0, 900, Some(5_400), Cause::Blackhole, 20);
    let ended = flows.newest();
    assert_eq!(ended.len(), 1);
    assert_eq!(
        (ended[0].cause, ended[0].slots_lost),
        (Cause::Blackhole, 20)
    );
    assert_eq!(length(&ended[0]), Some(ms(4_500)));
    let totals = &episodes.totals()["a"];
    assert_eq!((totals.of(Cause::Blackhole), totals.count()), (1, 1));
    assert_eq!(totals.lengths()[1], 1);
    // A slot that is lost later is none of it.
    flows.event(0, &Event::TimedOut { seq });
    assert_eq!(flows.newest()[0].slots_lost, 20);
}

#[test]
fn of_most_flows_it_is_one_of_the_target() {
    let episodes = Episodes::default();
    let mut flows = Flows::new(&episodes, "a", 4);
    for flow in 0..4 {
        flows.tell(flow, 1_000 + 50 * flow as u64, None, Cause::Unknown, 2);
    }
    for flow in 0..3 {
        flows.tell(flow, 1_000 + 50 * flow as u64, None, Cause::Blackhole, 3);
    }
    let lasting = flows.newest();
    assert_eq!((lasting.len(), lasting[0].cause), (1, Cause::Blackhole));
    for flow in 0..4 {
        let end = Some(9_000 + 10 * flow as u64);
        flows.tell(flow, 1_000 + 50 * flow as u64, end, Cause::Blackhole, 10);
    }
    let ended = flows.newest();
    assert_eq!((ended.len(), ended[0].slots_lost), (1, 40));
    assert_eq!(
        (ended[0].cause, ended[0].source_port),
        (Cause::Blackhole, None)
    );
    assert_eq!(length(&ended[0]), Some(ms(8_030)));
    assert_eq!(episodes.totals()["a"].count(), 1);
}

#[test]
fn of_some_flows_it_is_one_of_a_path_unless_no_path_has_that_cause() {
    for (cause, expected) in [
        (Cause::Blackhole, Cause::Path),
        (Cause::PacketLoss, Cause::Path),
        (Cause::Queueing, Cause::Path),
        (Cause::OwnHost, Cause::OwnHost),
        (Cause::Refused, Cause::Refused),
        (Cause::PeerStalled, Cause::PeerStalled),
    ] {
        let episodes = Episodes::default();
        let mut flows = Flows::new(&episodes, "a", 16);
        flows.tell(3, 1_000, None, cause, 2);
        flows.tell(5, 1_000, None, cause, 2);
        assert_eq!(flows.newest()[0].cause, expected);
        flows.tell(5, 1_000, Some(2_000), cause, 5);
        flows.tell(3, 1_000, Some(3_000), cause, 5);
        let ended = flows.newest();
        assert_eq!((ended.len(), ended[0].cause), (1, expected));
        assert_eq!(
            (ended[0].slots_lost, length(&ended[0])),
            (10, Some(ms(2_000)))
        );
    }
}

#[test]
fn what_lasts_ends_with_its_target() {
    let episodes = Episodes::default();
    let mut gone = Flows::new(&episodes, "gone", 2);
    let mut stays = Flows::new(&episodes, "stays", 1);
    gone.tell(1, 1_000, None, Cause::Blackhole, 2);
    stays.tell(0, 1_000, None, Cause::Blackhole, 2);
    drop(gone);
    let ended: Vec<_> = episodes.newest_of("gone");
    assert!(ended.len() == 1 && ended[0].ended.is_some(), "{ended:?}");
    let totals = episodes.totals();
    assert_eq!(
        totals.keys().map(|name| &**name).collect::<Vec<_>>(),
        ["stays"]
    );
    assert_eq!(episodes.lasting(), 1);
}

#[test]
fn the_newest_thousand_are_kept() {
    let episodes = Episodes::default();
    let mut flows = Flows::new(&episodes, "a", 1);
    for n in 0..9_000 {
        flows.tell(0, n, None, Cause::Dns, 1);
        flows.tell(0, n, Some(n + 1), Cause::Dns, n);
    }
    let newest = flows.newest();
    assert_eq!((newest.len(), newest[0].slots_lost), (1_000, 8_999));
    assert_eq!(newest[999].slots_lost, 8_000);
    assert_eq!(episodes.totals()["a"].of(Cause::Dns), 9_000);
}
