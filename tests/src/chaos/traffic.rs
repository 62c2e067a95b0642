//! All connections as they were seen at their two ends.

use std::collections::HashMap;

use super::packet::Segment;
use super::schedule::Host;
use super::stream::Stream;
use super::{Nanos, PORT};

/// How a connection ended, as the host at this end saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ending {
    /// The peer's end came.
    Eof,
    /// The peer's reset came.
    Reset,
    /// It sent a reset itself …
    Aborted,
    /// … or an end.
    Closed,
}

/// A connection, or an attempt at one, at one of its ends.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) host: Host,
    /// The other end.
    pub(super) peer: Host,
    isn: u32,
    pub(super) began: Nanos,
    /// When the answer to its first segment came by.
    answered: Option<Nanos>,
    /// When it was made: for the client by that answer, for the server by the client's.
    pub(super) made: Option<Nanos>,
    /// When the answer came that nothing listens.
    pub(super) refused: Option<Nanos>,
    pub(super) probes: Stream,
    pub(super) replies: Stream,
    pub(super) end: Option<(Nanos, Ending)>,
}

impl Connection {
    fn ends(&mut self, at: Nanos, ending: Ending) {
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
            match (self.is_client(), self.probes.is_next(seq)) {
                (true, _) => self.ends(at, Ending::Aborted),
                (false, true) => self.ends(at, Ending::Reset),
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
        // What comes to a host after its connection's end is for nobody.
        if self.is_client() || self.end.is_none() {
            self.probes.take(at, seq, segment.payload, flags.fin());
        }
        if self.is_client() {
            if flags.fin() {
                self.ends(at, Ending::Closed);
            }
        } else if self.probes.has_ended() {
            self.ends(at, Ending::Eof);
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
                self.ends(at, Ending::Aborted);
            } else if self.replies.is_next(seq) {
                self.ends(at, Ending::Reset);
            }
            return;
        }
        if !self.is_client() || self.end.is_none() {
            self.replies.take(at, seq, segment.payload, flags.fin());
        }
        if !self.is_client() {
            if flags.fin() {
                self.ends(at, Ending::Closed);
            }
        } else if self.replies.has_ended() {
            self.ends(at, Ending::Eof);
        }
    }
}

/// All that was seen.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) connections: Vec<Connection>,
    /// The latest of each pair of ports at each end.
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
        // A host's own segments come in at the router, the others go out.
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

    /// Those of one end, in the order of their beginnings.
    pub(super) fn between(&self, host: Host, peer: Host) -> Vec<&Connection> {
        let of = |one: &&Connection| one.host == host && one.peer == peer;
        self.connections.iter().filter(of).collect()
    }
}
