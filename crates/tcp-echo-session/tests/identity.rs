//! A peer that says who it is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of tests fails as a test does"
)]

mod common;

use common::{Driver, config, ms};
use tcp_echo_session::{Event, Features, Identity, Output, Probe, TcpInfo};
use tcp_echo_wire::Control;

/// A peer that answers requests.
struct Peer {
    driver: Driver,
    identity: Option<Identity>,
}

impl Peer {
    fn new(identity: Option<Identity>) -> Self {
        let asked = Features::IDENTITY.union(Features::SEGMENTS);
        let mut driver = Driver::new(&config(ms(100), ms(400)));
        driver.session = driver.session.with_hello(asked);
        Self { driver, identity }
    }

    fn reply(&mut self, control: Control) {
        self.driver.reply(Probe::decode(&control.encode()));
    }

    /// Connects, and answers all requests. Returns how many parts were asked for.
    fn connect(&mut self) -> usize {
        self.driver.connect();
        let mut parts = 0;
        loop {
            match self.driver.session.poll(self.driver.now()) {
                Output::Event(event) => self.driver.saw(event),
                Output::Transmit(transmit) => {
                    let probe = self.driver.transmitted(transmit);
                    self.driver.reply(probe);
                }
                Output::Request(frame) => match Control::decode(&frame) {
                    Some(Control::HelloRequest(asked)) => {
                        let granted = match self.identity {
                            Some(_) => asked,
                            None => asked.without(Features::IDENTITY),
                        };
                        self.reply(Control::HelloAnswer(granted));
                    }
                    Some(Control::IdentityRequest(n)) => {
                        parts += 1;
                        let identity = self.identity.clone().unwrap();
                        self.reply(Control::IdentityAnswer(n, identity.part(n)));
                    }
                    other => panic!("{other:?}"),
                },
                Output::Close(reason) => panic!("{reason}"),
                Output::Wait(_) => return parts,
            }
        }
    }

    fn read_tcp_info(&mut self) {
        let at = self.driver.now().at;
        let event = self.driver.session.handle_tcp_info(at, TcpInfo::default());
        self.driver.saw(event);
        while let Output::Event(event) = self.driver.session.poll(self.driver.now()) {
            self.driver.saw(event);
        }
    }

    fn node(&self) -> Option<String> {
        let identity = self.driver.session.peer_identity()?;
        identity.node().map(str::to_owned)
    }

    fn changes(&self) -> usize {
        let events = self.driver.events.iter();
        events
            .filter(|(_, event)| matches!(event, Event::PeerIdentity(_)))
            .count()
    }
}

fn node(name: &str) -> Identity {
    Identity::new(name, "zone").unwrap()
}

#[test]
fn it_is_asked_for_part_by_part() {
    let mut peer = Peer::new(Some(node("worker-17")));
    assert_eq!(peer.connect(), 3);
    assert_eq!(peer.node().as_deref(), Some("worker-17"));
    assert_eq!(peer.changes(), 1);
    assert_eq!(peer.connect(), 3, "another process may be there");
    assert_eq!(peer.changes(), 1);
}

#[test]
fn it_changes_at_most_once_in_ten_minutes() {
    let mut peer = Peer::new(Some(node("a")));
    peer.connect();
    for name in ["b", "c", "d"] {
        peer.identity = Some(node(name));
        peer.connect();
        assert_eq!(peer.node().as_deref(), Some("a"));
    }
    peer.driver.elapsed += ms(10 * 60 * 1000 - 1);
    peer.read_tcp_info();
    assert_eq!(peer.node().as_deref(), Some("a"));
    peer.driver.elapsed += ms(1);
    peer.read_tcp_info();
    assert_eq!(peer.node().as_deref(), Some("d"));
    assert_eq!(peer.changes(), 2);
}

#[test]
fn a_peer_without_a_name_loses_that_of_the_one_before() {
    let mut peer = Peer::new(Some(node("a")));
    peer.connect();
    peer.identity = None;
    peer.connect();
    peer.driver.elapsed += ms(10 * 60 * 1000);
    peer.read_tcp_info();
    assert_eq!(peer.node(), None);
    assert_eq!(peer.changes(), 2);
}

#[test]
fn what_is_no_name_is_none() {
    let mut peer = Peer::new(None);
    peer.driver.connect();
    peer.reply(Control::HelloAnswer(Features::IDENTITY));
    peer.reply(Control::IdentityAnswer(0, *b"a b\0\0\0\0"));
    peer.reply(Control::IdentityAnswer(1, *b"c\0d\0\0\0\0"));
    assert_eq!((peer.node(), peer.changes()), (None, 0));
}

#[test]
fn a_peer_that_was_not_asked_tells_nothing() {
    let mut peer = Peer::new(None);
    peer.driver.connect();
    peer.reply(Control::HelloAnswer(Features::SEGMENTS));
    peer.reply(Control::IdentityAnswer(0, *b"a\0b\0\0\0\0"));
    assert_eq!((peer.node(), peer.changes()), (None, 0));
}
