//! Look-ups by nameservers: all addresses of a name, and services.

mod config;
mod nameservers;

use std::{
    future::Future,
    net::IpAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::timeout;

use self::config::Config;
pub(crate) use self::nameservers::{Nameservers, Sources};
use crate::{
    Failure, IpVersion, LookUp, LookupType, Resolver,
    look_up::Waiters,
    plain::RESOLUTION_DELAY,
    resolver::{Query, Work},
};

/// All addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The fully qualified name that has all of them, with the search domain if one was used.
    pub name: String,
    /// The IPv4 addresses, sorted and without duplicates; `None` if unknown, not known yet, or
    /// not requested.
    pub v4: Option<Vec<IpAddr>>,
    /// The same for IPv6.
    pub v6: Option<Vec<IpAddr>>,
    /// How long they are valid.
    pub ttl: Option<Duration>,
}

/// The services of a name: its SRV records (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    /// Hosts, fully qualified without the final dot, and ports; sorted and without duplicates.
    /// Empty if the records deny the service.
    pub found: Vec<(String, u16)>,
    /// How long they are valid.
    pub ttl: Option<Duration>,
}

/// Records of one type, and how long they are valid.
type Records = Result<(Vec<RData>, Duration), Failure>;

impl Resolver {
    /// Looks up all addresses of `name`: in the system's list of hosts, else in the DNS, with
    /// the system's search domains unless the name is fully qualified.
    ///
    /// `last` is the fully qualified name of the last answer: while its nameservers fail, no
    /// other search domain replaces it.
    pub fn addresses(&self, name: &str, ip: IpVersion, last: Option<&str>) -> LookUp<Addresses> {
        let of = match ip {
            IpVersion::V6 => LookupType::Aaaa,
            IpVersion::V4 | IpVersion::Auto => LookupType::A,
        };
        let last = last.map(str::to_owned);
        let query = query(name, of, ip);
        self.ask(
            query,
            |question| async move { question.addresses(last).await },
        )
    }

    /// Looks up the services of `name`, with the system's search domains unless the name is
    /// fully qualified.
    pub fn services(&self, name: &str) -> LookUp<Services> {
        let query = query(name, LookupType::Srv, IpVersion::Auto);
        self.ask(query, |question| async move { question.services().await })
    }

    fn ask<T, F>(
        &self,
        query: Query,
        ask: impl FnOnce(Question<T>) -> F + Send + 'static,
    ) -> LookUp<T>
    where
        T: Clone + Send + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let waiting = Arc::new(Waiters::new());
        let look_up = waiting.join(true);
        let waiters = waiting.clone();
        self.begin(&waiting, |work| async move {
            let question = Question {
                work,
                waiting: waiters.clone(),
                query,
            };
            tokio::select! {
                ended = question.with_permit(ask) => if let Err(failure) = ended {
                    waiters.notify(Err(failure));
                },
                never = waiters.notify_when_late() => match never {},
            }
        });
        look_up
    }
}

fn query(name: &str, of: LookupType, ip: IpVersion) -> Query {
    Query {
        name: name.to_owned(),
        of,
        ip,
    }
}

/// A look-up under way.
struct Question<T> {
    work: Arc<Work>,
    waiting: Arc<Waiters<T>>,
    query: Query,
}

impl<T: Clone> Question<T> {
    /// Waits for a permit, then runs `ask`.
    async fn with_permit<F: Future<Output = Result<(), Failure>>>(
        self,
        ask: impl FnOnce(Self) -> F,
    ) -> Result<(), Failure> {
        let (work, query) = (self.work.clone(), self.query.clone());
        let is_slow = work.slow().contains(&query);
        let Some((_permit, prompt)) = work.permits.take(is_slow).await else {
            return Err(Failure::other("the resolver has ended"));
        };
        if !self.waiting.is_wanted() {
            return Ok(());
        }
        self.waiting.begin();
        let ended = prompt.during(ask(self)).await;
        let has_hung = ended == Err(Failure::NoAnswer);
        work.slow().ended(query, has_hung, Instant::now());
        ended
    }

    async fn records(&self, config: &Config, name: &Name, of: LookupType) -> Records {
        let record = match of {
            LookupType::Srv => RecordType::SRV,
            LookupType::Aaaa => RecordType::AAAA,
            LookupType::A | LookupType::System => RecordType::A,
        };
        let started = Instant::now();
        let found = config.ask(name, record).await.and_then(|lookup| {
            let ttl = lookup.valid_until().saturating_duration_since(started);
            let records = lookup.answers().iter().map(|answer| &answer.data);
            let records = records.filter(|data| data.record_type() == record);
            let records: Vec<_> = records.cloned().collect();
            // An alias of a name without records.
            if records.is_empty() {
                return Err(Failure::NoRecords);
            }
            Ok((records, ttl))
        });
        let failure = found.as_ref().err();
        self.work.stats.record(
            of,
            failure.map_or(crate::Outcome::Ok, Failure::outcome),
            started.elapsed(),
        );
        found
    }
}

