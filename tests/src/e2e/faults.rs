//! A path that resets, closes, drops or delays, with the invariants checked at every scrape.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::exposition::Scrape;
use testkit::relay::{Mode, Relay};
use testkit::watch::Watch;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "resets, closes, silence and delay",
    alone: true,
    run,
    ..PLAIN
}];

const LIMIT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_millis(50);
const PASS: Mode = Mode::Pass(Duration::ZERO);

struct Setup {
    relay: Relay,
    watch: Watch,
}

fn run(context: &Context) -> Result<()> {
    let server = EchoServer::start(context, &[])?;
    let relay = Relay::start(server.address)?;
    let target = format!("-target={}", relay.address());
    let flags = [
        "-mode=client",
        &target,
        "-interval=5ms",
        "-timeout=50ms",
        "-window=50",
    ];
    let echo = Echo::start(context, &flags)?;
    let setup = Setup {
        relay,
        watch: Watch::start(echo.metrics.clone()),
    };
    setup.watch.healthy()?;
    setup.disconnects()?;
    setup.delay(context)?;
    setup.silence(context)?;
    setup.closes_at_once(context)?;
    let last = setup.watch.now()?;
    ensure!(
        last.sum("tcp_echo_unexpected_total", &[]) == 0.0,
        "unexpected frames"
    );
    context.note(format!("{} scrapes checked", setup.watch.finish()?));
    Ok(())
}

impl Setup {
    /// Alternates resets and closes while probing; each is counted with its reason.
    fn disconnects(&self) -> Result<()> {
        let before = self.watch.now()?;
        for round in 1..=10 {
            let (reason, end): (_, fn(&Relay)) = if round % 2 == 0 {
                ("eof", Relay::close)
            } else {
                ("reset", Relay::reset)
            };
            end(&self.relay);
            let of = [("reason", reason)];
            let wanted = before.sum("tcp_echo_disconnects_total", &of) + f64::from((round + 1) / 2);
            self.watch.until(
                &format!("disconnect {round} by {reason}"),
                LIMIT,
                |scrape| {
                    scrape.sum("tcp_echo_disconnects_total", &of) >= wanted
                        && scrape.sum("tcp_echo_connected", &[]) == 1.0
                },
            )?;
            self.watch.healthy()?;
        }
        let after = self.watch.now()?;
        let rise = |name: &str| after.sum(name, &[]) - before.sum(name, &[]);
        ensure!(
            rise("tcp_echo_disconnects_total") == 10.0,
            "not exactly ten disconnects"
        );
        ensure!(
            rise("tcp_echo_connects_total") == 10.0,
            "not exactly ten connects"
        );
        ensure!(
            rise("tcp_echo_late_total") == 0.0,
            "late replies from closed connections"
        );
        Ok(())
    }

    /// Delays replies past the timeout: all probes time out, all replies are late, none is received.
    fn delay(&self, context: &Context) -> Result<()> {
        self.relay.set(Mode::Pass(2 * TIMEOUT));
        thread::sleep(3 * TIMEOUT);
        let before = self.watch.now()?;
        thread::sleep(Duration::from_secs(1));
        let after = self.watch.now()?;
        let rise = |name: &str| after.sum(name, &[]) - before.sum(name, &[]);
        ensure!(
            rise("tcp_echo_received_total") == 0.0,
            "received after the timeout"
        );
        ensure!(
            rise("tcp_echo_disconnects_total") == 0.0,
            "late replies caused a stall"
        );
        let (timeouts, late) = (rise("tcp_echo_timeouts_total"), rise("tcp_echo_late_total"));
        context.note(format!(
            "delayed past the timeout: {timeouts} timeouts, {late} late"
        ));
        ensure!(
            timeouts > 100.0 && (timeouts - late).abs() <= 40.0,
            "{late} late replies, {timeouts} timeouts"
        );
        self.relay.set(PASS);
        let healthy = self.watch.healthy()?;
        // Nothing was lost: by now, every timed-out probe has been answered.
        let late = |scrape: &Scrape| {
            scrape.sum("tcp_echo_late_total", &[]) - before.sum("tcp_echo_late_total", &[])
        };
        ensure!(
            late(&healthy) >= timeouts - 40.0,
            "late replies are missing"
        );
        Ok(())
    }

    /// Checks that a stalled connection is replaced.
    fn silence(&self, context: &Context) -> Result<()> {
        let of = [("reason", "stalled")];
        let before = self.watch.now()?.sum("tcp_echo_disconnects_total", &of);
        self.relay.set(Mode::Silent);
        let stalled = |scrape: &Scrape| scrape.sum("tcp_echo_disconnects_total", &of) > before;
        // The stall limit is three timeouts, but at least 500 ms.
        let (_, took) = self
            .watch
            .until("a stall", Duration::from_millis(800), stalled)?;
        context.note(format!(
            "a silent connection was replaced after {} ms",
            took.as_millis()
        ));
        ensure!(took >= Duration::from_millis(400), "too soon: {took:?}");
        self.relay.set(PASS);
        self.relay.reset();
        self.watch.healthy()?;
        Ok(())
    }

    /// Checks that a peer that accepts and closes at once does not cause a tight reconnect loop.
    fn closes_at_once(&self, context: &Context) -> Result<()> {
        for mode in [Mode::Close, Mode::Reset] {
            self.relay.set(mode);
            self.relay.reset();
            let before = self.relay.accepted();
            thread::sleep(Duration::from_secs(2));
            let connects = self.relay.accepted() - before;
            context.note(format!("{mode:?} at once: {connects} connections in 2 s"));
            ensure!(
                (1..=40).contains(&connects),
                "{connects} connections in 2 s"
            );
            self.relay.set(PASS);
            self.watch.healthy()?;
        }
        Ok(())
    }
}
