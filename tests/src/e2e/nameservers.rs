//! Lookups with a real nameserver, one that never answers, and dropped packets.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::exposition::Scrape;
use testkit::netns::{Inside, Namespace};
use testkit::ports;
use testkit::process::Process;
use testkit::wait;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "the first of two nameservers is silent",
        run: first_is_silent,
        ..WITH_DNS
    },
    Scenario {
        name: "forty names whose nameserver never answers",
        run: many_hang,
        ..WITH_DNS
    },
    Scenario {
        name: "a thousand names that hang and a thousand targets",
        alone: true,
        run: thousands,
        ..WITH_DNS
    },
    Scenario {
        name: "a nameserver that answers for one address family only",
        run: one_family,
        ..WITH_DNS
    },
];

const WITH_DNS: Scenario = Scenario {
    root: true,
    tools: &[
        ("ip", "iproute2"),
        ("dnsmasq", "dnsmasq-base"),
        ("nft", "nftables"),
    ],
    ..PLAIN
};

/// An address that receives queries and never answers.
const SILENT: &str = "127.0.0.9";
/// Longer than the resolver's timeout for the first nameserver, on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// Returns a nameserver that knows only what further arguments say, and does not fork.
pub(super) fn dnsmasq(inside: &Inside) -> Command {
    let sbin = ["/usr/sbin/dnsmasq", "/sbin/dnsmasq"].map(Path::new);
    let found = sbin.into_iter().find(|path| path.is_file());
    let mut command = inside.command(found.unwrap_or(Path::new("dnsmasq")));
    command.args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--pid-file=",
        "--user=root",
        "--log-facility=-",
        "--bind-interfaces",
    ]);
    command
}

/// A namespace with a nameserver in it.
struct Dns {
    namespace: Namespace,
    listen: SocketAddr,
    _silent: UdpSocket,
    _nameserver: Process,
}

impl Dns {
    fn start(context: &Context, resolv_conf: &str) -> Result<Self> {
        let namespace = Namespace::new()?;
        namespace.resolv_conf(resolv_conf)?;
        let silent = (SILENT, 53);
        let silent = namespace.inside().run(|| UdpSocket::bind(silent))??;
        let listen = ports::free()?;
        let mut command = dnsmasq(&namespace.inside());
        let service = format!("--srv-host=_echo._tcp.test,web.test,{}", listen.port());
        command.args([
            "--listen-address=127.0.0.1",
            "--local=/test/",
            "--host-record=web.test,127.0.0.1,::1",
            "--host-record=web.lan.test,127.0.0.8",
            &service,
            &format!("--server=/hang.test/{SILENT}"),
        ]);
        let nameserver = Process::spawn(context, "dnsmasq", &mut command)?;
        let dns = Self {
            namespace,
            listen,
            _silent: silent,
            _nameserver: nameserver,
        };
        wait::until("the nameserver", LONG, || {
            let taken = || UdpSocket::bind("127.0.0.1:53").is_err();
            dns.namespace.inside().run(taken).ok()?.then_some(())
        })?;
        Ok(dns)
    }

    /// Starts the program in mode both with these targets.
    fn probe(&self, context: &Context, targets: &[String], flags: &[&str]) -> Result<Echo> {
        let listen = format!("-listen=:{}", self.listen.port());
        let targets = targets.iter().map(|target| format!("-target={target}"));
        let own = ["-mode=both", &listen, "-interval=20ms"];
        let all: Vec<String> = own.map(str::to_owned).into_iter().chain(targets).collect();
        let all: Vec<&str> = all
            .iter()
            .map(String::as_str)
            .chain(flags.iter().copied())
            .collect();
        Echo::start_in(context, &self.namespace.inside(), &all)
    }

    /// Returns the address of the echo server under the name `host`.
    fn at(&self, host: &str) -> String {
        format!("{host}:{}", self.listen.port())
    }
}

/// Returns whether there are targets of this name and all of them have received replies.
fn answered(scrape: &Scrape, name: &str) -> bool {
    let received = scrape.matching("tcp_echo_received_total", &[]);
    let mut of: Vec<f64> = Vec::new();
    for (labels, value) in received {
        let target = labels.get("target").map_or("", String::as_str);
        if target == name || target.starts_with(&format!("{name}/")) {
            of.push(value);
        }
    }
    !of.is_empty() && of.iter().all(|received| *received > 0.0)
}

fn lookups(scrape: &Scrape, of: &str, outcome: &str) -> f64 {
    let labels = [("type", of), ("outcome", outcome)];
    scrape.sum("tcp_echo_dns_lookups_total", &labels)
}

