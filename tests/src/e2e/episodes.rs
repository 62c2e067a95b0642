//! Faults in namespaces: each has to be an episode with its start, end and cause.
//!
//! Each kind of fault has a network of its own, all at the same time. `TCP_ECHO_EPISODES=200` injects
//! that many faults instead of one of each kind.

use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::process::Signal;
use serde_json::Value;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::netns::{Namespace, Pair, SERVER};
use testkit::wait;

use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "episodes: faults have their start, end and cause",
    tools: &[("ip", "iproute2"), ("nft", "nftables")],
    root: true,
    alone: true,
    run,
}];

const INTERVAL: Duration = Duration::from_millis(50);
const TIMEOUT: Duration = Duration::from_millis(800);
/// The host is shared, and a fault takes a moment to be injected.
const SLACK: Duration = Duration::from_millis(150);
/// After this time an episode is known as ended, also one of scattered losses.
const CALM: Duration = Duration::from_secs(45);
/// Replies before the first fault, so that their RTT is known.
const START: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Refused,
    Blackhole,
    Forward,
    Reverse,
    PacketLoss,
    PeerStopped,
    ProberStopped,
}

use Fault::{Blackhole, Forward, PacketLoss, PeerStopped, ProberStopped, Refused, Reverse};

const FAULTS: [Fault; 7] = [
    Refused,
    Blackhole,
    Forward,
    Reverse,
    PacketLoss,
    PeerStopped,
    ProberStopped,
];

impl Fault {
    fn length(self) -> Duration {
        Duration::from_millis(match self {
            Refused | ProberStopped => 2500,
            Blackhole | PeerStopped => 4500,
            // A longer one ends with the connection, and so does what would tell the direction.
            Forward | Reverse => 1300,
            PacketLoss => 12_000,
        })
    }

    /// The causes that are right, the most exact one first.
    fn causes(self) -> &'static [&'static str] {
        match self {
            Refused => &["refused"],
            Blackhole => &["blackhole"],
            Forward => &["blackhole_forward", "blackhole"],
            Reverse => &["blackhole_reverse", "blackhole"],
            PacketLoss => &["packet_loss"],
            PeerStopped => &["peer_stalled"],
            ProberStopped => &["own_host"],
        }
    }
}

/// How far an episode is from its fault.
#[derive(Debug)]
struct Outcome {
    fault: Fault,
    cause: String,
    /// How long after the fault it began and ended; negative if before.
    begin: f64,
    end: f64,
    number: usize,
}

impl Outcome {
    fn is_in_time(&self) -> bool {
        let most = (INTERVAL + TIMEOUT + SLACK).as_secs_f64();
        self.begin.abs() <= most && self.end.abs() <= most
    }

    fn is_cause(&self) -> bool {
        self.fault.causes().contains(&&*self.cause)
    }
}

fn run(context: &Context) -> Result<()> {
    let wanted = std::env::var("TCP_ECHO_EPISODES").ok();
    let wanted = wanted.map_or(Ok(FAULTS.len()), |text| text.parse::<usize>())?;
    let rounds = wanted.div_ceil(FAULTS.len()).max(1);
    let outcomes = thread::scope(|scope| {
        let lanes = FAULTS.map(|fault| scope.spawn(move || lane(context, fault, rounds)));
        let mut outcomes = Vec::new();
        for lane in lanes {
            outcomes.extend(lane.join().map_err(|_| anyhow!("panic"))??);
        }
        anyhow::Ok(outcomes)
    })?;
    let count = |is: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|at| is(at)).count();
    let in_time = count(&Outcome::is_in_time);
    let causes = count(&Outcome::is_cause);
    let exact = count(&|outcome| outcome.fault.causes()[0] == outcome.cause);
    let alone = count(&|outcome| outcome.number == 1);
    let all = outcomes.len();
    context.note(format!(
        "{all} faults: {in_time} with start and end in time, {causes} with the right cause, {exact} with the most \
         exact one, {alone} as one episode"
    ));
    for outcome in &outcomes {
        if rounds == 1 || !outcome.is_in_time() || !outcome.is_cause() {
            let Outcome {
                fault,
                cause,
                begin,
                end,
                number,
            } = outcome;
            context.note(format!(
                "{fault:?}: {cause}, began {begin:+.3} s and ended {end:+.3} s off, {number} in all"
            ));
        }
    }
    let few = (all / 20).max(1);
    ensure!(all - causes <= few, "{causes} of {all} causes are right");
    ensure!(all - in_time <= few, "{in_time} of {all} are in time");
    Ok(())
}

/// A prober and its peer, in namespaces of their own.
struct Network<'a> {
    context: &'a Context,
    pair: Pair,
    server: Option<Echo>,
    client: Echo,
}

