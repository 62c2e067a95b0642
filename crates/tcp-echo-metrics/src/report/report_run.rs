//! A run that somebody watches, from its beginning to its report.

use std::future::{Future, pending};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tcp_echo_prober::{Event, Observer, Sensor, Session, Target};
use tokio::time::{Instant, sleep_until, timeout};

use super::bar::{self, Bar, Progress};
use super::format::Charset;
use super::lines::{self, Writer};
use super::print::{self, Written};
use super::schema::{Ended, Report, Run};
use super::table;
use super::totals::{Totals, TotalsSensor};
use crate::cli::{Config, Output, ReportConfig, WatchConfig};
use crate::live::{Live, LiveSensor, LiveTargets};
use crate::logging;

/// How long after the last timeout the outcome of a probe is waited for: a host that
/// is busy counts it late.
const GRACE: Duration = Duration::from_millis(200);

/// The exit status where the loss is beyond what is allowed, or a target had no reply.
const BEYOND: u8 = 1;

/// What a run shows to who watches it; nothing, where nobody does.
///
/// The order of calls: [`new`](Self::new), [`begin`](Self::begin) right before the
/// prober starts, [`done`](Self::done) as often as wanted, [`settle`](Self::settle)
/// before the prober is stopped, [`finish`](Self::finish) after.
#[derive(Debug, Default)]
pub struct ReportRun(Option<Watch>);

#[derive(Debug)]
struct Watch {
    config: WatchConfig,
    /// How many targets there are at first.
    targets: usize,
    began: Instant,
    began_at: Duration,
    ended: Option<Ended>,
    /// Whether nobody wants to wait any more.
    is_hurried: bool,
    totals: Option<Totals>,
    /// What went to standard output.
    written: Written,
    writer: Option<Writer>,
    bar: Option<Bar>,
    live: Option<Live>,
}

impl ReportRun {
    /// What `config` asks to be shown, of so many targets at first.
    ///
    /// # Errors
    /// A line that says what can't be shown: a live view where there is no terminal.
    pub fn new(config: &Config, targets: usize) -> Result<Self, String> {
        let Some(watch) = &config.watch else {
            return Ok(Self(None));
        };
        if watch.live && !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            return Err("-live needs a terminal on standard input and output".to_owned());
        }
        Ok(Self(Some(Watch {
            config: watch.clone(),
            targets,
            began: Instant::now(),
            began_at: Duration::ZERO,
            ended: None,
            is_hurried: false,
            totals: None,
            written: Written::default(),
            writer: None,
            bar: None,
            live: None,
        })))
    }

    /// Begins to watch: gives the observer for the prober.
    ///
    /// # Errors
    /// Where the terminal can't be taken over, or the system gives no thread.
    pub fn begin(&mut self) -> io::Result<Watcher> {
        match &mut self.0 {
            Some(watch) => watch.begin(),
            None => Ok(Watcher::default()),
        }
    }

    /// Whether the terminal is taken. A run ends with its terminal.
    pub fn has_terminal(&self) -> bool {
        self.0.as_ref().is_some_and(|watch| watch.config.live)
    }

    /// Waits until the run is to end by itself: its slots have their outcomes, its
    /// time is over, who watched has left. May be dropped and called again.
    pub async fn done(&mut self) {
        match &mut self.0 {
            Some(watch) => watch.ended = Some(watch.done().await),
            None => pending().await,
        }
    }

    /// Counts no more slots, and waits for the outcomes of the probes in flight, or
    /// until `at_once` says that nobody wants to wait.
    pub async fn settle(&mut self, at_once: impl Future) {
        if let Some(watch) = &mut self.0 {
            watch.is_hurried = watch.ended.is_none();
            watch.ended.get_or_insert(Ended::Signal);
            // The terminal is the shell's again while the last replies are awaited.
            watch.live = None;
            watch.bar = None;
            if let Some(totals) = &watch.totals {
                totals.close();
                let patience = totals.longest_timeout() + GRACE;
                tokio::select! {
                    _ = timeout(patience, totals.finished()) => {}
                    _ = at_once => watch.is_hurried = true,
                }
            }
        }
    }

    /// Prints the report, if there is one, and gives the exit status. A reader that is
    /// slow is waited for until `at_once` says that nobody wants to wait.
    ///
    /// # Errors
    /// Where it can't be printed. A reader that has gone is none, one that reads nothing
    /// is.
    pub async fn finish(self, at_once: impl Future) -> io::Result<ExitCode> {
        match self.0 {
            Some(watch) => watch.finish(at_once).await,
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

impl Watch {
    fn begin(&mut self) -> io::Result<Watcher> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        self.began_at = since_epoch.unwrap_or_default();
        let mut watcher = Watcher::default();
        if let Some(report) = self.config.report {
            if self.config.verbose {
                self.writer = Some(start_lines(report, &self.written)?);
            }
            let lines = self.writer.as_ref().map(Writer::lines);
            let limit = self.config.count.map(u64::from);
            let totals = Totals::with_lines(self.targets, limit, lines);
            self.totals = Some(totals.clone());
            watcher.totals = Some(totals);
        }
        self.began = Instant::now();
        if self.config.live {
            let targets = LiveTargets::new();
            self.live = Some(Live::start(targets.clone())?);
            watcher.live = Some(targets);
        } else if !self.config.verbose {
            self.bar = Bar::new(self.progress());
        }
        Ok(watcher)
    }

    async fn done(&mut self) -> Ended {
        let end = self.config.duration;
        // One beyond the end of the clock never comes.
        let end = end.and_then(|duration| self.began.checked_add(duration));
        let mut ticks = tokio::time::interval(bar::EVERY);
        loop {
            tokio::select! {
                () = all_finished(self.config.count.is_some(), self.totals.as_ref()) => {
                    return Ended::Count;
                }
                () = at(end) => return Ended::Duration,
                () = closed(self.totals.as_ref()) => return Ended::Closed,
                () = quit(self.live.as_mut()) => return Ended::Quit,
                _ = ticks.tick(), if self.bar.is_some() => {}
            }
            let progress = self.progress();
            if let Some(bar) = &self.bar {
                bar.update(progress);
            }
        }
    }

    fn progress(&self) -> Progress {
        let slots = self.totals.as_ref().map_or(0, Totals::slots);
        match (self.config.count, self.config.duration) {
            (Some(count), _) => Progress::Slots(slots, count.get() * self.targets as u64),
            (None, Some(duration)) => Progress::Time(self.began.elapsed(), duration),
            (None, None) => Progress::Open(slots),
        }
    }

    async fn finish(self, at_once: impl Future) -> io::Result<ExitCode> {
        let Self {
            writer, written, ..
        } = self;
        let (text, status) = match (self.config.report, self.totals) {
            (Some(config), Some(totals)) => {
                let run = Run {
                    began: self.began_at,
                    took: self.began.elapsed(),
                    ended: self.ended.unwrap_or(Ended::Signal),
                    max_loss: config.max_loss,
                };
                let report = Report::new(run, &totals);
                if let Some(why) = report.nothing_probed() {
                    logging::say(&format!("tcp-echo-metrics: {why}"));
                }
                (text(&report, config, self.config.verbose)?, status(&report))
            }
            _ => (String::new(), ExitCode::SUCCESS),
        };
        let mut stdout = written.count(io::stdout());
        let print = move || {
            // Warnings come before the report, as they did before its end.
            logging::flush();
            if let Some(writer) = writer {
                writer.finish();
            }
            stdout.write_all(text.as_bytes())?;
            stdout.flush()
        };
        match print::print(print, &written, self.is_hurried, at_once).await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(status),
        }
    }
}