/// Checks that all kinds of names resolve with the second nameserver, and that changes of
/// resolv.conf take effect.
fn first_is_silent(context: &Context) -> Result<()> {
    // As in Kubernetes: names are first tried with the search domains.
    let options = "search lan.test test\noptions ndots:5 timeout:1 attempts:2\n";
    let dns = Dns::start(
        context,
        &format!("nameserver {SILENT}\nnameserver 127.0.0.1\n{options}"),
    )?;
    let targets = [
        format!("plain={}", dns.at("web.test")),
        format!("short=dns+{}", dns.at("web.test.")),
        "service=srv+_echo._tcp.test.".to_owned(),
    ];
    let flags = ["-dns-refresh=500ms"];
    let echo = dns.probe(context, &targets, &flags)?;
    let (scrape, took) = echo.until("replies from all targets", LONG, |scrape| {
        ["plain", "short", "service"]
            .iter()
            .all(|name| answered(scrape, name))
    })?;
    context.note(format!("all targets replied after {} ms", took.as_millis()));
    for of in ["system", "A", "AAAA", "SRV"] {
        ensure!(
            lookups(&scrape, of, "ok") > 0.0,
            "no successful lookup of type {of}"
        );
    }
    let sources = [("dns+", 2.0), ("srv+", 1.0)];
    for (kind, targets) in sources {
        let found = scrape.matching("tcp_echo_discovery_targets", &[]);
        let mut of_kind = found.filter(|(labels, _)| labels["source"].starts_with(kind));
        let found = of_kind.next().map(|(_, value)| value);
        ensure!(found == Some(targets), "{kind}: {found:?} targets");
    }
    // Without an answering nameserver, the targets stay.
    dns.namespace
        .resolv_conf(&format!("nameserver {SILENT}\n{options}"))?;
    let silent = |scrape: &Scrape| {
        lookups(scrape, "A", "timeout") >= 2.0 && lookups(scrape, "system", "timeout") >= 1.0
    };
    let (scrape, _) = echo.until("lookups that time out", LONG, silent)?;
    ensure!(
        scrape.sum("tcp_echo_connected", &[]) == 4.0,
        "connections were closed"
    );
    // Without a nameserver line, the resolver uses localhost.
    dns.namespace.resolv_conf("")?;
    let before = (
        lookups(&scrape, "A", "ok"),
        lookups(&scrape, "system", "ok"),
    );
    echo.until("successful lookups again", LONG, |scrape| {
        lookups(scrape, "A", "ok") > before.0 && lookups(scrape, "system", "ok") > before.1
    })?;
    echo.end_by(Signal::TERM)?;
    Ok(())
}

/// Checks that other targets are probed before the first hanging lookup fails.
fn many_hang(context: &Context) -> Result<()> {
    let dns = Dns::start(
        context,
        "nameserver 127.0.0.1\noptions timeout:5 attempts:2\n",
    )?;
    let hanging = (0..40).map(|n| format!("bad-{n}={}", dns.at(&format!("n{n}.hang.test"))));
    let healthy = [
        format!("good={}", dns.at("web.test.")),
        format!("discovered=dns+{}", dns.at("web.test.")),
    ];
    let targets: Vec<String> = hanging.chain(healthy).collect();
    let echo = dns.probe(context, &targets, &[])?;
    let (scrape, took) = echo.until("replies from the healthy targets", LONG, |scrape| {
        answered(scrape, "good") && answered(scrape, "discovered")
    })?;
    context.note(format!(
        "healthy targets replied after {} ms",
        took.as_millis()
    ));
    let failed = lookups(&scrape, "system", "timeout");
    ensure!(failed == 0.0, "{failed} lookups failed before");
    // The hanging lookups fail, and the exit does not wait for them.
    echo.until("failures", LONG, |scrape| {
        let dns = [("target", "bad-0"), ("reason", "dns")];
        scrape.sum("tcp_echo_connect_failures_total", &dns) > 0.0
    })?;
    let took = echo.end_by(Signal::TERM)?;
    context.note(format!("exited after {} ms", took.as_millis()));
    Ok(())
}

const THOUSAND: usize = 1000;
/// The duration of each measurement.
const SPAN: Duration = Duration::from_secs(10);
/// The probe interval.
const INTERVAL: Duration = Duration::from_millis(500);
/// The minimum share of slots that are sent.
const MIN_SENT: f64 = 0.99;
/// The maximum increase of the scrape duration with hanging names: absolute, or as a factor.
const SCRAPE: (Duration, f64) = (Duration::from_millis(100), 3.0);