impl Question<Addresses> {
    /// Reports all addresses, perhaps in parts.
    async fn addresses(self, last: Option<String>) -> Result<(), Failure> {
        let Query { name, ip, .. } = &self.query;
        let hosts = self.work.dns.hosts(name, *ip);
        if !hosts.is_empty() {
            let (v4, v6) = hosts.into_iter().partition(IpAddr::is_ipv4);
            self.waiting.notify(Ok(Addresses {
                name: name.clone(),
                v4: Some(v4),
                v6: Some(v6),
                ttl: None,
            }));
            return Ok(());
        }
        let config = self.work.dns.config()?;
        let mut seen = Failure::NoSuchName;
        for candidate in config.candidates(name)? {
            let had_them = last.as_ref() == Some(&candidate.to_utf8());
            match self.addresses_at(&config, &candidate, had_them).await {
                Ok(()) => return Ok(()),
                // The server of another domain may answer.
                Err(Failure::Server) if !had_them => seen = Failure::Server,
                Err(failure) if !failure.is_definite() => return Err(failure),
                Err(Failure::NoRecords) if seen == Failure::NoSuchName => {
                    seen = Failure::NoRecords;
                }
                Err(_) => {}
            }
        }
        Err(seen)
    }

    /// Reports the addresses of one fully qualified name.
    async fn addresses_at(
        &self,
        config: &Config,
        name: &Name,
        had_them: bool,
    ) -> Result<(), Failure> {
        let mut found = Families::default();
        let notify = |found: &Families| self.waiting.notify(Ok(found.addresses(name)));
        match self.query.ip {
            IpVersion::V4 => found.v4 = Some(self.records(config, name, LookupType::A).await),
            IpVersion::V6 => found.v6 = Some(self.records(config, name, LookupType::Aaaa).await),
            IpVersion::Auto => {
                let mut v4 = pin!(self.records(config, name, LookupType::A));
                let mut v6 = pin!(self.records(config, name, LookupType::Aaaa));
                tokio::select! {
                    records = &mut v4 => found.v4 = Some(records),
                    records = &mut v6 => found.v6 = Some(records),
                }
                let is_missing_v4 = found.v4.is_none();
                let mut other = pin!(async { if is_missing_v4 { v4.await } else { v6.await } });
                // A name that does not exist has no other family either.
                if !found.is_gone() {
                    let mut records = timeout(RESOLUTION_DELAY, &mut other).await.ok();
                    if records.is_none() {
                        if found.has_any() {
                            notify(&found);
                        }
                        records = Some(other.await);
                    }
                    if is_missing_v4 {
                        found.v4 = records;
                    } else {
                        found.v6 = records;
                    }
                }
            }
        }
        found.failure(had_them)?;
        notify(&found);
        Ok(())
    }
}

impl Question<Services> {
    /// Reports the services.
    async fn services(self) -> Result<(), Failure> {
        let config = self.work.dns.config()?;
        let mut seen = Failure::NoSuchName;
        for candidate in config.candidates(&self.query.name)? {
            match self.records(&config, &candidate, LookupType::Srv).await {
                Ok((records, ttl)) => {
                    let mut found: Vec<_> = records.iter().filter_map(service).collect();
                    found.sort_unstable();
                    found.dedup();
                    let ttl = Some(ttl);
                    self.waiting.notify(Ok(Services { found, ttl }));
                    return Ok(());
                }
                Err(Failure::Server) => seen = Failure::Server,
                Err(failure) if !failure.is_definite() => return Err(failure),
                Err(Failure::NoRecords) if seen == Failure::NoSuchName => {
                    seen = Failure::NoRecords;
                }
                Err(_) => {}
            }
        }
        Err(seen)
    }
}

/// The answers for both families of a name.
#[derive(Default)]
struct Families {
    v4: Option<Records>,
    v6: Option<Records>,
}

impl Families {
    fn both(&self) -> impl Iterator<Item = &Records> {
        [&self.v4, &self.v6].into_iter().flatten()
    }

    fn has_any(&self) -> bool {
        self.both().any(Result::is_ok)
    }

    fn is_gone(&self) -> bool {
        let gone = |records: &Records| matches!(records, Err(Failure::NoSuchName));
        self.both().any(gone)
    }

    /// An error if no address is known. That one family is gone is an answer, too, if the
    /// other is known from before.
    fn failure(&self, had_them: bool) -> Result<(), Failure> {
        if self.has_any() {
            return Ok(());
        }
        let failures = || self.both().filter_map(|records| records.as_ref().err());
        let mut unknown = failures().filter(|failure| !failure.is_definite());
        match unknown.next() {
            Some(_) if had_them && failures().any(Failure::is_definite) => Ok(()),
            Some(failure) => Err(failure.clone()),
            None if self.is_gone() => Err(Failure::NoSuchName),
            None => Err(Failure::NoRecords),
        }
    }

    fn addresses(&self, name: &Name) -> Addresses {
        let ttls = self.both().filter_map(|records| records.as_ref().ok());
        Addresses {
            name: name.to_utf8(),
            v4: self.v4.as_ref().and_then(ips),
            v6: self.v6.as_ref().and_then(ips),
            ttl: ttls.map(|(_, ttl)| *ttl).min(),
        }
    }
}

/// The addresses of one family, if known.
fn ips(records: &Records) -> Option<Vec<IpAddr>> {
    match records {
        Ok((records, _)) => {
            let mut ips: Vec<_> = records.iter().filter_map(RData::ip_addr).collect();
            ips.sort_unstable();
            ips.dedup();
            Some(ips)
        }
        Err(failure) if failure.is_definite() => Some(vec![]),
        Err(_) => None,
    }
}

fn service(record: &RData) -> Option<(String, u16)> {
    match record {
        // The root domain denies the service.
        RData::SRV(srv) if srv.target.is_root() || srv.port == 0 => None,
        RData::SRV(srv) => {
            // Servers may answer in any case, and vary it.
            let host = srv.target.to_utf8().to_lowercase();
            Some((host.trim_end_matches('.').to_owned(), srv.port))
        }
        _ => None,
    }
}
