//! The observer that keeps the numbers of all targets.

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroU16,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tcp_echo_episodes::Episodes;
use tcp_echo_prober::{
    Event, FlowSummary, Observer, Paths, Sensor, Session, Target, TcpInfo, UnsentReason,
};
use tokio::{sync::Notify, time::timeout};

#[cfg(feature = "page")]
use tcp_echo_prober::{FlowStatus, LinkVotes};

#[cfg(feature = "page")]
use super::snapshot::Snapshot;
use super::{
    buckets::{Buckets, seconds},
    buffer_pool::BufferPool,
    counts::Counts,
    flows::Flows,
    labels::Labels,
    layout::{self, Cell, Histogram, Layout, Scratch, nanos},
    native,
    own_host::{OwnHost, PartIndex},
    rtt_window::RttWindow,
    seqlock::{Change, SeqLock, Writer},
    series::Series,
    series_set::SeriesSet,
    snapshot::Snapshots,
};

/// Keeps the metrics of all targets: the [`Observer`] of a prober, shown by
/// [`Endpoints`](crate::Endpoints). Clones share the same metrics.
///
/// A target's series exist, at 0, from the moment it is attached until its sensor is dropped.
/// An event costs a few atomic stores. A scrape sees every target as it was between two events.
#[derive(Clone)]
pub struct TargetMetrics {
    shared: Arc<Shared>,
    episodes: Option<Episodes>,
}

struct Shared {
    layout: Arc<Layout>,
    /// By name, so that every exposition has the same order and no duplicate series.
    targets: Mutex<BTreeMap<Arc<str>, Arc<Series>>>,
    /// Notified when a target was tried for the first time.
    tried: Notify,
    buffer_pool: Arc<BufferPool>,
    /// What is counted for all targets together, if not for each.
    own_host: Option<OwnHost>,
    paths: OnceLock<KnownPaths>,
}

/// The paths of the prober that is observed.
struct KnownPaths {
    paths: Paths,
    /// Whether those of targets of one flow have a record, too.
    of_lone_flows: bool,
}

/// The number of buckets of a native histogram for which room is allocated at once. It is enough for
/// an RTT that varies little; for others the buffer grows by a sixteenth at a time.
const NATIVE_ENTRIES: usize = 12;

impl TargetMetrics {
    /// Creates metrics of all series, with the default buckets of `tcp_echo_rtt_seconds`.
    pub fn new() -> Self {
        Self::with_buckets(Buckets::default())
    }

    /// Creates metrics of all series, with other buckets of `tcp_echo_rtt_seconds`.
    pub fn with_buckets(rtt: Buckets) -> Self {
        Self::with_series(rtt, SeriesSet::All)
    }

    /// Creates metrics of these series, with these buckets of `tcp_echo_rtt_seconds`.
    pub fn with_series(rtt: Buckets, series: SeriesSet) -> Self {
        let own_host = || {
            OwnHost::new(
                layout::send_lateness_buckets(),
                layout::host_delay_buckets(),
            )
        };
        Self {
            shared: Arc::new(Shared {
                layout: Arc::new(Layout::new(rtt, series)),
                targets: Mutex::default(),
                tried: Notify::new(),
                buffer_pool: Arc::default(),
                own_host: (series < SeriesSet::All).then(own_host),
                paths: OnceLock::new(),
            }),
            episodes: None,
        }
    }

    /// Has the metrics of flows come from the paths of the observed prober, and its votes for links
    /// be shown. `source_ports` is that of its options. The first call counts.
    #[must_use]
    pub fn with_paths(self, paths: Paths, source_ports: Option<NonZeroU16>) -> Self {
        let of_lone_flows = source_ports.is_some();
        self.shared.paths.get_or_init(|| KnownPaths {
            paths,
            of_lone_flows,
        });
        self
    }

    /// Returns the paths, if they are known.
    pub(crate) fn paths(&self) -> Option<&Paths> {
        Some(&self.shared.paths.get()?.paths)
    }

    /// Shows the episodes of the targets, too. They observe the same prober.
    #[must_use]
    pub fn with_episodes(mut self, episodes: Episodes) -> Self {
        self.episodes = Some(episodes);
        self
    }

    /// Returns what the prober's own host adds to all targets together; `None` if each target
    /// has it.
    pub(crate) fn own_host(&self) -> Option<&OwnHost> {
        self.shared.own_host.as_ref()
    }

