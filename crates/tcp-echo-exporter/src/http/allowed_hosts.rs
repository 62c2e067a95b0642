//! The allowlist of `Host` headers.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header, uri::Authority},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use tcp_echo_net::{HostName, HostNameError};

/// Paths that are served under any host: metrics, which Prometheus finds by many names, and
/// health checks.
const EXEMPT_PATHS: [&str; 3] = ["/metrics", "/-/healthy", "/-/ready"];

/// The maximum length of a list.
const MAX_HOSTS: usize = 1000;

/// The host names and addresses under which the endpoints respond, compared with the header
/// `Host`. The port is ignored.
///
/// A page of another site can have its own name resolve to this host (DNS rebinding). To the
/// browser the endpoints then belong to that site, whose script can read and use them. The
/// `Host` header still has that site's name.
///
/// `/metrics`, `/-/healthy` and `/-/ready` respond under any name, and without one. Other
/// requests without a name are rejected, except for HTTP/1.0 under
/// [`loopback`](Self::loopback).
///
/// ```
/// use tcp_echo_exporter::AllowedHosts;
///
/// let hosts: AllowedHosts = "echo.example.com,10.0.0.5,[2001:db8::5]".parse()?;
/// assert_eq!(hosts.to_string(), "echo.example.com,10.0.0.5,2001:db8::5");
/// assert_eq!("*".parse::<AllowedHosts>()?, AllowedHosts::any());
/// assert_eq!(
///     "echo.example.com:2112".parse::<AllowedHosts>().unwrap_err().to_string(),
///     "\"echo.example.com:2112\" has a port: write the host alone, any port is accepted"
/// );
/// # Ok::<(), tcp_echo_exporter::AllowedHostsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts(Rule);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Any,
    Loopback,
    List(Arc<[AllowedHost]>),
}

/// One host in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AllowedHost {
    Ip(IpAddr),
    /// In lower-case ASCII, without the root's dot.
    Name(String),
}

/// Why a string is not a valid [`AllowedHosts`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowedHostsError {
    /// The list or one of its elements is empty.
    #[error("a host is missing: write names and addresses with commas between, or * for any")]
    Empty,
    /// A host has a port.
    #[error("{0:?} has a port: write the host alone, any port is accepted")]
    Port(String),
    /// `*` stands beside other hosts.
    #[error("* is any host, and goes with no other")]
    Any,
    /// A host is neither an address nor a name.
    #[error("{0:?}: {1}")]
    Host(String, HostNameError),
    /// There are too many hosts.
    #[error("at most {MAX_HOSTS} hosts are accepted")]
    TooMany,
}

impl AllowedHosts {
    /// Any host.
    pub const fn any() -> Self {
        Self(Rule::Any)
    }

    /// The names and addresses of the loopback interface: `localhost`, every name below
    /// `localhost`, `127.0.0.0/8` and `[::1]`.
    pub const fn loopback() -> Self {
        Self(Rule::Loopback)
    }

    /// Wraps `router` so that it responds with 403 under other hosts.
    /// [`Exporter::with_allowed_hosts`](crate::Exporter::with_allowed_hosts) does this.
    pub fn protect(self, router: Router) -> Router {
        match self.0 {
            Rule::Any => router,
            _ => router.layer(from_fn_with_state(self, check)),
        }
    }

    fn allows(&self, host: &AllowedHost) -> bool {
        match &self.0 {
            Rule::Any => true,
            Rule::Loopback => host.is_loopback(),
            Rule::List(list) => list.contains(host),
        }
    }

    /// Returns whether a request is allowed.
    fn allows_request(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
        if self.0 == Rule::Any || EXEMPT_PATHS.contains(&uri.path()) {
            return true;
        }
        let from_headers = headers.get_all(header::HOST).iter().map(host_in_header);
        let from_uri = uri.authority().map(AllowedHost::from_authority);
        let mut all = from_headers.chain(from_uri).peekable();
        if all.peek().is_none() {
            // HTTP/1.0 scripts may omit the host; browsers never do.
            return self.0 == Rule::Loopback && version <= Version::HTTP_10;
        }
        all.all(|host| host.is_some_and(|host| self.allows(&host)))
    }
}

/// Parses the value of a `Host` header.
fn host_in_header(value: &HeaderValue) -> Option<AllowedHost> {
    let authority = Authority::try_from(value.as_bytes()).ok()?;
    AllowedHost::from_authority(&authority)
}

impl AllowedHost {
    fn from_authority(authority: &Authority) -> Option<Self> {
        // A `Host` has a host and a port, but no user name (RFC 9110, section 7.2).
        let rest = authority.as_str().strip_prefix(authority.host())?;
        let port = rest.strip_prefix(':').unwrap_or(rest);
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Self::parse(authority.host()).ok()
    }

    fn parse(text: &str) -> Result<Self, HostNameError> {
        let ip = match text.strip_prefix('[').and_then(|v6| v6.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => text.parse().ok(),
        };
        if let Some(ip) = ip {
            return Ok(Self::Ip(ip.to_canonical()));
        }
        let name: HostName = text.parse()?;
        let name = name.ascii().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        Ok(Self::Name(name.to_owned()))
    }

    /// Returns whether this is a loopback name or address (RFC 6761, section 6.3).
    fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(ip) => ip.is_loopback(),
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// `*`, `localhost` or the list, in canonical form.
impl fmt::Display for AllowedHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Any => f.write_str("*"),
            Rule::Loopback => f.write_str("localhost"),
            Rule::List(list) => {
                let hosts: Vec<_> = list.iter().map(ToString::to_string).collect();
                f.write_str(&hosts.join(","))
            }
        }
    }
}

impl FromStr for AllowedHosts {
    type Err = AllowedHostsError;

    fn from_str(text: &str) -> Result<Self, AllowedHostsError> {
        if text.trim() == "*" {
            return Ok(Self::any());
        }
        let mut list = Vec::new();
        for host in text.split(',').map(str::trim) {
            if list.len() == MAX_HOSTS {
                return Err(AllowedHostsError::TooMany);
            }
            list.push(parse_one(host)?);
        }
        Ok(Self(Rule::List(list.into())))
    }
}

fn parse_one(text: &str) -> Result<AllowedHost, AllowedHostsError> {
    match text {
        "" => return Err(AllowedHostsError::Empty),
        "*" => return Err(AllowedHostsError::Any),
        _ => {}
    }
    AllowedHost::parse(text).map_err(|error| {
        let port = text.rsplit_once(':').map(|(_, port)| port);
        if port.is_some_and(|port| port.parse::<u16>().is_ok()) {
            AllowedHostsError::Port(text.to_owned())
        } else {
            AllowedHostsError::Host(text.to_owned(), error)
        }
    })
}

async fn check(State(hosts): State<AllowedHosts>, request: Request, next: Next) -> Response {
    if hosts.allows_request(request.version(), request.uri(), request.headers()) {
        return next.run(request).await;
    }
    let host = request.headers().get(header::HOST);
    tracing::debug!(
        ?host,
        "rejected a request under a host name that is not allowed"
    );
    let why = "this host name is not allowed: -web.allowed-hosts says which ones are\n";
    let headers = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::FORBIDDEN, headers, why).into_response()
}

#[cfg(test)]
mod tests;
