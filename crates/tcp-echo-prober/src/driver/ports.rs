//! The source ports of flows.

use std::num::NonZeroU16;

/// How many ports beyond those of all flows exploring takes, as a multiple of their number.
const EXPLORED_PORTS: u32 = 15;

/// The source ports of a target's flows.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) first: NonZeroU16,
    pub(super) flows: u16,
}

impl Ports {
    /// The port of this flow. Ports that would exceed the last one start over at the first.
    pub(super) fn of(self, flow: u32) -> u16 {
        let room = u32::from(u16::MAX - self.first.get()) + 1;
        let port = u32::from(self.first.get()) + flow % room;
        u16::try_from(port).unwrap_or(self.first.get())
    }

    /// The *n*th port of those to explore.
    pub(super) fn to_explore(self, n: u32) -> u16 {
        let flows = u32::from(self.flows);
        self.of(flows + n % (flows * EXPLORED_PORTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_stay_below_the_last_one() {
        let ports = Ports {
            first: NonZeroU16::new(65_530).unwrap(),
            flows: 16,
        };
        assert_eq!(
            [0, 5, 6].map(|flow| ports.of(flow)),
            [65_530, 65_535, 65_530]
        );
    }
}