    /// Takes snapshots of the listed targets, without those requested at `/probe`.
    pub(crate) fn snapshot_listed(&self, native: bool) -> Snapshots {
        let targets = self.shared.lock();
        let listed = targets.values().filter(|series| !series.on_demand);
        let listed = listed.cloned().collect();
        drop(targets);
        self.take_snapshots(listed, native)
    }

    /// Takes a snapshot of the target of this name, if there is one.
    pub(crate) fn snapshot_of(&self, name: &str, native: bool) -> Option<Snapshots> {
        let series = self.shared.lock().get(name).cloned()?;
        Some(self.take_snapshots(vec![series], native))
    }

    fn take_snapshots(&self, targets: Vec<Arc<Series>>, native: bool) -> Snapshots {
        let layout = Arc::clone(&self.shared.layout);
        let words_each = layout.native() + if native { NATIVE_ENTRIES } else { 0 };
        let mut words = self.shared.buffer_pool.take(targets.len() * words_each);
        let mut ends = Vec::with_capacity(targets.len());
        let mut read = Scratch::default();
        let (mut flows, mut peers) = (Vec::new(), Vec::with_capacity(targets.len()));
        for (index, series) in targets.iter().enumerate() {
            read.read(&series.flows, &layout);
            if words.capacity() - words.len() < layout.native() + read.buckets() {
                // The usual growth would double a buffer of megabytes, which the pool keeps.
                let more = words.len() / 16 + layout.native() + read.buckets();
                words.reserve_exact(more);
            }
            layout.expand(&read, native, &mut words);
            ends.push(words.len());
            let summary = self.shared.flows_of(series);
            flows.extend(summary.map(|summary| (index, summary)));
            peers.push(series.peer());
        }
        Snapshots {
            layout,
            targets,
            words,
            ends,
            native,
            flows,
            peers,
            episodes: self.episodes.as_ref().map(Episodes::totals),
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.shared.lock().contains_key(name)
    }

    /// Counts the targets of these names that were not tried yet. A target that is not attached
    /// was not.
    pub(crate) fn untried_among(&self, names: &[Arc<str>]) -> usize {
        let targets = self.shared.lock();
        let is_tried = |name: &&Arc<str>| targets.get(*name).is_some_and(|s| s.is_tried());
        names.len() - names.iter().filter(is_tried).count()
    }

    /// Counts the listed targets that were not tried yet, and all listed targets.
    pub(crate) fn untried_listed(&self) -> (usize, usize) {
        let targets = self.shared.lock();
        let listed = targets.values().filter(|series| !series.on_demand);
        listed.fold((0, 0), |(untried, all), series| {
            (untried + usize::from(!series.is_tried()), all + 1)
        })
    }

    /// Waits until the target of this name was tried, at most `max_wait`.
    pub(crate) async fn wait_until_tried(&self, name: &str, max_wait: Duration) {
        let is_tried = || self.shared.lock().get(name).is_some_and(|s| s.is_tried());
        let tried = async {
            loop {
                let next = self.shared.tried.notified();
                if is_tried() {
                    return;
                }
                next.await;
            }
        };
        // After the timeout the client gets the numbers of that moment.
        let _ = timeout(max_wait, tried).await;
    }
}

/// What only the page reads.
#[cfg(feature = "page")]
impl TargetMetrics {
    /// The episodes of the targets, if they are known.
    pub(crate) const fn episodes(&self) -> Option<&Episodes> {
        self.episodes.as_ref()
    }

    /// Takes snapshots of all targets, with the native histograms or without.
    pub(crate) fn snapshot_all(&self, native: bool) -> Snapshots {
        let targets = self.shared.lock().values().cloned().collect();
        self.take_snapshots(targets, native)
    }

    /// Returns all targets, sorted by name.
    pub(crate) fn all(&self) -> Vec<Arc<Series>> {
        self.shared.lock().values().cloned().collect()
    }

