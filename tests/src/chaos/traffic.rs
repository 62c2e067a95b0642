//! All captured connections, seen from both ends.

use std::collections::HashMap;

use super::packet::Segment;
use super::schedule::Host;
use super::stream::Stream;
use super::{Nanos, PORT};

/// How a connection ended, from the view of the host at this end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ending {
    /// The peer's FIN arrived.
    Eof,
    /// A reset arrived.
    Reset,
    /// The host sent a reset …
    Aborted,
    /// … or a FIN.
    Closed,
}

/// A connection, or a connection attempt, at one of its ends.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) host: Host,
    /// The other end.
    pub(super) peer: Host,
    isn: u32,
    pub(super) began: Nanos,
    /// The time of the answer to the SYN.
    answered: Option<Nanos>,
    /// The time of establishment: for the client, of that answer; for the server, of the client's ACK.
    pub(super) made: Option<Nanos>,
    /// The time of a reset in answer to the SYN.
    pub(super) refused: Option<Nanos>,
    pub(super) probes: Stream,
    pub(super) replies: Stream,
    pub(super) end: Option<(Nanos, Ending)>,
}

impl Connection {
    fn end_with(&mut self, at: Nanos, ending: Ending) {
        if self.made.is_some() {
            self.end.get_or_insert((at, ending));
        }
    }

    fn is_client(&self) -> bool {
        matches!(self.host, Host::Prober(_))
    }

    fn of_client(&mut self, segment: &Segment<'_>) {
        let Segment { at, seq, flags, .. } = *segment;
        if flags.rst() {
            match (self.is_client(), self.probes.accepts_reset(seq)) {
                (true, _) => self.end_with(at, Ending::Aborted),
                (false, true) => self.end_with(at, Ending::Reset),
                (false, false) => {}
            }
            return;
        }
        if flags.ack() && self.made.is_none() {
            self.made = if self.is_client() {
                self.answered
            } else {
                self.answered.map(|_| at)
            };
        }
        // Segments that arrive after the end of the connection are ignored.
        if self.is_client() || self.end.is_none() {
            self.probes.take(at, seq, segment.payload, flags.fin());
        }
        if self.is_client() {
            if flags.fin() {
                self.end_with(at, Ending::Closed);
            }
        } else if self.probes.has_ended() {
            self.end_with(at, Ending::Eof);
        }
    }

    fn of_server(&mut self, segment: &Segment<'_>) {
        let Segment { at, seq, flags, .. } = *segment;
        if flags.syn() && flags.ack() && segment.ack == self.isn.wrapping_add(1) {
            self.answered.get_or_insert(at);
            self.replies.begin(seq.wrapping_add(1));
            return;
        }
        if flags.rst() {
            if !self.replies.has_begun() {
                let answers = segment.ack == self.isn.wrapping_add(1);
                self.refused = self.refused.or(answers.then_some(at));
            } else if !self.is_client() {
                self.end_with(at, Ending::Aborted);
            } else if self.replies.accepts_reset(seq) {
                self.end_with(at, Ending::Reset);
            }
            return;
        }
        if !self.is_client() || self.end.is_none() {
            self.replies.take(at, seq, segment.payload, flags.fin());
        }
        if !self.is_client() {
            if flags.fin() {
                self.end_with(at, Ending::Closed);
            }
        } else if self.replies.has_ended() {
            self.end_with(at, Ending::Eof);
        }
    }
}

/// All captured connections.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) connections: Vec<Connection>,
    /// The latest connection of each client port at each end.
    latest: HashMap<(Host, Host, u16), usize>,
    pub(super) segments: u64,
}

impl Traffic {
    pub(super) fn take(&mut self, segment: &Segment<'_>) {
        let by_client = segment.to.port() == PORT;
        let (client, server) = if by_client {
            (segment.from, segment.to)
        } else {
            (segment.to, segment.from)
        };
        let (Some(prober), Some(server), Some(host)) = (
            Host::at(*client.ip()),
            Host::at(*server.ip()),
            Host::behind(segment.interface),
        ) else {
            return;
        };
        let peer = if host == prober { server } else { prober };
        if host != prober && host != server {
            return;
        }
        // Segments that a host sent are incoming at the router, those to it outgoing.
        if (host == prober) == (by_client == segment.outgoing) {
            return;
        }
        self.segments += 1;
        let key = (host, peer, client.port());
        let known = self.latest.get(&key).copied();
        let first = segment.flags.syn() && !segment.flags.ack();
        let same = known.is_some_and(|index| self.connections[index].isn == segment.seq);
        if by_client && first && !same {
            let mut stream = Stream::default();
            stream.begin(segment.seq.wrapping_add(1));
            self.latest.insert(key, self.connections.len());
            self.connections.push(Connection {
                host,
                peer,
                isn: segment.seq,
                began: segment.at,
                answered: None,
                made: None,
                refused: None,
                probes: stream,
                replies: Stream::default(),
                end: None,
            });
        } else if let Some(index) = known
            && !(by_client && first)
        {
            let connection = &mut self.connections[index];
            if by_client {
                connection.of_client(segment);
            } else {
                connection.of_server(segment);
            }
        }
    }

    /// Returns the connections of `host` with `peer`, in chronological order.
    pub(super) fn between(&self, host: Host, peer: Host) -> Vec<&Connection> {
        let of = |one: &&Connection| one.host == host && one.peer == peer;
        self.connections.iter().filter(of).collect()
    }
}
