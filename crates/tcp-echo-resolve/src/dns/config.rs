//! Nameservers, and how to ask them.

use std::{
    future::Future,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    lookup::Lookup,
    net::{DnsError, NetError, NoRecords, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RecordType},
    },
};
use tokio::time::timeout;

use crate::Failure;

/// For how long a nameserver that has not answered is asked after the others.
const AVOIDED: Duration = Duration::from_secs(60);

/// The most nameservers that the system's resolvers take notice of, and the longest that
/// they wait for one.
const MOST_SERVERS: usize = 3;
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);
const MOST_ATTEMPTS: usize = 5;

/// Whom to ask, and for which names.
#[derive(Debug)]
pub(crate) struct Config {
    servers: Vec<Server>,
    search: Vec<Name>,
    ndots: usize,
    timeout: Duration,
    attempts: usize,
}

/// One nameserver.
struct Server {
    resolver: TokioResolver,
    ip: IpAddr,
    /// When it last failed to answer, if it has not answered since.
    silent: Mutex<Option<Instant>>,
}

impl Config {
    pub(crate) fn new(
        config: &ResolverConfig,
        options: &ResolverOpts,
        port: u16,
    ) -> Result<Self, Failure> {
        let timeout = options
            .timeout
            .clamp(Duration::from_secs(1), LONGEST_TIMEOUT);
        let servers = config.name_servers().iter().take(MOST_SERVERS);
        let servers = servers.map(|server| Server::new(server.ip, port, options, timeout));
        let search = match (config.search(), config.domain()) {
            ([], Some(domain)) if !domain.is_root() => vec![domain.clone()],
            (search, _) => search.to_vec(),
        };
        Ok(Self {
            servers: servers.collect::<Result<_, _>>()?,
            search,
            ndots: options.ndots,
            timeout,
            attempts: options.attempts.clamp(1, MOST_ATTEMPTS),
        })
    }

    /// The names in full that `name` may stand for, in the order in which to ask.
    pub(crate) fn candidates(&self, name: &str) -> Result<Vec<Name>, Failure> {
        let mut parsed = Name::from_utf8(name).map_err(Failure::other)?;
        if parsed.is_fqdn() {
            return Ok(vec![parsed]);
        }
        let append = |domain: &Name| {
            let mut full = parsed.clone().append_domain(domain).ok()?;
            full.set_fqdn(true);
            Some(full)
        };
        let mut candidates: Vec<_> = self.search.iter().filter_map(append).collect();
        parsed.set_fqdn(true);
        let has_many_dots = name.matches('.').count() >= self.ndots;
        let place = if has_many_dots { 0 } else { candidates.len() };
        candidates.insert(place, parsed);
        Ok(candidates)
    }

    /// Asks one nameserver after the other, as often as is configured, and takes the
    /// first word of any that there are records or that there are none.
    pub(crate) async fn ask(&self, name: &Name, of: RecordType) -> Result<Lookup, Failure> {
        let mut failure = Failure::NoAnswer;
        for _ in 0..self.attempts {
            for server in self.in_order() {
                match server.ask(name, of, self.timeout).await {
                    Err(error) if !error.is_definite() => failure = error,
                    known => return known,
                }
            }
        }
        Err(failure)
    }

    /// As they are configured, but those that don't answer last.
    fn in_order(&self) -> Vec<&Server> {
        let mut servers: Vec<_> = self.servers.iter().collect();
        servers.sort_by_key(|server| server.is_avoided());
        servers
    }
}

impl Server {
    fn new(
        ip: IpAddr,
        port: u16,
        options: &ResolverOpts,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        let connections = connections.map(|mut connection| {
            connection.port = port;
            connection
        });
        let server = NameServerConfig::new(ip, true, connections.into());
        let config = ResolverConfig::from_parts(None, vec![], vec![server]);
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        *builder.options_mut() = options.clone();
        let options = builder.options_mut();
        // Who asks every so often wants to know what is so now.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.timeout = timeout;
        // Which server is asked when, and how often, is not for it to choose.
        options.attempts = 0;
        Ok(Self {
            resolver: builder.build().map_err(Failure::other)?,
            ip,
            silent: Mutex::new(None),
        })
    }

    fn is_avoided(&self) -> bool {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.is_some_and(|since| since.elapsed() < AVOIDED)
    }

    async fn ask(
        &self,
        name: &Name,
        of: RecordType,
        patience: Duration,
    ) -> Result<Lookup, Failure> {
        let found = within(patience, self.resolver.lookup(name.clone(), of)).await;
        let is_silent = matches!(found, Err(Failure::NoAnswer));
        let since = is_silent.then(Instant::now);
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = since;
        if let Err(error) = &found {
            tracing::debug!(%name, %of, nameserver = %self.ip, %error, "a nameserver has no records");
        }
        found
    }
}

/// Twice the patience: an answer that is too long for a datagram is asked for again.
async fn within(
    patience: Duration,
    look_up: impl Future<Output = Result<Lookup, NetError>>,
) -> Result<Lookup, Failure> {
    let found = timeout(2 * patience, look_up).await;
    found.unwrap_or(Err(NetError::Timeout)).map_err(failure)
}

fn failure(error: NetError) -> Failure {
    match error {
        NetError::Timeout => Failure::NoAnswer,
        NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code, .. })) => {
            match response_code {
                ResponseCode::NoError => Failure::NoRecords,
                ResponseCode::NXDomain => Failure::NoSuchName,
                _ => Failure::Server,
            }
        }
        NetError::Dns(DnsError::ResponseCode(_)) => Failure::Server,
        error => Failure::other(error),
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.ip).finish()
    }
}