    /// Visits these targets one after the other, with the native histogram. Each is consistent in
    /// itself, and only one is in memory at a time.
    pub(crate) fn visit(&self, targets: &[Arc<Series>], mut visit: impl FnMut(Snapshot<'_>)) {
        let layout = &self.shared.layout;
        let (mut read, mut words) = (Scratch::default(), Vec::new());
        for series in targets {
            read.read(&series.flows, layout);
            words.clear();
            layout.expand(&read, true, &mut words);
            visit(Snapshot::new(series, layout, &words, true));
        }
    }

    /// Returns what is known of the flows of the target of this name, if anything is.
    pub(crate) fn flows(&self, name: &str) -> Option<Vec<FlowStatus>> {
        self.paths()?.flows(name)
    }

    /// Returns the votes for all links.
    pub(crate) fn votes(&self) -> Vec<LinkVotes> {
        self.paths().map(Paths::votes).unwrap_or_default()
    }

    /// Returns the number of targets.
    pub(crate) fn len(&self) -> usize {
        self.shared.lock().len()
    }
}

impl Default for TargetMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TargetMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets = self.shared.lock().len();
        f.debug_struct("TargetMetrics")
            .field("targets", &targets)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<Series>>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known of a target's flows, if that is exported. Without a source port of its
    /// own, the numbers of the only flow are those of the target: a look-up for each target would
    /// only cost time.
    fn flows_of(&self, series: &Series) -> Option<FlowSummary> {
        let known = self.paths.get()?;
        let is_exported = match self.layout.series {
            SeriesSet::Minimal => false,
            SeriesSet::Standard => series.flows.all().len() > 1,
            SeriesSet::All => known.of_lone_flows || series.flows.all().len() > 1,
        };
        is_exported.then(|| known.paths.summary(&series.name))?
    }

    /// Returns the series of a target, and the writer of one of its flows. The series of an earlier
    /// target of the name are replaced.
    fn attach(&self, target: &Target, flow: u16, counts: Counts) -> (Writer, Arc<Series>) {
        let mut targets = self.lock();
        if let Some(series) = targets.get(target.name())
            && let Some(writer) = series.flows.attach(flow)
        {
            return (writer, Arc::clone(series));
        }
        let create = || SeqLock::new(self.layout.words(), counts.len());
        let (writer, flows) = Flows::new(target.flows(), flow, create);
        let series = Arc::new(Series {
            name: Arc::clone(target.name()),
            labels: Labels::new(target.series_name(), target.labels()),
            address: target.address().to_string(),
            on_demand: target.is_on_demand(),
            flows,
            peer: Mutex::default(),
        });
        targets.insert(Arc::clone(target.name()), Arc::clone(&series));
        (writer, series)
    }
}

impl Observer for TargetMetrics {
    type Sensor = TargetSensor;

    /// Registers the target's series. Replaces those of a target of the same name that is still
    /// attached.
    fn attach(&self, target: &Target) -> TargetSensor {
        self.attach_flow(target, 0)
    }

