//! The host of an address: an IP address, or a name.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use idna::AsciiDenyList;

/// The maximum length of a DNS name, in text.
const MAX_NAME: usize = 253;

/// The maximum length of a label.
const MAX_LABEL: usize = 63;

/// The host of an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A link-local address and the interface that it is on.
    LinkLocal(LinkLocal),
    /// A name to look up.
    Name(HostName),
}

/// A link-local IPv6 address (`fe80::/10`) with its zone (RFC 4007): each interface has its own
/// link-local network.
///
/// It prints in the form of the system's resolver, `fe80::1%eth0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkLocal {
    /// The address.
    pub ip: Ipv6Addr,
    /// The interface, by name or number. It may not exist.
    pub zone: String,
}

impl fmt::Display for LinkLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%{}", self.ip, self.zone)
    }
}

/// A name in the DNS, or one that the system's resolver finds elsewhere.
///
/// It has two forms: as written, for display, and in ASCII, for look-ups. They differ for
/// internationalized names (RFC 5890, UTS #46).
///
/// ```
/// use tcp_echo_net::HostName;
///
/// let name: HostName = "Größe.example".parse()?;
/// assert_eq!(name.to_string(), "Größe.example");
/// assert_eq!(name.ascii(), "xn--gre-6ka8i.example");
/// assert_eq!(
///     "a b".parse::<HostName>().unwrap_err().to_string(),
///     "no host name has ' ': it has letters, digits, '-', '_' and '.'"
/// );
/// # Ok::<(), tcp_echo_net::HostNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName {
    written: Arc<str>,
    /// Set if it differs.
    ascii: Option<Arc<str>>,
}

/// Why a text is no [`HostName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostNameError {
    /// The name is empty.
    #[error("the host name is missing")]
    Empty,
    /// A character that is not allowed in a host name.
    #[error("no host name has {0:?}: it has letters, digits, '-', '_' and '.'")]
    Character(char),
    /// Characters beyond ASCII that form no valid name.
    #[error("not a host name: some of its characters can't be written in the domain name system")]
    Unicode,
    /// An empty label.
    #[error("not a host name: there is nothing between two dots, or before the first")]
    EmptyLabel,
    /// A label is too long.
    #[error("not a host name: between two dots are at most {MAX_LABEL} characters")]
    LongLabel,
    /// The name is too long.
    #[error("not a host name: it has at most {MAX_NAME} characters")]
    Long,
}

impl HostName {
    /// The name in ASCII, with A-labels where needed, for look-ups.
    pub fn ascii(&self) -> &str {
        self.ascii.as_ref().unwrap_or(&self.written)
    }
}

/// As written.
impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        if text.is_empty() {
            return Err(HostNameError::Empty);
        }
        let odd =
            |c: &char| c.is_ascii() && !is_in_names(*c) || c.is_control() || c.is_whitespace();
        if let Some(odd) = text.chars().find(odd) {
            return Err(HostNameError::Character(odd));
        }
        let ascii = if text.is_ascii() {
            None
        } else {
            Some(a_labels(text)?)
        };
        check_lengths(ascii.as_deref().unwrap_or(text))?;
        Ok(Self {
            written: text.into(),
            ascii: ascii.map(Into::into),
        })
    }
}

/// Whether an ASCII character is allowed. The standard (RFC 952) has no underscore, but services
/// and many hosts do.
fn is_in_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn a_labels(text: &str) -> Result<String, HostNameError> {
    let ascii = idna::domain_to_ascii_cow(text.as_bytes(), AsciiDenyList::EMPTY);
    match ascii {
        // Some characters map to several: one maps to "a/c".
        Ok(ascii) if ascii.chars().all(is_in_names) => Ok(ascii.into_owned()),
        _ => Err(HostNameError::Unicode),
    }
}

fn check_lengths(ascii: &str) -> Result<(), HostNameError> {
    // The root's dot of an absolute name.
    let name = ascii.strip_suffix('.').unwrap_or(ascii);
    if name.len() > MAX_NAME {
        return Err(HostNameError::Long);
    }
    if name.split('.').any(str::is_empty) {
        return Err(HostNameError::EmptyLabel);
    }
    if name.split('.').any(|label| label.len() > MAX_LABEL) {
        return Err(HostNameError::LongLabel);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_a_name_and_what_is_looked_up() {
        let label = "a".repeat(63);
        let long = [&*label, &label, &label, &label[..61]].join(".");
        assert_eq!(long.len(), MAX_NAME);
        for (text, ascii) in [
            ("localhost", "localhost"),
            ("Db-1.Example.COM.", "Db-1.Example.COM."),
            ("_echo._tcp.example.com", "_echo._tcp.example.com"),
            ("my_host", "my_host"),
            ("r3---sn-x.example", "r3---sn-x.example"),
            ("xn--gre-6ka8i", "xn--gre-6ka8i"),
            ("GRÖẞE.example", "xn--gre-6ka8i.example"),
            ("bücher.example.", "xn--bcher-kva.example."),
            ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
            // Their full stop, and letters of full width.
            ("例え。ｔｅｓｔ", "xn--r8jz45g.test"),
            (&long, &long),
        ] {
            let name: HostName = text.parse().unwrap();
            assert_eq!((&*name.to_string(), name.ascii()), (text, ascii));
        }
    }

    #[test]
    fn what_is_none_says_why() {
        let label = "a".repeat(64);
        let long = ["a"; 128].join(".");
        // Longer in ASCII than as written.
        let unicode = "ü".repeat(58);
        for (text, error) in [
            ("", HostNameError::Empty),
            ("a b", HostNameError::Character(' ')),
            ("a\u{a0}b", HostNameError::Character('\u{a0}')),
            ("a\u{85}b", HostNameError::Character('\u{85}')),
            ("a\0", HostNameError::Character('\0')),
            ("a,b", HostNameError::Character(',')),
            ("größe!", HostNameError::Character('!')),
            ("a%b", HostNameError::Character('%')),
            ("*.example.com", HostNameError::Character('*')),
            // One character for a, slash and c; half of a pair; one of no meaning.
            ("\u{2100}", HostNameError::Unicode),
            ("a\u{200d}b", HostNameError::Unicode),
            ("\u{fffd}", HostNameError::Unicode),
            (".", HostNameError::EmptyLabel),
            ("a..b", HostNameError::EmptyLabel),
            (".a", HostNameError::EmptyLabel),
            ("a..", HostNameError::EmptyLabel),
            ("\u{ad}.a", HostNameError::EmptyLabel),
            (&label, HostNameError::LongLabel),
            (&unicode, HostNameError::LongLabel),
            (&long, HostNameError::Long),
        ] {
            assert_eq!(text.parse::<HostName>(), Err(error), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_looked_up_is_a_name_of_the_domain_name_system(
            text in prop_oneof![any::<String>(), "[a-zäß。．._-]{0,20}"]
        ) {
            if let Ok(name) = text.parse::<HostName>() {
                prop_assert_eq!(name.to_string(), text);
                prop_assert!(name.ascii().chars().all(is_in_names));
                let again: HostName = name.ascii().parse().unwrap();
                prop_assert_eq!(again.ascii(), name.ascii());
            }
        }
    }
}
