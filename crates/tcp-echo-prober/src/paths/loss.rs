//! The recent loss of a flow, and whether it is more than that of others.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The length of a step.
const STEP: Duration = Duration::from_secs(5);
/// How many steps are kept: half a minute.
const STEPS: u32 = 6;

/// How improbable a flow's losses must be at the rate of its better half of siblings. It is
/// small, since the better half is a little better than all by chance, and since a flow is
/// judged every second.
const IMPROBABLE: f64 = 1e-5;
/// Fewer losses say nothing.
const MIN_LOST: u32 = 2;

/// What was sent and lost in the last half minute, in segments or in slots.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentLoss {
    steps: VecDeque<Step>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    began: Instant,
    counts: LossCounts,
}

/// What was sent, and lost of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LossCounts {
    pub(super) sent: u32,
    pub(super) lost: u32,
}

impl LossCounts {
    fn add(&mut self, other: Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.lost = self.lost.saturating_add(other.lost);
    }

    /// The lost part, with a loss more than were seen: a flow that has sent little is not known
    /// to be free of loss.
    fn ratio(self) -> f64 {
        (f64::from(self.lost) + 0.5) / (f64::from(self.sent) + 1.0)
    }
}

impl RecentLoss {
    pub(super) fn add(&mut self, now: Instant, counts: LossCounts) {
        self.steps
            .retain(|step| now.saturating_duration_since(step.began) < STEP * STEPS);
        match self.steps.back_mut() {
            Some(step) if now.saturating_duration_since(step.began) < STEP => {
                step.counts.add(counts);
            }
            _ => self.steps.push_back(Step { began: now, counts }),
        }
    }

    /// Forgets what was lost, as after a change of the path.
    pub(super) fn clear(&mut self) {
        self.steps.clear();
    }

    pub(super) fn counts(&self) -> LossCounts {
        let mut all = LossCounts::default();
        for step in &self.steps {
            all.add(step.counts);
        }
        all
    }
}

/// Whether one flow loses while others don't: its losses are improbable at the rate of the
/// better half of all flows, `flows`, of which it is one.
pub(super) fn loses_more(flow: LossCounts, flows: &mut [LossCounts]) -> bool {
    if flow.lost < MIN_LOST || flows.len() < 2 {
        return false;
    }
    flows.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    let mut better = LossCounts::default();
    for counts in &flows[..flows.len() / 2] {
        better.add(*counts);
    }
    let expected = better.ratio() * f64::from(flow.sent.max(flow.lost));
    f64::from(flow.lost) > 3.0 * expected && tail(flow.lost, expected) < IMPROBABLE
}

/// The probability of at least `events` where `expected` are expected (Poisson).
fn tail(events: u32, expected: f64) -> f64 {
    // P(n) = e^-x x^n / n!, by logarithms, since each factor may leave the range of numbers.
    let mut ln_term = f64::from(events).mul_add(expected.ln(), -expected);
    ln_term -= (1..=events).map(|n| f64::from(n).ln()).sum::<f64>();
    let mut term = ln_term.exp();
    let mut sum = 0.0;
    let mut n = events;
    // The terms fall at once, where more than expected is asked for.
    while term > 1e-12 && n < events.saturating_add(1_000) {
        sum += term;
        n += 1;
        term *= expected / f64::from(n);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(sent: u32, lost: u32) -> LossCounts {
        LossCounts { sent, lost }
    }

    #[test]
    fn tails_are_those_of_the_poisson_distribution() {
        for (events, expected, probability) in [
            (1, 1.0, 0.632_120_6),
            (3, 0.5, 0.014_387_7),
            (10, 3.0, 0.001_102_5),
        ] {
            let found = tail(events, expected);
            assert!(
                (found - probability).abs() < 1e-6,
                "{events} of {expected}: {found}"
            );
        }
        assert!(tail(1_000, 10.0) < IMPROBABLE);
    }

    #[test]
    fn one_that_loses_among_others_stands_out() {
        let good = counts(1_500, 0);
        let mut flows = vec![good; 15];
        for lost in [15, 60, 1_000] {
            let bad = counts(1_500, lost);
            flows.push(bad);
            assert!(loses_more(bad, &mut flows), "{lost}");
            assert!(!loses_more(good, &mut flows));
            flows.pop();
        }
        assert!(!loses_more(counts(1_500, 1), &mut flows));
    }

    #[test]
    fn half_of_the_flows_may_lose() {
        let (good, bad) = (counts(1_000, 1), counts(1_000, 40));
        let mut flows = vec![good; 8];
        flows.extend([bad; 8]);
        assert!(loses_more(bad, &mut flows));
        assert!(!loses_more(good, &mut flows));
    }

    /// Where all lose, chance makes differences, and none of them stands out.
    #[test]
    fn flows_with_the_same_loss_rarely_stand_out() {
        let mut random = fastrand::Rng::with_seed(20);
        let mut out = 0;
        for _ in 0..200 {
            let flows: Vec<_> = (0..16)
                .map(|_| {
                    let lost = (0..1_000).filter(|_| random.f64() < 0.02).count();
                    counts(1_000, u32::try_from(lost).unwrap())
                })
                .collect();
            out += flows
                .iter()
                .filter(|flow| loses_more(**flow, &mut flows.clone()))
                .count();
        }
        assert!(out <= 3, "{out} of 3,200");
    }

    #[test]
    fn half_a_minute_is_remembered() {
        let mut recent = RecentLoss::default();
        let start = Instant::now();
        for second in 0..60 {
            recent.add(start + Duration::from_secs(second), counts(10, 1));
            assert!(recent.steps.len() <= 6);
        }
        let counts = recent.counts();
        assert!((250..=310).contains(&counts.sent), "{counts:?}");
        recent.clear();
        assert_eq!(recent.counts(), LossCounts::default());
    }
}
