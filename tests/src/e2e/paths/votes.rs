//! The links that lossy flows vote for, summed over all probers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use fastrand::Rng;
use tcp_echo_prober::{Handle, Paths, Trace};
use testkit::context::Context;
use testkit::wait;

use super::leaf_spine::{Addresses, HOSTS, LeafSpine, Link, links};
use super::probing::{start, target, until_probing};
use super::seeds;

/// The flows from each host to each other one.
const FLOWS: u16 = 4;

/// How long the votes are counted.
const LONG: Duration = Duration::from_secs(60);
/// How long they are in the short form.
const SHORT: Duration = Duration::from_secs(35);

/// How long all flows may take to be traced.
const TRACES: Duration = Duration::from_secs(40);

/// How often the votes are looked at.
const STEP: Duration = Duration::from_secs(5);

/// How much a link loses.
const PERCENTS: [u32; 8] = [2, 3, 5, 10, 20, 40, 70, 100];

/// How many seeds there are in the short form.
const FEW: usize = 4;

/// How many networks there are at once, at most.
const AT_ONCE: usize = 8;

pub(super) fn run(context: &Context) -> Result<()> {
    let (count, time) = match seeds(FEW)? {
        FEW => (FEW, SHORT),
        count => (count, LONG),
    };
    let verdicts = thread::scope(|scope| {
        let threads = (0..AT_ONCE.min(count)).map(|first| {
            scope.spawn(move || -> Result<Vec<Verdict>> {
                let seeds = (first..count).step_by(AT_ONCE);
                let network = network(context, first)?;
                seeds
                    .map(|seed| judge(context, &network, seed, time))
                    .collect()
            })
        });
        // All begin before one is waited for.
        let threads: Vec<_> = threads.collect();
        let verdicts = threads.into_iter().map(|thread| {
            let verdicts = thread.join().map_err(|_| anyhow!("panic"))?;
            verdicts.context("votes")
        });
        verdicts.collect::<Result<Vec<_>>>()
    })?;
    let verdicts: Vec<_> = verdicts.into_iter().flatten().collect();
    let right = verdicts.iter().filter(|verdict| verdict.is_right).count();
    let directed = verdicts
        .iter()
        .filter(|verdict| verdict.is_directed)
        .count();
    let within = |seconds| {
        let limit = Duration::from_secs(seconds);
        verdicts
            .iter()
            .filter(|verdict| verdict.since.is_some_and(|since| since <= limit))
            .count()
    };
    context.note(format!(
        "{right} of {count} have the right link first after {time:?}, {directed} in the right direction; \
         to stay within 15 s: {}, within 30 s: {}, within 60 s: {}",
        within(15),
        within(30),
        within(60)
    ));
    ensure!(
        right * 100 >= count * 95 - 25 * usize::from(count == FEW),
        "{right} of {count}"
    );
    Ok(())
}

/// The first seed of a network decides on the addresses of its routers.
fn network(context: &Context, first: usize) -> Result<LeafSpine> {
    let addresses = [Addresses::OfRouters, Addresses::OfLinks][first % 2];
    LeafSpine::new(context, addresses)
}

struct Verdict {
    /// Whether the right link has the most votes in the end.
    is_right: bool,
    /// Whether its direction is right, too.
    is_directed: bool,
    /// Since when it has had the most votes.
    since: Option<Duration>,
}

/// What fails.
struct Fault {
    links: Vec<Link>,
    percent: u32,
}

impl Fault {
    fn new(seed: usize) -> Self {
        let mut random = Rng::with_seed(seed as u64);
        let links = links();
        let link = links[random.usize(..links.len())];
        let links = match random.u8(..3) {
            0 => vec![link],
            1 => vec![link.reverse()],
            _ => vec![link, link.reverse()],
        };
        let percent = PERCENTS[random.usize(..PERCENTS.len())];
        Self { links, percent }
    }
}

