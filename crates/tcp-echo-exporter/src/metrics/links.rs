//! The votes for links.

use std::io;

use tcp_echo_prober::Paths;

use super::scalar::ScalarEncoder;
use crate::encoding::encoder::{Collector, Encoder, Kind, Number};

/// Writes the votes of flows that lose or stall for the links of their paths.
#[derive(Debug)]
pub(crate) struct LinkCollector(pub(crate) Paths);

impl Collector for LinkCollector {
    fn encode(&self, encoder: &mut Encoder<'_>) -> io::Result<()> {
        let votes = self.0.votes();
        let votes: Vec<_> = votes
            .iter()
            .map(|link| (link.from.to_string(), link.to.to_string(), link.votes))
            .collect();
        let votes = votes.iter().map(|(from, to, votes)| {
            let labels = [("from", &**from), ("to", &**to)];
            (labels, Number::Float(*votes))
        });
        ScalarEncoder(encoder).by_labels(
            (
                "tcp_echo_link_votes",
                None,
                "Votes of flows for the links of their paths: a flow that loses gives each of n links 1/n, a flow that stalls 1 to the link behind the last hop that answered.",
            ),
            Kind::Counter,
            votes,
        )
    }
}