    /// Registers the target's series with the first of its flows. The others have the same series.
    fn attach_flow(&self, target: &Target, flow: u16) -> TargetSensor {
        let layout = &self.shared.layout;
        let counts = layout.counts(target.session().max_timeout());
        let (mut writer, series) = self.shared.attach(target, flow, counts);
        if target.session().is_adaptive() {
            let timeout = target.session().first_timeout();
            writer
                .change()
                .set(Cell::EstimatedTimeout as usize, nanos(timeout));
        }
        let window = layout.rtt_window.clone();
        let rtt_window = (!window.is_empty()).then(|| {
            let slots = target.session().window().get();
            Box::new(RttWindow::new(slots, target.flows(), window.start))
        });
        TargetSensor {
            writer,
            counts,
            rtt_window,
            series,
            part: PartIndex::of_this_thread(),
            tried: false,
            shared: Arc::clone(&self.shared),
        }
    }
}

/// Keeps the metrics of one target, or of one of its flows. The target's series are removed when
/// one of these is dropped.
#[derive(Debug)]
pub struct TargetSensor {
    writer: Writer,
    counts: Counts,
    rtt_window: Option<Box<RttWindow>>,
    series: Arc<Series>,
    /// Where this thread counts for all targets together.
    part: PartIndex,
    /// Whether the target was tried and waiters were notified.
    tried: bool,
    shared: Arc<Shared>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Drop for TargetSensor {
    fn drop(&mut self) {
        let mut targets = self.shared.lock();
        let name = &*self.series.name;
        if targets
            .get(name)
            .is_some_and(|series| Arc::ptr_eq(series, &self.series))
        {
            targets.remove(name);
        }
    }
}

impl Sensor for TargetSensor {
    #[inline]
    fn on_event(&mut self, event: &Event, session: &Session) {
        let counts = session.counts();
        let change = self.writer.change();
        if let Event::Excess(excess) = event {
            let layout = &self.shared.layout;
            layout.observe_excess(&change, self.counts, excess);
            return;
        }
        let set = |cell: Cell, value: u64| change.set(cell as usize, value);
        let observe = |histogram: Histogram, duration: Duration| {
            let nanos = nanos(duration);
            if let Some(slot) = self.shared.layout.slot(histogram) {
                slot.observe(&change, self.counts, nanos);
            }
            nanos
        };
        // The invariant `sent = received + timeouts + in_flight` holds only if all four are set
        // together.
        set(Cell::Sent, counts.sent);
        set(Cell::Received, counts.received);
        set(Cell::Timeouts, counts.timeouts);
        set(Cell::InFlight, session.in_flight() as u64);
        set(Cell::Departed, session.is_departed().into());
        match event {
            Event::Sent { lateness, .. } => {
                let nanos = observe(Histogram::SendLateness, *lateness);
                if let Some(host) = &self.shared.own_host {
                    host.send_lateness.observe(self.part, nanos);
                }
            }
            Event::Received {
                rtt, host_delay, ..
            } => {
                let rtt_nanos = observe(Histogram::Rtt, *rtt);
                let rtt = seconds(rtt_nanos);
                self.shared.layout.observe_native(&change, self.counts, rtt);
                if let Some(window) = &mut self.rtt_window {
                    window.on_received(&change, native::bucket(rtt));
                }
                set(Cell::LastRtt, rtt_nanos);
                set(Cell::Jitter, session.jitter_seconds().to_bits());
                if let Some(delay) = host_delay {
                    let nanos = observe(Histogram::HostDelay, *delay);
                    if let Some(host) = &self.shared.own_host {
                        host.host_delay.observe(self.part, nanos);
                    }
                }
                set_window(&change, session);
                set_timeout(&change, session);
            }
            Event::TimedOut { .. } => {
                if let Some(window) = &mut self.rtt_window {
                    window.on_lost(&change, 1);
                }
                set_window(&change, session);
                set_timeout(&change, session);
            }
            Event::Unsent { reason, slots } => {
                change.set(layout::UNSENT + *reason as usize, counts.unsent(*reason));
                if let Some(window) = &mut self.rtt_window {
                    window.on_lost(&change, *slots);
                }
                set_window(&change, session);
            }
            Event::Late { .. } => set(Cell::Late, counts.late),
            Event::Unexpected => set(Cell::Unexpected, counts.unexpected),
            Event::Connected { address, handshake } => {
                change.add(Cell::Connects as usize, 1);
                set(Cell::Connected, 1);
                set(Cell::Greeted, 0);
                layout::set_peer(&change, *address);
                observe(Histogram::ConnectDuration, *handshake);
            }
            Event::ConnectFailed { reason } => {
                change.add(layout::CONNECT_FAILURES + *reason as usize, 1);
            }
            Event::Disconnected { reason } => {
                change.add(layout::DISCONNECTS + *reason as usize, 1);
                set(Cell::Connected, 0);
                set_tcp_info(&change, &TcpInfo::default());
            }
            Event::TcpInfo(info) => {
                set_tcp_info(&change, info);
                set(Cell::Retransmits, info.retransmits);
                layout::set_directions(&change, session);
            }
            Event::PeerSegments => layout::set_directions(&change, session),
            Event::Greeted { .. } => set(Cell::Greeted, 1),
            Event::PeerIdentity(identity) => self.series.set_peer(identity),
            Event::SoftError => change.add(Cell::SoftErrors as usize, 1),
            // Events that a newer session adds.
            _ => {}
        }
        drop(change);
        if !self.tried && is_outcome(event) {
            self.tried = true;
            self.shared.tried.notify_waiters();
        }
    }
}

/// Returns whether the event is the result of a connection attempt.
fn is_outcome(event: &Event) -> bool {
    matches!(
        event,
        Event::Connected { .. }
            | Event::ConnectFailed { .. }
            | Event::Unsent {
                reason: UnsentReason::Resources,
                ..
            }
    )
}

/// Stores the kernel's statistics of the connection; the default if there is none.
fn set_tcp_info(change: &Change<'_>, info: &TcpInfo) {
    change.set(Cell::Srtt as usize, nanos(info.srtt));
    change.set(Cell::Rttvar as usize, nanos(info.rttvar));
    let min_rtt = info.min_rtt.map_or(0, nanos);
    change.set(Cell::MinRtt as usize, min_rtt);
}

#[inline]
fn set_window(change: &Change<'_>, session: &Session) {
    let window = session.loss_window();
    let packed = layout::pack(window.lost().into(), window.len().into());
    change.set(Cell::Window as usize, packed);
    change.set(Cell::Missed as usize, u64::from(session.missed_in_window()));
}

/// Stores the timeout, if it is adaptive.
#[inline]
fn set_timeout(change: &Change<'_>, session: &Session) {
    if let Some(timeout) = session.adaptive_timeout() {
        change.set(Cell::EstimatedTimeout as usize, nanos(timeout));
    }
}
