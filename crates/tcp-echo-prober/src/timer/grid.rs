//! When a thread wakes: at each deadline, or on a grid of times.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::Coalesce;

/// The longest window of [`Coalesce::Auto`].
const MAX_WINDOW: Duration = Duration::from_millis(1);

/// A window is at most this part of the shortest interval, for [`Coalesce::Auto`].
const WINDOWS_PER_INTERVAL: u32 = 20;

/// The same for [`Coalesce::Every`]. Two replies of one connection in one read would share the
/// kernel's stamp of the last one.
const MIN_WINDOWS_PER_INTERVAL: u32 = 4;

/// The slots that a window must have on average. With fewer, a grid causes more wake-ups than
/// it saves.
const SLOTS_PER_WINDOW: u128 = 2;

/// A time in nanoseconds since the origin of a thread's [`Grid`].
pub(super) type Nanos = u64;

/// The grid of one thread: the thread sleeps until the next multiple of its window, then reads
/// everything that has arrived and sends everything that is due.
///
/// One system call to sleep then replaces one for each slot and one for each reply.
#[derive(Debug)]
pub(crate) struct Grid {
    coalesce: Coalesce,
    origin: Instant,
    /// In nanoseconds; 0 is no grid.
    window: AtomicU64,
    /// Whether the kernel stamped the last reply. Without a stamp, the time that a reply waits
    /// for the grid would be in its RTT.
    is_stamped: AtomicBool,
}

impl Grid {
    pub(crate) fn new(coalesce: Coalesce) -> Self {
        Self {
            coalesce,
            origin: Instant::now(),
            window: AtomicU64::new(0),
            is_stamped: AtomicBool::new(false),
        }
    }

    /// Sets the window for targets of these intervals.
    pub(crate) fn fit(&self, density: &Density) {
        let window = density.window(self.coalesce).unwrap_or_default();
        let nanos = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        self.window.store(nanos, Ordering::Relaxed);
    }

    /// Notes whether the kernel stamped a reply.
    #[inline]
    pub(crate) fn replied(&self, is_stamped: bool) {
        self.is_stamped.store(is_stamped, Ordering::Relaxed);
    }

    /// This time as nanoseconds.
    #[inline]
    pub(super) fn nanos(&self, at: Instant) -> Nanos {
        const PER_SECOND: u64 = 1_000_000_000;
        let since = at.saturating_duration_since(self.origin);
        let seconds = since.as_secs().saturating_mul(PER_SECOND);
        seconds.saturating_add(since.subsec_nanos().into())
    }

    /// The time that these nanoseconds are.
    #[inline]
    pub(super) fn instant(&self, at: Nanos) -> Instant {
        self.origin + Duration::from_nanos(at)
    }

    /// The first time of the grid at or after `at`; `at` without a grid.
    #[inline]
    pub(super) fn at_or_after(&self, at: Nanos) -> Nanos {
        let window = self.window.load(Ordering::Relaxed);
        if window == 0 || !self.is_stamped.load(Ordering::Relaxed) {
            return at;
        }
        at.checked_next_multiple_of(window).unwrap_or(at)
    }

    /// Blocks the thread until the next time of the grid, if there is one.
    pub(crate) fn sleep(&self) {
        let now = self.nanos(Instant::now());
        let wait = self.at_or_after(now) - now;
        if wait > 0 {
            thread::sleep(Duration::from_nanos(wait));
        }
    }
}

/// The intervals of the targets of a thread.
#[derive(Debug, Default)]
pub(crate) struct Density {
    intervals: BTreeMap<Duration, usize>,
    /// Slots in 10⁹ seconds.
    rate: u128,
}

impl Density {
    pub(crate) fn add(&mut self, interval: Duration) {
        *self.intervals.entry(interval).or_default() += 1;
        self.rate += rate(interval);
    }

    pub(crate) fn remove(&mut self, interval: Duration) {
        if let Some(count) = self.intervals.get_mut(&interval) {
            *count -= 1;
            if *count == 0 {
                self.intervals.remove(&interval);
            }
            self.rate -= rate(interval);
        }
    }

