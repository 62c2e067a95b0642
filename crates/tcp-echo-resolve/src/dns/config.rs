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

/// How long a nameserver that has not answered is asked after the others.
const AVOIDED: Duration = Duration::from_secs(60);

/// The limits of the system's resolvers: nameservers, timeout and attempts.
const MAX_SERVERS: usize = 3;
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ATTEMPTS: usize = 5;

/// Nameservers, search domains, and how to ask.
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
    /// When it last failed to answer, unless it has answered since.
    silent: Mutex<Option<Instant>>,
}

impl Config {
    pub(crate) fn new(
        config: &ResolverConfig,
        options: &ResolverOpts,
        port: u16,
    ) -> Result<Self, Failure> {
        let timeout = options.timeout.clamp(Duration::from_secs(1), MAX_TIMEOUT);
        let servers = config.name_servers().iter().take(MAX_SERVERS);
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
            attempts: options.attempts.clamp(1, MAX_ATTEMPTS),
        })
    }

    /// The fully qualified names that `name` may mean, in the order to ask for.
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
        let position = if has_many_dots { 0 } else { candidates.len() };
        candidates.insert(position, parsed);
        Ok(candidates)
    }

    /// Asks one nameserver after the other, for the configured number of attempts. Returns the
    /// first definite answer: records, or that there are none.
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

    /// The nameservers in the configured order, silent ones last.
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
        // Repeated look-ups need current answers.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.timeout = timeout;
        // `Config::ask` decides on servers and attempts.
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

    async fn ask(&self, name: &Name, of: RecordType, limit: Duration) -> Result<Lookup, Failure> {
        let found = within(limit, self.resolver.lookup(name.clone(), of)).await;
        let is_silent = matches!(found, Err(Failure::NoAnswer));
        let since = is_silent.then(Instant::now);
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = since;
        if let Err(error) = &found {
            tracing::debug!(%name, %of, nameserver = %self.ip, %error, "no records from a nameserver");
        }
        found
    }
}

/// Waits for twice the timeout: an answer that is too long for a datagram is asked for again.
async fn within(
    limit: Duration,
    look_up: impl Future<Output = Result<Lookup, NetError>>,
) -> Result<Lookup, Failure> {
    let found = timeout(2 * limit, look_up).await;
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