fn judge(context: &Context, network: &LeafSpine, seed: usize, time: Duration) -> Result<Verdict> {
    let probers = Probers::start(network)?;
    let fault = Fault::new(seed);
    for link in &fault.links {
        network.lose(*link, fault.percent)?;
    }
    let started = Instant::now();
    let named =
        |links: &[Link]| -> Vec<_> { links.iter().map(|link| network.names(*link)).collect() };
    let directed = named(&fault.links);
    let both: Vec<_> = fault
        .links
        .iter()
        .flat_map(|link| [*link, link.reverse()])
        .collect();
    let both = named(&both);
    let (mut since, mut ranking) = (None, Vec::new());
    while started.elapsed() < time {
        thread::sleep(STEP);
        ranking = probers.ranking(directed[0].0.is_some());
        if !ranking.first().is_some_and(|first| both.contains(&first.0)) {
            since = None;
        } else if since.is_none() {
            since = Some(started.elapsed());
        }
    }
    for link in &fault.links {
        network.heal(*link)?;
    }
    let first = ranking.first().map(|first| first.0);
    let verdict = Verdict {
        is_right: first.is_some_and(|first| both.contains(&first)),
        is_directed: first.is_some_and(|first| directed.contains(&first)),
        since,
    };
    let top: Vec<_> = ranking
        .iter()
        .take(4)
        .map(|(link, votes)| {
            let from = link
                .0
                .map_or_else(|| "*".to_owned(), |from| from.to_string());
            format!("{from} > {}: {votes:.2}", link.1)
        })
        .collect();
    context.note(format!(
        "seed {seed}: {} % lost on {:?}: {}, {} direction, since {since:.0?}; {}",
        fault.percent,
        fault.links,
        if verdict.is_right { "right" } else { "WRONG" },
        if verdict.is_directed {
            "right"
        } else {
            "other"
        },
        top.join(", ")
    ));
    Ok(verdict)
}

/// A link by its addresses; without that of the near end if routers have several.
type Named = (Option<IpAddr>, IpAddr);

/// The probers of all hosts.
struct Probers {
    paths: Vec<Paths>,
    _handles: Vec<Handle>,
}

impl Probers {
    /// Starts them, and waits until their flows are traced.
    fn start(network: &LeafSpine) -> Result<Self> {
        let (mut paths, mut handles) = (Vec::new(), Vec::new());
        let names: Vec<_> = (0..HOSTS).map(|host| format!("host {host}")).collect();
        let others = |host| {
            names
                .iter()
                .enumerate()
                .filter(move |(other, _)| *other != host)
        };
        for host in 0..HOSTS {
            let targets =
                others(host).map(|(other, name)| target(name, &network.target(other), FLOWS));
            let targets = targets.collect::<Result<Vec<_>>>()?;
            let (handle, known) = start(network.host(host), targets, Trace::Always, ())?;
            handles.push(handle);
            paths.push(known);
        }
        for (host, known) in paths.iter().enumerate() {
            until_probing(known, others(host).map(|(_, name)| name.as_str()))?;
        }
        // Explorers are traced once they find something.
        let steady = usize::from(FLOWS - FLOWS / 4);
        wait::until("paths of all flows", TRACES, || {
            let is_traced = |known: &Paths, name: &str| {
                let flows = known.flows(name).unwrap_or_default();
                flows.iter().filter(|flow| flow.path.is_some()).count() >= steady
            };
            let all = paths
                .iter()
                .enumerate()
                .all(|(host, known)| others(host).all(|(_, name)| is_traced(known, name)));
            all.then_some(())
        })?;
        Ok(Self {
            paths,
            _handles: handles,
        })
    }

    /// All links with votes, the one with the most first.
    fn ranking(&self, is_near_end_known: bool) -> Vec<(Named, f64)> {
        let mut sums = BTreeMap::<Named, f64>::new();
        for link in self.paths.iter().flat_map(Paths::votes) {
            let from = is_near_end_known.then_some(link.from);
            *sums.entry((from, link.to)).or_default() += link.votes;
        }
        let mut ranking: Vec<_> = sums.into_iter().collect();
        ranking.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranking
    }
}
