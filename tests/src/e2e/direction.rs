//! Packet loss by direction, and the part of a round trip that is slow.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::exposition::Scrape;
use testkit::netns::{CLIENT, Namespace, Pair, SERVER};

use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "packet loss by direction",
        tools: &[("ip", "iproute2"), ("nft", "nftables")],
        root: true,
        alone: true,
        run: lose,
    },
    Scenario {
        name: "delay by part",
        tools: &[("ip", "iproute2"), ("python3", "python3")],
        root: true,
        alone: true,
        run: delay,
    },
];

const LIMIT: Duration = Duration::from_secs(20);

/// Targets, all of them the same server: connections that lose packets independently.
const TARGETS: usize = 60;

/// How many data segments pass in the lossy direction at each rate.
const SEGMENTS: f64 = 100_000.0;

/// The loss in one of a thousand data segments, and in which direction.
const RATES: [(u32, &str); 4] = [
    (1, "forward"),
    (10, "reverse"),
    (50, "forward"),
    (200, "reverse"),
];

/// Compares what the two kernels tell with what nftables has dropped.
fn lose(context: &Context) -> Result<()> {
    let pair = Pair::new()?;
    let listen = format!("-listen={SERVER}:4000");
    let server = Echo::start_in(
        context,
        &pair.server.inside(),
        &["-mode=server", &listen, "-server-clients=4"],
    )?;
    let targets: Vec<_> = (0..TARGETS)
        .map(|n| format!("-target=t{n}={SERVER}:4000"))
        .collect();
    let mut flags = vec!["-mode=client", "-interval=4ms", "-stall=1m"];
    flags.extend(targets.iter().map(String::as_str));
    let client = Echo::start_in(context, &pair.client.inside(), &flags)?;
    client.until("segments of both directions", LIMIT, |scrape| {
        segments("sent", "reverse", scrape) > 1000.0
    })?;
    let mut before = settled(&client)?;
    for (rate, direction) in RATES {
        let (receiver, other) = match direction {
            "forward" => (&pair.server, "reverse"),
            _ => (&pair.client, "forward"),
        };
        drop_some(receiver, rate)?;
        client.until("segments that may be lost", 6 * LIMIT, |scrape| {
            segments("sent", direction, scrape) - segments("sent", direction, &before) > SEGMENTS
        })?;
        let dropped = dropped(receiver)?;
        receiver.nft("delete table ip lossy")?;
        let after = settled(&client)?;
        let rise = |what, direction| {
            segments(what, direction, &after) - segments(what, direction, &before)
        };
        let (lost, elsewhere) = (rise("lost", direction), rise("lost", other));
        context.note(format!(
            "{:.1} % {direction}: {dropped} of {} data segments dropped, {lost} counted as lost \
             ({:+.1} %), {elsewhere} in the other direction",
            f64::from(rate) / 10.0,
            rise("sent", direction),
            100.0 * (lost / dropped - 1.0),
        ));
        ensure!(dropped > 0.0, "nothing was dropped");
        ensure!((lost / dropped - 1.0).abs() <= 0.1, "{lost} of {dropped}");
        ensure!(
            elsewhere <= 0.05 * dropped,
            "{elsewhere} in the other direction"
        );
        before = after;
    }
    // The server's own view of its one client is that of the way back.
    let of_server = server.scrape()?;
    let told = |what: &str| {
        let name = format!("tcp_echo_server_client_segments_{what}_total");
        of_server.get(&name, &[("client", CLIENT)])
    };
    let (sent, lost) = (told("sent")?, told("lost")?);
    let reverse = segments("lost", "reverse", &client.scrape()?);
    ensure!(sent > 2.0 * SEGMENTS, "the server tells of {sent} segments");
    ensure!(
        (lost / reverse - 1.0).abs() <= 0.1,
        "{lost}, {reverse} told to the client"
    );
    Ok(())
}

fn segments(what: &str, direction: &str, scrape: &Scrape) -> f64 {
    let name = format!("tcp_echo_segments_{what}_total");
    scrape.sum(&name, &[("direction", direction)])
}

/// Waits until what was lost is sent again and both kernels have told so: the peer's counts come
/// every five seconds.
fn settled(client: &Echo) -> Result<Scrape> {
    thread::sleep(Duration::from_secs(8));
    client.scrape()
}

/// Drops data segments alone, which a write of the prober or the server marks to be pushed.
fn drop_some(receiver: &Namespace, rate: u32) -> Result<()> {
    receiver.nft(&format!(
        "add table ip lossy; \
         add chain ip lossy in {{ type filter hook input priority 0; policy accept; }}; \
         add rule ip lossy in tcp flags & psh == psh tcp sport 4000 \
             numgen random mod 1000 < {rate} counter drop; \
         add rule ip lossy in tcp flags & psh == psh tcp dport 4000 \
             numgen random mod 1000 < {rate} counter drop"
    ))?;
    Ok(())
}

/// Returns the number of packets that the rules have dropped.
fn dropped(receiver: &Namespace) -> Result<f64> {
    let rules = receiver.nft("list chain ip lossy in")?;
    let counters = rules.split("counter packets ").skip(1);
    let counts = counters.map(|after| {
        let count = after.split(' ').next().context("no count")?;
        Ok(count.parse::<f64>()?)
    });
    counts.sum()
}

