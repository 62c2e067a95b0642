//! The names by which a peer is known: of its node and its zone.

use core::fmt;
use core::str;

use crate::control::PART_LEN;

/// The longest name of a node, that of a host in DNS (RFC 1123).
const MAX_NODE: usize = 253;

/// The longest name of a zone, that of a label's value in Kubernetes.
const MAX_ZONE: usize = 63;

/// Both names, each followed by a zero byte.
const MAX_TEXT: usize = MAX_NODE + 1 + MAX_ZONE + 1;

/// The number of parts of the longest text.
const PARTS: usize = MAX_TEXT.div_ceil(PART_LEN);

/// The node and the zone of a process. Either may be unknown.
///
/// Both come from another host, so they are bounded: a node has at most 253 bytes, a zone 63, and
/// they consist of ASCII letters, digits, `-`, `_` and `.`.
///
/// ```
/// use tcp_echo_wire::{Identity, IdentityError};
///
/// let identity = Identity::new("worker-7", "eu-west-1b")?;
/// assert_eq!(identity.node(), Some("worker-7"));
/// assert_eq!(Identity::new("worker-7", "")?.zone(), None);
/// assert_eq!(Identity::new("worker 7", ""), Err(IdentityError::Node));
/// # Ok::<(), IdentityError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Each name followed by a zero byte; the rest is zeros.
    text: [u8; PARTS * PART_LEN],
    node: usize,
    zone: usize,
}

/// Why a text is no name of a node or a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdentityError {
    /// It is no name of a node.
    Node,
    /// It is no name of a zone.
    Zone,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = match self {
            Self::Node => MAX_NODE,
            Self::Zone => MAX_ZONE,
        };
        write!(f, "use at most {max} ASCII letters, digits, -, _ and .")
    }
}

impl core::error::Error for IdentityError {}

impl Identity {
    /// Neither is known.
    pub const UNKNOWN: Self = Self {
        text: [0; PARTS * PART_LEN],
        node: 0,
        zone: 0,
    };

    /// Of these names; an empty one is unknown.
    ///
    /// # Errors
    ///
    /// [`IdentityError`], if a name is too long or has other characters.
    pub fn new(node: &str, zone: &str) -> Result<Self, IdentityError> {
        let names = [
            (node, MAX_NODE, IdentityError::Node),
            (zone, MAX_ZONE, IdentityError::Zone),
        ];
        let mut identity = Self::UNKNOWN;
        let mut rest = identity.text.as_mut_slice();
        for (name, max, error) in names {
            if name.len() > max || !name.bytes().all(is_allowed) {
                return Err(error);
            }
            let (place, after) = rest.split_at_mut_checked(name.len() + 1).ok_or(error)?;
            for (byte, own) in place.iter_mut().zip(name.bytes()) {
                *byte = own;
            }
            rest = after;
        }
        identity.node = node.len();
        identity.zone = zone.len();
        Ok(identity)
    }

    /// The node, if it is known.
    pub fn node(&self) -> Option<&str> {
        self.name(0, self.node)
    }

    /// The zone, if it is known.
    pub fn zone(&self) -> Option<&str> {
        self.name(self.node + 1, self.zone)
    }

    /// Whether neither is known.
    pub const fn is_unknown(&self) -> bool {
        self.node == 0 && self.zone == 0
    }

    /// The n-th part, as it is sent. Parts after the last one are zeros.
    #[must_use]
    pub fn part(&self, n: u8) -> [u8; PART_LEN] {
        let (parts, _) = self.text.as_chunks();
        parts.get(usize::from(n)).copied().unwrap_or_default()
    }

    fn name(&self, start: usize, len: usize) -> Option<&str> {
        let bytes = self.text.get(start..start + len)?;
        str::from_utf8(bytes).ok().filter(|name| !name.is_empty())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("node", &self.node())
            .field("zone", &self.zone())
            .finish()
    }
}

const fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Puts the parts of an [`Identity`] together, as they are received.
///
/// ```
/// use tcp_echo_wire::{Identity, IdentityReader};
///
/// let identity = Identity::new("worker-7", "eu-west-1b")?;
/// let mut reader = IdentityReader::new();
/// while let Some(n) = reader.next_part() {
///     reader.read(n, identity.part(n));
/// }
/// assert_eq!(reader.identity(), Some(identity));
/// # Ok::<(), tcp_echo_wire::IdentityError>(())
/// ```
#[derive(Clone, Debug)]
pub struct IdentityReader {
    text: [u8; PARTS * PART_LEN],
    parts: u8,
    /// How many names are complete.
    names: usize,
}

impl IdentityReader {
    /// Without any part.
    pub const fn new() -> Self {
        Self {
            text: [0; PARTS * PART_LEN],
            parts: 0,
            names: 0,
        }
    }

    /// The number of the part to ask for; `None` if nothing is left to ask for.
    pub fn next_part(&self) -> Option<u8> {
        (self.names < 2 && usize::from(self.parts) < PARTS).then_some(self.parts)
    }

    /// The n-th part has arrived. It is ignored if it was not the next one.
    pub fn read(&mut self, n: u8, part: [u8; PART_LEN]) {
        if self.next_part() != Some(n) {
            return;
        }
        let (parts, _) = self.text.as_chunks_mut();
        if let Some(place) = parts.get_mut(usize::from(n)) {
            *place = part;
        }
        self.parts += 1;
        for byte in part {
            self.names += usize::from(byte == 0);
        }
    }

    /// The identity, once both names are complete. `None` before, and if a name is none.
    pub fn identity(&self) -> Option<Identity> {
        if self.names < 2 {
            return None;
        }
        let mut names = self.text.split(|byte| *byte == 0);
        let mut next = || str::from_utf8(names.next()?).ok();
        Identity::new(next()?, next()?).ok()
    }
}

impl Default for IdentityReader {
    fn default() -> Self {
        Self::new()
    }
}