fn text(report: &Report, config: ReportConfig, has_lines: bool) -> io::Result<String> {
    Ok(match config.output {
        Output::Table => {
            let table = table::render(report, Charset::of(&io::stdout()));
            let gap = if has_lines { "\n" } else { "" };
            format!("{gap}{table}")
        }
        Output::Json => report.to_json()? + "\n",
    })
}

fn status(report: &Report) -> ExitCode {
    match report.within_max_loss() {
        Some(true) => ExitCode::SUCCESS,
        Some(false) | None => ExitCode::from(BEYOND),
    }
}

/// Lines go where the table goes, but not into JSON.
fn start_lines(report: ReportConfig, written: &Written) -> io::Result<Writer> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    match report.output {
        Output::Table => {
            let charset = Charset::of(&stdout);
            lines::start(written.count(stdout), charset)
        }
        Output::Json => {
            let charset = Charset::of(&stderr);
            lines::start(written.count(stderr), charset)
        }
    }
}

async fn all_finished(counts: bool, totals: Option<&Totals>) {
    match totals {
        Some(totals) if counts => totals.finished().await,
        _ => pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

async fn closed(totals: Option<&Totals>) {
    match totals.and_then(Totals::lines) {
        Some(lines) => lines.closed().await,
        None => pending().await,
    }
}

async fn quit(live: Option<&mut Live>) {
    match live {
        Some(live) => live.left().await,
        None => pending().await,
    }
}

/// Listens to a prober for who watches; to nothing, where nobody does.
#[derive(Clone, Debug, Default)]
pub struct Watcher {
    totals: Option<Totals>,
    live: Option<LiveTargets>,
}

/// Listens to one target.
#[derive(Debug)]
pub struct WatcherSensor {
    totals: Option<TotalsSensor>,
    live: Option<LiveSensor>,
}

impl Observer for Watcher {
    type Sensor = WatcherSensor;

    fn attach(&self, target: &Target) -> WatcherSensor {
        WatcherSensor {
            totals: self.totals.as_ref().map(|totals| totals.attach(target)),
            live: self.live.as_ref().map(|live| live.attach(target)),
        }
    }
}

impl Sensor for WatcherSensor {
    #[inline]
    fn on_event(&mut self, event: &Event, session: &Session) {
        if let Some(totals) = &mut self.totals {
            totals.on_event(event, session);
        }
        if let Some(live) = &mut self.live {
            live.on_event(event, session);
        }
    }
}
