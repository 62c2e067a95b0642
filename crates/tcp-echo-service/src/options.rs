//! The name of a service, and the account that it runs as.

/// The name of a service, and the account that it runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceOptions {
    /// Its name, as [`parse_name`] accepts it.
    pub name: String,
    /// Whether it belongs to the user who installs it rather than to the system.
    pub user: bool,
    /// The account that it runs as, as [`parse_account`] accepts it; `None` leaves that to the
    /// manager.
    pub account: Option<String>,
}

impl ServiceOptions {
    /// A service of the system of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            user: false,
            account: None,
        }
    }
}

/// A name that managers do not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// Of a service.
    #[error(
        "use letters, digits, '_', '-' and '.', a letter first, and no suffix of a systemd unit"
    )]
    Service,
    /// Of an account.
    #[error("not the name of an account")]
    Account,
}

/// The longest name of a service, well below the limit of any manager.
const MAX_SERVICE_NAME: usize = 100;

/// The suffixes of systemd's units. It would take a name with one for another unit.
const UNIT_SUFFIXES: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// Checks the name of a service, which becomes the name of a file and of a variable.
///
/// # Errors
/// [`InvalidName::Service`].
pub fn parse_name(text: &str) -> Result<String, InvalidName> {
    let odd = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.');
    let suffix = text.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    if !text.starts_with(|c: char| c.is_ascii_alphabetic())
        || text.len() > MAX_SERVICE_NAME
        || text.contains(odd)
        || UNIT_SUFFIXES.contains(&suffix)
    {
        return Err(InvalidName::Service);
    }
    Ok(text.to_owned())
}

/// Checks the name of an account. The system knows whether it exists. Windows has backslashes
/// and spaces in such names.
///
/// # Errors
/// [`InvalidName::Account`].
pub fn parse_account(text: &str) -> Result<String, InvalidName> {
    let odd = |c: char| c.is_control() || matches!(c, '"' | '\'' | '`' | '%' | '$' | ':' | '/');
    if text.is_empty() || text.starts_with('-') || text.contains(odd) {
        return Err(InvalidName::Account);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manager_accepts_the_name_of_a_service() {
        for name in ["tcp-echo-metrics", "a", "com.example.echo_2", "x.y-z."] {
            assert_eq!(parse_name(name).as_deref(), Ok(name));
        }
        let long = "a".repeat(MAX_SERVICE_NAME + 1);
        for name in [
            "", "1a", "-a", ".a", "a b", "a/b", "a@b", "é", "a.socket", &long,
        ] {
            assert_eq!(parse_name(name), Err(InvalidName::Service), "{name}");
        }
    }

    #[test]
    fn an_account_may_be_one_of_windows() {
        for name in [
            "nobody",
            r"NT AUTHORITY\LocalService",
            "_echo",
            "a@b.example",
        ] {
            assert_eq!(parse_account(name).as_deref(), Ok(name));
        }
        for name in ["", "-a", "a\nb", "a%h", "$a", "a:b", "../a", "a\"b"] {
            assert_eq!(parse_account(name), Err(InvalidName::Account), "{name}");
        }
    }
}