fn lane(context: &Context, fault: Fault, rounds: usize) -> Result<Vec<Outcome>> {
    let mut network = Network::new(context)?;
    thread::sleep(START);
    let mut outcomes = Vec::new();
    for round in 0..rounds {
        // Faults begin at different moments of a slot.
        thread::sleep(INTERVAL.mul_f64(round as f64 / 7.0 % 1.0));
        let outcome = network.inject(fault);
        outcomes.push(outcome.with_context(|| format!("{fault:?}, round {round}"))?);
    }
    Ok(outcomes)
}

impl<'a> Network<'a> {
    fn new(context: &'a Context) -> Result<Self> {
        let pair = Pair::new()?;
        let server = Self::serve(context, &pair)?;
        let flags = [
            "-mode=client",
            &format!("-target=it={SERVER}:4000"),
            &format!("-interval={}ms", INTERVAL.as_millis()),
            &format!("-timeout={}ms", TIMEOUT.as_millis()),
        ];
        let client = Echo::start_in(context, &pair.client.inside(), &flags)?;
        Ok(Self {
            context,
            pair,
            server: Some(server),
            client,
        })
    }

    fn serve(context: &Context, pair: &Pair) -> Result<Echo> {
        let listen = format!("-listen={SERVER}:4000");
        Echo::start_in(context, &pair.server.inside(), &["-mode=server", &listen])
    }

    /// Begins or ends a fault.
    fn set(&mut self, fault: Fault, is_on: bool) -> Result<()> {
        let (client, server) = (&self.pair.client, &self.pair.server);
        let signal = if is_on { Signal::STOP } else { Signal::CONT };
        match fault {
            Refused if is_on => drop(self.server.take()),
            Refused => self.server = Some(Self::serve(self.context, &self.pair)?),
            Blackhole => {
                set_drop(server, is_on, "drop")?;
                set_drop(client, is_on, "drop")?;
            }
            Forward => set_drop(server, is_on, "drop")?,
            Reverse => set_drop(client, is_on, "drop")?,
            PacketLoss => {
                let rule = "numgen random mod 100 < 20 drop";
                set_drop(server, is_on, rule)?;
                set_drop(client, is_on, rule)?;
            }
            PeerStopped => {
                let server = self.server.as_ref().context("no server")?;
                server.process.signal(signal)?;
            }
            ProberStopped => self.client.process.signal(signal)?,
        }
        Ok(())
    }

    fn inject(&mut self, fault: Fault) -> Result<Outcome> {
        let began = SystemTime::now();
        self.set(fault, true)?;
        thread::sleep(fault.length());
        // A server takes a moment to listen, and listens before it answers.
        self.set(fault, false)?;
        let ended = SystemTime::now();
        let since = began - SLACK - Duration::from_secs(1);
        let (found, _) = wait::until("the end of the episode", CALM, || {
            self.ended_since(since).ok().flatten()
        })?;
        let longest = found
            .iter()
            .max_by_key(|episode| episode["slots_lost"].as_u64())
            .context("no episode")?;
        let start = found
            .iter()
            .filter_map(|episode| time(&episode["start"]))
            .min();
        let end = found
            .iter()
            .filter_map(|episode| time(&episode["end"]))
            .max();
        Ok(Outcome {
            fault,
            cause: longest["cause"].as_str().unwrap_or_default().to_owned(),
            begin: difference(start.context("no start")?, began),
            end: difference(end.context("no end")?, ended),
            number: found.len(),
        })
    }

    /// The episodes since then; `None` while there is none or one lasts.
    fn ended_since(&self, since: SystemTime) -> Result<Option<Vec<Value>>> {
        let text = self.client.metrics.get("/api/v1/episodes?target=it")?;
        let json: Value = serde_json::from_str(&text)?;
        let all = json["episodes"].as_array().context("no list")?.iter();
        let recent = all.filter(|episode| time(&episode["start"]).is_some_and(|at| at > since));
        let recent: Vec<Value> = recent.cloned().collect();
        let is_over = recent.iter().all(|episode| !episode["end"].is_null());
        Ok((is_over && !recent.is_empty()).then_some(recent))
    }
}

/// Drops TCP segments that come in, or stops to.
fn set_drop(end: &Namespace, is_on: bool, rule: &str) -> Result<()> {
    if !is_on {
        end.nft("delete table ip fault")?;
        return Ok(());
    }
    end.nft(&format!(
        "add table ip fault; \
         add chain ip fault in {{ type filter hook input priority 0; policy accept; }}; \
         add rule ip fault in ip protocol tcp iif veth0 {rule}"
    ))?;
    Ok(())
}

/// A time of the API.
fn time(value: &Value) -> Option<SystemTime> {
    tcp_echo_episodes::parse_rfc3339(value.as_str()?)
}

/// In seconds.
fn difference(time: SystemTime, truth: SystemTime) -> f64 {
    match time.duration_since(truth) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}
