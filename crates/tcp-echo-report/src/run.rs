//! A run in the foreground, from its start to its report.

use std::future::{Future, pending};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tcp_echo_prober::{Event, Observer, Paths, Sensor, Session, Target, TargetSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::config::{Output, ReportConfig, WatchConfig};
use crate::display::{Display, LiveTargets};
use crate::format::Charset;
use crate::hops::Hops;
use crate::print::{self, Written};
use crate::progress::{Progress, UPDATE_INTERVAL};
use crate::report::lines::{self, Writer};
use crate::report::{Ended, Report, Run, Totals, TotalsSensor, table};

/// How long after the last timeout to wait for outcomes: a busy host counts them late.
const GRACE_PERIOD: Duration = Duration::from_millis(200);

/// The exit status if the loss exceeds the limit, or a target never replied.
const LOSS_EXCEEDED: u8 = 1;

/// A run in the foreground; it does nothing if there is no configuration.
///
/// The order of calls: [`new`](Self::new), [`begin`](Self::begin) right before the prober
/// starts, [`done`](Self::done) any number of times, [`settle`](Self::settle) before the
/// prober stops, [`finish`](Self::finish) after.
#[derive(Debug, Default)]
pub struct ReportRun(Option<Foreground>);

#[derive(Debug)]
struct Foreground {
    config: WatchConfig,
    version: &'static str,
    /// The number of targets at the start.
    targets: usize,
    /// The number of their flows.
    flows: usize,
    started: Instant,
    /// The same since the Unix epoch.
    start_time: Duration,
    ended: Option<Ended>,
    /// Whether a signal has ended the run or the wait for its last replies.
    is_hurried: bool,
    totals: Option<Totals>,
    /// Counts the bytes written to standard output.
    written: Written,
    writer: Option<Writer>,
    display: Display,
    hops: Option<Hops>,
    /// When the hops become lines at the latest, until they have.
    hops_by: Option<Instant>,
    /// The hops when the run was over.
    last_hops: String,
}

impl ReportRun {
    /// A run of this many targets at the start, with so many flows in all. `version` is that of the
    /// program.
    ///
    /// # Errors
    /// A message for the user: a live view needs a terminal.
    pub fn new(
        config: Option<&WatchConfig>,
        version: &'static str,
        targets: usize,
        flows: usize,
    ) -> Result<Self, String> {
        let Some(config) = config else {
            return Ok(Self(None));
        };
        if config.live {
            Display::check_live()?;
        }
        Ok(Self(Some(Foreground {
            config: config.clone(),
            version,
            targets,
            flows,
            started: Instant::now(),
            start_time: Duration::ZERO,
            ended: None,
            is_hurried: false,
            totals: None,
            written: Written::default(),
            writer: None,
            display: Display::default(),
            hops: None,
            hops_by: None,
            last_hops: String::new(),
        })))
    }

    /// Adds the hops to these targets to the table, as far as the prober of `paths` knows them.
    #[must_use]
    pub fn with_paths(mut self, paths: &Paths, targets: &TargetSet) -> Self {
        if let Some(run) = &mut self.0 {
            run.hops = Some(Hops::new(paths.clone(), targets));
        }
        self
    }

    /// Starts the run, and returns the observer for the prober.
    ///
    /// # Errors
    /// The terminal can't be used, or the system can't create a thread.
    pub fn begin(&mut self) -> io::Result<RunObserver> {
        match &mut self.0 {
            Some(run) => run.begin(),
            None => Ok(RunObserver::default()),
        }
    }

    /// Whether the run has a live view. It ends with its terminal.
    pub fn has_terminal(&self) -> bool {
        self.0.as_ref().is_some_and(|run| run.config.live)
    }

    /// Waits until the run is over: its slots have their outcomes, its time is over, or the
    /// user has left. May be dropped and called again.
    pub async fn done(&mut self) {
        match &mut self.0 {
            Some(run) => run.ended = Some(run.done().await),
            None => pending().await,
        }
    }

    /// Stops counting slots, and waits for the outcomes of the probes in flight, or until
    /// `interrupt`.
    pub async fn settle(&mut self, interrupt: impl Future) {
        if let Some(run) = &mut self.0 {
            run.is_hurried = run.ended.is_none();
            run.ended.get_or_insert(Ended::Signal);
            // The shell gets the terminal back before the wait.
            run.display = Display::default();
            if let Some(totals) = &run.totals {
                totals.close();
                let limit = totals.longest_timeout() + GRACE_PERIOD;
                tokio::select! {
                    _ = timeout(limit, totals.finished()) => {}
                    _ = interrupt => run.is_hurried = true,
                }
            }
            // The prober forgets them when it stops.
            let hops = run.hops.as_ref();
            let text = hops.map(|hops| hops.text(Charset::of(&io::stdout())));
            run.last_hops = text.unwrap_or_default();
        }
    }

    /// Prints the report, if there is one, and returns the exit status. Waits for a slow reader
    /// until `interrupt`.
    ///
    /// # Errors
    /// The report can't be printed, or its reader has stopped reading. A closed pipe is no error.
    pub async fn finish(self, interrupt: impl Future) -> io::Result<ExitCode> {
        match self.0 {
            Some(run) => run.finish(interrupt).await,
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

impl Foreground {
    fn begin(&mut self) -> io::Result<RunObserver> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        self.start_time = since_epoch.unwrap_or_default();
        let mut observer = RunObserver::default();
        if let Some(report) = &self.config.report {
            if self.config.verbose {
                self.writer = Some(start_lines(report, &self.written, self.hops.as_ref())?);
            }
            let lines = self.writer.as_ref().map(Writer::lines);
            let limit = self.config.count.map(u64::from);
            let totals = Totals::with_lines(self.targets, limit, lines);
            self.totals = Some(totals.clone());
            observer.totals = Some(totals);
        }
        self.started = Instant::now();
        let hops = self.hops.as_ref().filter(|_| self.config.hops);
        self.hops_by = hops.map(|hops| self.started + hops.first_wait());
        if self.config.live {
            let (display, targets) = Display::live()?;
            self.display = display;
            observer.live = Some(targets);
        } else if !self.config.verbose {
            self.display = Display::bar(self.progress());
        }
        Ok(observer)
    }

    async fn done(&mut self) -> Ended {
        let end = self.config.duration;
        // Beyond the range of the clock it never comes.
        let end = end.and_then(|duration| self.started.checked_add(duration));
        let mut ticks = tokio::time::interval(UPDATE_INTERVAL);
        let wants_progress = self.display.wants_progress();
        loop {
            tokio::select! {
                () = all_finished(self.config.count.is_some(), self.totals.as_ref()) => {
                    return Ended::Count;
                }
                () = at(end) => return Ended::Duration,
                () = closed(self.totals.as_ref()) => return Ended::Closed,
                () = self.display.quit() => return Ended::Quit,
                _ = ticks.tick(), if wants_progress || self.hops_by.is_some() => {}
            }
            self.display.update(self.progress());
            self.write_first_hops();
        }
    }

    /// Writes the hops as lines once they are known, or if it takes too long.
    fn write_first_hops(&mut self) {
        if let (Some(hops), Some(by)) = (&self.hops, self.hops_by)
            && (Instant::now() >= by || hops.are_known())
        {
            self.hops_by = None;
            if let Some(lines) = self.totals.as_ref().and_then(Totals::lines) {
                lines.write_text(hops.text(Charset::of(&io::stdout())));
            }
        }
    }

    fn progress(&self) -> Progress {
        let slots = self.totals.as_ref().map_or(0, Totals::slots);
        match (self.config.count, self.config.duration) {
            (Some(count), _) => Progress::Slots(slots, count.get() * self.flows as u64),
            (None, Some(duration)) => Progress::Time(self.started.elapsed(), duration),
            (None, None) => Progress::Open(slots),
        }
    }

    async fn finish(self, interrupt: impl Future) -> io::Result<ExitCode> {
        let Self {
            writer, written, ..
        } = self;
        let (text, status) = match (&self.config.report, self.totals) {
            (Some(config), Some(totals)) => {
                let run = Run {
                    version: self.version,
                    start_time: self.start_time,
                    duration: self.started.elapsed(),
                    ended: self.ended.unwrap_or(Ended::Signal),
                    max_loss: config.max_loss,
                };
                let report = Report::new(run, &totals).with_labels(&config.labels);
                if let Some(reason) = report.nothing_probed() {
                    tcp_echo_log::write_line(&format!("tcp-echo-metrics: {reason}"));
                }
                let text = text(&report, config, self.config.verbose, &self.last_hops)?;
                (text, status(&report))
            }
            _ => (String::new(), ExitCode::SUCCESS),
        };
        let mut stdout = written.count(io::stdout());
        let print = move || {
            // Log lines come before the report, as they were logged before its end.
            tcp_echo_log::flush();
            if let Some(writer) = writer {
                writer.finish();
            }
            stdout.write_all(text.as_bytes())?;
            stdout.flush()
        };
        match print::print(print, &written, self.is_hurried, interrupt).await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(status),
        }
    }
}

fn text(report: &Report, config: &ReportConfig, has_lines: bool, hops: &str) -> io::Result<String> {
    Ok(match config.output {
        Output::Table => {
            let table = table(report, Charset::of(&io::stdout()));
            let gap = if has_lines { "\n" } else { "" };
            let hops_gap = if hops.is_empty() { "" } else { "\n" };
            format!("{gap}{table}{hops_gap}{hops}")
        }
        Output::Json => report.to_json()? + "\n",
    })
}

fn status(report: &Report) -> ExitCode {
    match report.within_max_loss() {
        Some(true) => ExitCode::SUCCESS,
        Some(false) | None => ExitCode::from(LOSS_EXCEEDED),
    }
}

/// Starts to write lines: to standard output beside a table, to standard error beside JSON.
fn start_lines(
    report: &ReportConfig,
    written: &Written,
    hops: Option<&Hops>,
) -> io::Result<Writer> {
    let paths = hops.map(|hops| hops.paths().clone());
    let (stdout, stderr) = (io::stdout(), io::stderr());
    match report.output {
        Output::Table => {
            let charset = Charset::of(&stdout);
            lines::start(written.count(stdout), charset, paths)
        }
        Output::Json => {
            let charset = Charset::of(&stderr);
            lines::start(written.count(stderr), charset, paths)
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

/// The observer of a run.
#[derive(Clone, Debug, Default)]
pub struct RunObserver {
    totals: Option<Totals>,
    live: Option<LiveTargets>,
}

/// The sensor of one target.
#[derive(Debug)]
pub struct RunSensor {
    totals: Option<TotalsSensor>,
    live: Option<<LiveTargets as Observer>::Sensor>,
}

impl Observer for RunObserver {
    type Sensor = RunSensor;

    fn attach(&self, target: &Target) -> RunSensor {
        self.attach_flow(target, 0)
    }

    fn attach_flow(&self, target: &Target, flow: u16) -> RunSensor {
        let (totals, live) = (self.totals.as_ref(), self.live.as_ref());
        RunSensor {
            totals: totals.map(|totals| totals.attach_flow(target, flow)),
            live: live.map(|live| live.attach_flow(target, flow)),
        }
    }
}

impl Sensor for RunSensor {
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