/// Checks that a thousand hanging names don't affect the running targets.
fn thousands(context: &Context) -> Result<()> {
    let dns = Dns::start(
        context,
        "nameserver 127.0.0.1\noptions timeout:5 attempts:2\n",
    )?;
    let entry = |name: String, address: String| json!({"name": name, "address": address});
    let running: Vec<_> = (0..THOUSAND)
        .map(|n| entry(format!("good-{n}"), dns.at("127.0.0.1")))
        .collect();
    let hanging =
        (0..THOUSAND).map(|n| entry(format!("bad-{n}"), dns.at(&format!("n{n}.hang.test"))));
    let all: Vec<_> = running.iter().cloned().chain(hanging).collect();
    let file = context.file("targets.json", &Value::from(running).to_string())?;
    let file = format!("-targets={}", file.display());
    let interval = format!("-interval={}ms", INTERVAL.as_millis());
    let flags = [&file, &interval, "-max-connections-per-ip=0"];
    let echo = dns.probe(context, &[], &flags)?;
    let connected = THOUSAND as f64;
    echo.until("all running", LONG, |scrape| {
        scrape.sum("tcp_echo_connected", &[]) == connected
    })?;

    let (before, alone) = span(&echo)?;
    context.file("targets.json", &Value::from(all).to_string())?;
    echo.until("names that hang", LONG, |scrape| {
        scrape.matching("tcp_echo_connected", &[]).count() == 2 * THOUSAND
    })?;
    let (counted, with_hanging) = span(&echo)?;
    context.note(format!(
        "with {THOUSAND} hanging names: {:.2} % of the slots sent, without them {:.2} %, {} lost; the slowest \
        scrape of twice as many targets takes {} ms, without them {} ms",
        counted.sent * 100.0,
        before.sent * 100.0,
        counted.lost,
        with_hanging.as_millis(),
        alone.as_millis(),
    ));
    ensure!(counted.sent >= MIN_SENT, "{} sent", counted.sent);
    ensure!(counted.lost == 0.0, "{} probes lost", counted.lost);
    let (more, times) = SCRAPE;
    ensure!(
        with_hanging <= alone + more || with_hanging <= alone.mul_f64(times),
        "a scrape takes {with_hanging:?}, without hanging names {alone:?}"
    );
    let scrape = echo.scrape()?;
    ensure!(
        scrape.sum("tcp_echo_connected", &[]) == connected,
        "connections were closed"
    );
    let took = echo.end_by(Signal::TERM)?;
    context.note(format!("exited after {} ms", took.as_millis()));
    Ok(())
}

/// The slots of the running targets.
struct Counted {
    /// The share of slots that were sent.
    sent: f64,
    lost: f64,
}

/// Scrapes for [`SPAN`]; returns the counts and the duration of the slowest scrape.
fn span(echo: &Echo) -> Result<(Counted, Duration)> {
    let mut longest = Duration::ZERO;
    let mut scrape = || -> Result<(Instant, String)> {
        let start = Instant::now();
        let text = echo.metrics.get("/metrics")?;
        longest = longest.max(start.elapsed());
        Ok((start, text))
    };
    let (start, before) = scrape()?;
    let (mut end, mut after) = (start, String::new());
    while end.duration_since(start) < SPAN {
        thread::sleep(Duration::from_millis(500));
        (end, after) = scrape()?;
    }
    let (before, after) = (Scrape::parse(&before)?, Scrape::parse(&after)?);
    let slots = THOUSAND as f64 * (end - start).as_secs_f64() / INTERVAL.as_secs_f64();
    let rise = |name: &str| after.sum(name, &[]) - before.sum(name, &[]);
    let counted = Counted {
        sent: rise("tcp_echo_sent_total") / slots,
        lost: rise("tcp_echo_timeouts_total"),
    };
    Ok((counted, longest))
}

/// Drops the queries of one record type: the addresses of the other family are probed. With `-ip`,
/// no queries are sent for the unwanted family.
fn one_family(context: &Context) -> Result<()> {
    let dns = Dns::start(
        context,
        "nameserver 127.0.0.1\noptions timeout:10 attempts:2\n",
    )?;
    let namespace = &dns.namespace;
    namespace.nft(
        "add table ip names; \
         add chain ip names in { type filter hook input priority 0; }; \
         add counter ip names a; add counter ip names aaaa",
    )?;
    // The query type, after the UDP and DNS headers and the name.
    let question = |of: u8| format!("udp dport 53 @th,240,16 {of}");
    let targets = [
        format!("plain={}", dns.at("web.test.")),
        format!("all=dns+{}", dns.at("web.test.")),
    ];
    for (of, flag) in [
        (28, "-ip=auto"),
        (1, "-ip=auto"),
        (28, "-ip=4"),
        (1, "-ip=6"),
    ] {
        let is_dropped = flag == "-ip=auto";
        let verdict = if is_dropped { "drop" } else { "accept" };
        let counter = if of == 1 { "a" } else { "aaaa" };
        namespace.nft(&format!(
            "flush chain ip names in; reset counters table ip names; \
             add rule ip names in {} counter name {counter} {verdict}",
            question(of)
        ))?;
        let echo = dns.probe(context, &targets, &[flag])?;
        let (_, took) = echo.until("replies over one family", LONG, |scrape| {
            answered(scrape, "plain") && answered(scrape, "all")
        })?;
        let queried = namespace.nft("list counters table ip names")?;
        let queried = queried.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some("packets") && words.next().is_some_and(|count| count != "0")
        });
        ensure!(
            queried == is_dropped,
            "{flag}: queries for type {of}: {queried}"
        );
        if is_dropped {
            context.note(format!("without type {of}: after {} ms", took.as_millis()));
            // The system's resolver would wait for ten seconds.
            ensure!(took < Duration::from_secs(8), "{took:?}");
        }
        echo.end_by(Signal::TERM)?;
    }
    Ok(())
}
