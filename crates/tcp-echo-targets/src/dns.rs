//! Asking the domain name system for all that a name stands for.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{DnsError, NetError, NoRecords, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{RData, RecordType},
    },
};
use tokio::{sync::OnceCell, task::spawn_blocking, time::timeout};

/// How long one server is waited for before the next try.
const TRY: Duration = Duration::from_secs(2);

/// Which servers are asked for the addresses of names.
#[derive(Clone, Debug)]
pub struct Dns {
    servers: Option<Vec<SocketAddr>>,
    patience: Duration,
}

impl Dns {
    /// How long a look-up may take, by default.
    pub const PATIENCE: Duration = Duration::from_secs(5);

    /// Those that the system is configured with; its list of hosts and its search
    /// domains count too. The configuration is read anew for every round of look-ups.
    pub const fn system() -> Self {
        Self {
            servers: None,
            patience: Self::PATIENCE,
        }
    }

    /// These alone, by UDP and where an answer is too long by TCP, without the
    /// system's list of hosts and search domains.
    pub fn servers(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            servers: Some(servers.into_iter().collect()),
            patience: Self::PATIENCE,
        }
    }

    /// Sets how long a look-up may take before it counts as failed.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What a round of look-ups asks through.
    pub(crate) fn client(&self) -> Client {
        Client {
            dns: self.clone(),
            resolver: Arc::default(),
        }
    }

    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut builder = match &self.servers {
            None => TokioResolver::builder_tokio()?,
            Some(servers) => {
                let servers = servers.iter().map(server).collect();
                let config = ResolverConfig::from_parts(None, vec![], servers);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        // Whoever asks every so often wants to know what is so now.
        options.cache_size = 0;
        // So that a datagram lost is asked for again within the patience.
        options.timeout = options.timeout.min(TRY);
        if self.servers.is_some() {
            options.use_hosts_file = hickory_resolver::config::ResolveHosts::Never;
        }
        builder.build()
    }
}

impl Default for Dns {
    fn default() -> Self {
        Self::system()
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let connections = connections.map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    A,
    Aaaa,
    Srv,
}

impl Kind {
    const fn record(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Srv => RecordType::SRV,
        }
    }
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    Ip(IpAddr),
    Service { host: String, port: u16 },
}

/// Servers to be asked; its clones are one.
#[derive(Clone)]
pub(crate) struct Client {
    dns: Dns,
    resolver: Arc<OnceCell<Result<TokioResolver, NetError>>>,
}

impl Client {
    /// All records of `kind` that `name` has, in order, each once; none where the
    /// servers say that the name has none of these.
    pub(crate) async fn ask(&self, name: &str, kind: Kind) -> Result<Vec<Found>, String> {
        let answer = async {
            let resolver = self.resolver.get_or_init(|| async {
                // It reads the system's files.
                let dns = self.dns.clone();
                let built = spawn_blocking(move || dns.resolver()).await;
                built.unwrap_or_else(|error| Err(NetError::Msg(error.to_string())))
            });
            let resolver = resolver.await.as_ref().map_err(Clone::clone)?;
            resolver.lookup(name, kind.record()).await
        };
        match timeout(self.dns.patience, answer).await {
            Err(_) => Err("no server answers".to_owned()),
            Ok(Ok(lookup)) => {
                let records = lookup.answers().iter();
                let mut found: Vec<_> = records.filter_map(|record| said(&record.data)).collect();
                found.sort_unstable();
                found.dedup();
                Ok(found)
            }
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(NoRecords {
                response_code, ..
            })))) => match response_code {
                ResponseCode::NoError => Ok(vec![]),
                ResponseCode::NXDomain => Err("there is no such name".to_owned()),
                code => Err(code.to_string()),
            },
            Ok(Err(error)) => Err(error.to_string()),
        }
    }
}

fn said(record: &RData) -> Option<Found> {
    match record {
        RData::A(ip) => Some(Found::Ip(ip.0.into())),
        RData::AAAA(ip) => Some(Found::Ip(ip.0.into())),
        // The root says that there is no such service (RFC 2782).
        RData::SRV(srv) if srv.target.is_root() || srv.port == 0 => None,
        RData::SRV(srv) => Some(Found::Service {
            // Servers may answer in whatever case, and another each time.
            host: srv.target.to_utf8().trim_end_matches('.').to_lowercase(),
            port: srv.port,
        }),
        _ => None,
    }
}