const PARTS: [&str; 4] = ["forward", "reverse", "peer", "prober"];

/// The delay of each way without an episode, in milliseconds.
const BASE: u32 = 5;
/// The delay that an episode adds to one way.
const ADDED: u32 = 20;
const EPISODE: Duration = Duration::from_millis(500);
/// How long an episode stops a process.
const STOP: Duration = Duration::from_millis(50);

/// Delays one part after the other, and asks which it was.
fn delay(context: &Context) -> Result<()> {
    let episodes = match std::env::var("TCP_ECHO_EPISODES") {
        Ok(text) => text.parse().context("TCP_ECHO_EPISODES")?,
        Err(_) => 24,
    };
    let (client_end, server_end) = (Namespace::new()?, Namespace::new()?);
    let mut link = Link::start(context, &client_end, &server_end)?;
    link.set(BASE, BASE)?;
    let (listen, target) = (
        format!("-listen={SERVER}:4000"),
        format!("-target={SERVER}:4000"),
    );
    let server = Echo::start_in(context, &server_end.inside(), &["-mode=server", &listen])?;
    let client = Echo::start_in(
        context,
        &client_end.inside(),
        &["-mode=client", &target, "-interval=10ms"],
    )?;
    client.until("replies in parts", LIMIT, |scrape| {
        count("forward", "+Inf", scrape) > 300.0
    })?;
    let (mut right, mut sizes) = (0, Vec::new());
    for episode in 0..episodes {
        let part = PARTS[episode % PARTS.len()];
        let before = client.scrape()?;
        match part {
            "forward" => link.during(BASE + ADDED, BASE)?,
            "reverse" => link.during(BASE, BASE + ADDED)?,
            "peer" => stop(&server)?,
            _ => stop(&client)?,
        }
        // The last of the delayed replies.
        thread::sleep(Duration::from_millis(200));
        let after = client.scrape()?;
        let sums = PARTS.map(|part| sum(part, &after) - sum(part, &before));
        let largest = sums.iter().copied().fold(0.0, f64::max);
        if sum(part, &after) - sum(part, &before) == largest {
            right += 1;
        } else {
            context.note(format!("{part}: {sums:?}"));
        }
        if matches!(part, "forward" | "reverse") {
            let slow = |scrape| count(part, "0.1", scrape) - count(part, "0.01", scrape);
            sizes.push(1000.0 * largest / (slow(&after) - slow(&before)));
        }
    }
    sizes.sort_by(f64::total_cmp);
    let median = sizes[sizes.len() / 2];
    context.note(format!(
        "{right} of {episodes} episodes in the right part; {ADDED} ms on a way were told as \
         {:.1}, {median:.1} and {:.1} ms (least, median, most)",
        sizes[0],
        sizes[sizes.len() - 1],
    ));
    let wrong = episodes - right;
    ensure!(
        wrong <= (episodes / 100).max(1),
        "{wrong} of {episodes} wrong"
    );
    ensure!((median - f64::from(ADDED)).abs() <= 2.2, "{median} ms");
    Ok(())
}

fn stop(echo: &Echo) -> Result<()> {
    echo.process.signal(Signal::STOP)?;
    thread::sleep(STOP);
    echo.process.signal(Signal::CONT)
}

fn sum(part: &str, scrape: &Scrape) -> f64 {
    scrape.sum("tcp_echo_excess_delay_seconds_sum", &[("part", part)])
}

fn count(part: &str, le: &str, scrape: &Scrape) -> f64 {
    scrape.sum(
        "tcp_echo_excess_delay_seconds_bucket",
        &[("part", part), ("le", le)],
    )
}

/// A link with a delay of its own for each way, until it is dropped.
pub(super) struct Link {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Link {
    pub(super) fn start(context: &Context, client: &Namespace, server: &Namespace) -> Result<Self> {
        let script = context.file("relay.py", include_str!("direction/relay.py"))?;
        let mut process = Command::new("python3")
            .arg(script)
            .args([client.path(), server.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("python3")?;
        let input = process.stdin.take().context("no input")?;
        let output = BufReader::new(process.stdout.take().context("no output")?);
        let mut link = Self {
            process,
            input,
            output,
        };
        link.expect("ready")?;
        for (end, address) in [(client, CLIENT), (server, SERVER)] {
            end.ip(&["address", "add", &format!("{address}/24"), "dev", "tun0"])?;
            end.ip(&["link", "set", "tun0", "up"])?;
        }
        Ok(link)
    }

    /// Sets the delays of the way there and of the way back, in milliseconds.
    pub(super) fn set(&mut self, there: u32, back: u32) -> Result<()> {
        writeln!(self.input, "{there} {back}")?;
        self.expect("set")
    }

    /// Sets the delays for the time of an episode.
    fn during(&mut self, there: u32, back: u32) -> Result<()> {
        self.set(there, back)?;
        thread::sleep(EPISODE);
        self.set(BASE, BASE)
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.trim() == word {
            Ok(())
        } else {
            bail!("the link says {line:?} instead of {word:?}")
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
