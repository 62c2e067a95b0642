//! Reads that had to wait for a lost segment.

use std::time::Duration;

use socket2::SockRef;

use crate::{TcpInfo, tcp_info};

/// A read whose bytes waited longer than this may have waited for a lost segment before them.
const LONG_WAIT: Duration = Duration::from_millis(1);

/// Tells whether the bytes of a read waited for the process, or for a lost segment before them.
///
/// Segments that arrive before an earlier one wait in the kernel until the gap is filled, and are then
/// read together. The stamp of that read is that of the last segment, which arrived before the
/// read was possible: the time that the network took to fill the gap would look like a wait of this
/// host.
#[derive(Clone, Copy, Debug, Default)]
pub struct GapDetector {
    /// Segments that arrived before an earlier one, as last read.
    out_of_order: u32,
}

impl GapDetector {
    /// Takes note of what was read of the connection anyway.
    pub fn observe(&mut self, info: &TcpInfo) {
        self.out_of_order = info.out_of_order.unwrap_or_default();
    }

    /// Whether a read whose bytes have `waited` in the kernel since their stamp waited for a gap. It
    /// asks the kernel only if they waited for more than a millisecond.
    pub fn waited_for_gap<'s>(&mut self, socket: impl Into<SockRef<'s>>, waited: Duration) -> bool {
        waited > LONG_WAIT && self.had_gap(socket.into())
    }

    #[cold]
    fn had_gap(&mut self, socket: SockRef<'_>) -> bool {
        let before = self.out_of_order;
        match tcp_info(socket) {
            Ok(info) => self.observe(&info),
            Err(_) => self.out_of_order = 0,
        }
        self.out_of_order != before
    }
}
