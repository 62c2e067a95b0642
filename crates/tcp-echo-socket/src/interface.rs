//! Names of network interfaces.

use thiserror::Error;

/// The maximum length on Linux and the BSDs.
const MAX_INTERFACE: usize = 15;

/// Returns the name of a network interface, for [`ConnectOptions`](crate::ConnectOptions). The
/// system knows whether it exists.
///
/// # Errors
///
/// [`InterfaceError`] if no interface can have this name.
pub fn parse_interface(text: &str) -> Result<String, InterfaceError> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '/';
    if text.is_empty() || text.len() > MAX_INTERFACE || text.contains(odd) {
        return Err(InterfaceError);
    }
    Ok(text.to_owned())
}

/// The text is no name of a network interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not a network interface, such as eth0")]
pub struct InterfaceError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_have_short_names() {
        assert_eq!(parse_interface("eth0.100"), Ok("eth0.100".to_owned()));
        for text in ["", "a b", "a/b", "a\0", "a-name-that-is-too-long"] {
            assert_eq!(parse_interface(text), Err(InterfaceError), "{text:?}");
        }
    }
}
