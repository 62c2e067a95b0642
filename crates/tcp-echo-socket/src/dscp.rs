//! Differentiated services code points, by number and by name.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The code points with names, by RFC.
const NAMES: [(&str, u8); 23] = [
    // Class selectors, RFC 2474 section 4.2.2: 8 n.
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    // Assured forwarding, RFC 2597 section 6: class c and drop precedence d are 8 c + 2 d.
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    // Expedited forwarding, RFC 3246 section 2.7.
    ("ef", 46),
    // Lower effort, RFC 8622 section 10.
    ("le", 1),
    // Voice admit, RFC 5865 section 5.
    ("va", 44),
];

/// A differentiated services code point (RFC 2474): the upper six bits of the IPv4 type of
/// service and of the IPv6 traffic class.
///
/// The text form is a decimal number, 0 to 63, or a name: `cs0` to `cs7`, `af11` to `af43`, `ef`,
/// `va` and `le`, in upper or lower case.
///
/// ```
/// use tcp_echo_socket::Dscp;
///
/// let dscp: Dscp = "EF".parse()?;
/// assert_eq!(dscp.get(), 46);
/// assert_eq!(dscp.traffic_class(), 0xb8);
/// assert_eq!("46".parse(), Ok(dscp));
/// assert_eq!(dscp.to_string(), "ef");
/// assert!("64".parse::<Dscp>().is_err());
/// # Ok::<(), tcp_echo_socket::ParseDscpError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Dscp(u8);

impl Dscp {
    /// The code point of this number, or `None` above 63.
    pub const fn new(value: u8) -> Option<Self> {
        if value < 64 { Some(Self(value)) } else { None }
    }

    /// Its number, 0 to 63.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The byte in the IP header: the code point above two zero bits of ECN (RFC 3168).
    pub const fn traffic_class(self) -> u8 {
        self.0 << 2
    }
}

/// The name if it has one, otherwise the number.
impl fmt::Display for Dscp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, value)| *value == self.0) {
            Some((name, _)) => f.pad(name),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

impl FromStr for Dscp {
    type Err = ParseDscpError;

    fn from_str(text: &str) -> Result<Self, ParseDscpError> {
        let named = NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        if let Some((_, value)) = named {
            return Ok(Self(*value));
        }
        // `parse` alone would accept a sign.
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().and_then(Self::new).ok_or(ParseDscpError);
        }
        Err(ParseDscpError)
    }
}

/// The text is no code point.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not a DSCP: give a number from 0 to 63, cs0 to cs7, af11 to af43, ef, va or le")]
pub struct ParseDscpError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_point_survives_its_text() {
        for value in 0..64 {
            let dscp = Dscp::new(value).unwrap();
            assert_eq!(dscp.to_string().parse(), Ok(dscp));
            assert_eq!(value.to_string().parse(), Ok(dscp));
            assert_eq!(dscp.traffic_class(), value * 4);
        }
        assert_eq!(Dscp::new(64), None);
    }

    #[test]
    fn names_follow_the_formulas_of_their_documents() {
        for class in 0..8 {
            let name = format!("CS{class}");
            assert_eq!(name.parse(), Ok(Dscp(8 * class)));
        }
        for class in 1..=4 {
            for drop in 1..=3 {
                let name = format!("af{class}{drop}");
                assert_eq!(name.parse(), Ok(Dscp(8 * class + 2 * drop)));
            }
        }
        assert_eq!("ef".parse(), Ok(Dscp(0b10_1110)));
        assert_eq!("va".parse(), Ok(Dscp(0b10_1100)));
        assert_eq!("le".parse(), Ok(Dscp(0b00_0001)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", "-1", "+1", "64", "256", "1.5", "0x2e", " 46", "cs8", "af14", "af50", "af44",
            "af01", "af1", "ef ", "be",
        ] {
            assert_eq!(text.parse::<Dscp>(), Err(ParseDscpError), "{text:?}");
        }
    }
}