    /// The window of the grid, or `None` for no grid.
    fn window(&self, coalesce: Coalesce) -> Option<Duration> {
        let (shortest, _) = self.intervals.first_key_value()?;
        match coalesce {
            Coalesce::Off => None,
            Coalesce::Every(window) => Some(window.min(*shortest / MIN_WINDOWS_PER_INTERVAL)),
            Coalesce::Auto => {
                let window = MAX_WINDOW.min(*shortest / WINDOWS_PER_INTERVAL);
                let slots = self.rate * window.as_nanos() / rate(Duration::from_nanos(1));
                (slots >= SLOTS_PER_WINDOW).then_some(window)
            }
        }
    }
}

/// The slots of one target in 10⁹ seconds.
fn rate(interval: Duration) -> u128 {
    const SPAN: Duration = Duration::from_secs(1_000_000_000);
    SPAN.as_nanos() / interval.as_nanos().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn density(targets: &[(usize, Duration)]) -> Density {
        let mut density = Density::default();
        for (count, interval) in targets {
            for _ in 0..*count {
                density.add(*interval);
            }
        }
        density
    }

    #[test]
    fn auto_requires_two_slots_a_window() {
        let auto = |targets: &[_]| density(targets).window(Coalesce::Auto);
        assert_eq!(auto(&[]), None);
        assert_eq!(auto(&[(1, 10 * MS)]), None);
        assert_eq!(auto(&[(1, MS / 10)]), None);
        assert_eq!(auto(&[(39, 20 * MS)]), None);
        assert_eq!(auto(&[(40, 20 * MS)]), Some(MS));
        assert_eq!(auto(&[(1000, 20 * MS)]), Some(MS));
        // The maximum, for slower targets.
        assert_eq!(auto(&[(399, 200 * MS)]), None);
        assert_eq!(auto(&[(400, 200 * MS)]), Some(MS));
        assert_eq!(auto(&[(10_000, 200 * MS)]), Some(MS));
        // The shortest interval decides.
        assert_eq!(auto(&[(1000, 200 * MS), (1, 3 * MS)]), None);
        assert_eq!(auto(&[(5000, 200 * MS), (1, 3 * MS)]), Some(3 * MS / 20));
    }

    #[test]
    fn a_removed_target_no_longer_counts() {
        let mut density = density(&[(1000, 20 * MS), (2, 3 * MS)]);
        density.remove(3 * MS);
        assert_eq!(density.window(Coalesce::Auto), Some(3 * MS / 20));
        density.remove(3 * MS);
        assert_eq!(density.window(Coalesce::Auto), Some(MS));
        for _ in 0..1000 {
            density.remove(20 * MS);
        }
        assert_eq!(density.rate, 0);
        assert_eq!(density.window(Coalesce::Auto), None);
        assert_eq!(density.window(Coalesce::Every(MS)), None);
    }

    #[test]
    fn a_given_window_is_at_most_a_quarter_of_the_shortest_interval() {
        let one = density(&[(1, 20 * MS)]);
        assert_eq!(one.window(Coalesce::Off), None);
        assert_eq!(one.window(Coalesce::Every(3 * MS)), Some(3 * MS));
        assert_eq!(one.window(Coalesce::Every(30 * MS)), Some(5 * MS));
    }

    #[test]
    fn times_of_the_grid_are_multiples_of_the_window() {
        let grid = Grid::new(Coalesce::Auto);
        let next = |micros: u64| grid.at_or_after(micros * 1000) / 1000;
        grid.replied(true);
        assert_eq!(next(1), 1, "no targets");
        grid.fit(&density(&[(1000, 10 * MS)]));
        for (time, expected) in [(0, 0), (1, 500), (499, 500), (500, 500), (501, 1000)] {
            assert_eq!(next(time), expected);
        }
        let at = grid.origin + MS / 2;
        assert_eq!(grid.instant(grid.nanos(at)), at);
        grid.sleep();
        assert!(grid.origin.elapsed() >= MS / 2);
    }

    #[test]
    fn without_stamps_there_is_no_grid() {
        let grid = Grid::new(Coalesce::Every(MS));
        grid.fit(&density(&[(1, 16 * MS)]));
        assert_eq!(grid.at_or_after(5), 5, "not known yet");
        grid.replied(true);
        assert_eq!(grid.at_or_after(5), 1_000_000);
        grid.replied(false);
        assert_eq!(grid.at_or_after(5), 5);
    }
}
