//! The recent loss of a flow, and whether it is more than that of others.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The length of a step.
const STEP: Duration = Duration::from_secs(5);
/// How many steps are kept: half a minute.
const STEPS: u32 = 6;

/// How improbable a flow's losses must be at the rate of flows that lose less. It is small, since
/// every flow is judged every second.
const IMPROBABLE: f64 = 1e-5;
/// What is improbable may still be little: so many times more must be lost than expected.
const TIMES: f64 = 3.0;
/// One flow of so many is good.
const GOOD: usize = 4;
/// Fewer losses say nothing.
const MIN_LOST: u32 = 2;

/// What was sent and lost in the last half minute, in segments or in slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecentLoss {
    steps: VecDeque<Step>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    began: Instant,
    counts: LossCounts,
}

/// What was sent, and lost of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LossCounts {
    pub(crate) sent: u32,
    pub(crate) lost: u32,
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
    pub(crate) fn add(&mut self, now: Instant, counts: LossCounts) {
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
    pub(crate) fn clear(&mut self) {
        self.steps.clear();
    }

    pub(crate) fn counts(&self) -> LossCounts {
        let mut all = LossCounts::default();
        for step in &self.steps {
            all.add(step.counts);
        }
        all
    }
}

/// Whether one flow loses while others don't. It is one of `flows`.
///
/// At least a quarter of all flows is taken to be good, and then each in turn that does not lose
/// improbably much at the rate of all before it, in the order of their loss. The rest are tested
/// against the good ones. So the good ones are not chosen for their luck, and bad ones don't hide
/// each other.
pub(super) fn loses_more(flow: LossCounts, flows: &mut [LossCounts]) -> bool {
    if flow.lost < MIN_LOST || flows.len() < 2 {
        return false;
    }
    flows.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    let (best, rest) = flows.split_at(flows.len().div_ceil(GOOD));
    let mut good = LossCounts::default();
    for counts in best {
        good.add(*counts);
    }
    for counts in rest {
        if is_improbable(*counts, good) {
            return is_improbable(flow, good);
        }
        good.add(*counts);
    }
    false
}

/// Whether these losses are improbable for a flow with the rate of those that have lost `good`.
fn is_improbable(flow: LossCounts, good: LossCounts) -> bool {
    /// Beyond, the tail need not be computed.
    const MANY: u32 = 1_000;
    if flow.lost < MIN_LOST {
        return false;
    }
    // What TCP sends again may count as lost before it counts as sent.
    let sent = f64::from(flow.sent.max(flow.lost));
    let times = sent / f64::from(good.sent.max(1));
    let known = f64::from(good.lost) + 0.5;
    let is_more = f64::from(flow.lost) > TIMES * known * times;
    is_more && ((flow.lost > MANY && times < 10.0) || tail(flow.lost, known, times) < IMPROBABLE)
}

/// The probability of at least `events` where `known` − ½ events were seen in 1/`times` of the time.
/// The rate is not known exactly, so this is a negative binomial distribution (with Jeffreys' prior
/// of a Poisson rate).
fn tail(events: u32, known: f64, times: f64) -> f64 {
    let part = times / (1.0 + times);
    // By logarithms, since a factor may leave the range of numbers.
    let mut ln_term = -known * times.ln_1p();
    let mut less = 0.0;
    for n in (0..events).map(f64::from) {
        less += ln_term.exp();
        ln_term += ((n + known) / (n + 1.0) * part).ln();
    }
    1.0 - less
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(sent: u32, lost: u32) -> LossCounts {
        LossCounts { sent, lost }
    }

    #[test]
    fn tails_are_those_of_the_negative_binomial_distribution() {
        for (events, known, times, probability) in [
            // Of a geometric distribution: one event was seen half of the time.
            (3, 1.0, 1.0, 0.125),
            (1, 1.0, 0.25, 0.2),
            // Nearly that of Poisson, P(X >= 3 | 0.5) = 0.0144, if the rate is well known.
            (3, 5_000.0, 0.000_1, 0.014_389),
        ] {
            let found = tail(events, known, times);
            assert!(
                (found - probability).abs() < 1e-5,
                "{events} of {known}: {found}"
            );
        }
        let much = tail(1_000, 5_000.0, 0.1);
        assert!((0.0..IMPROBABLE).contains(&much.abs()), "{much}");
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
    fn most_of_the_flows_may_lose() {
        let (good, bad) = (counts(1_000, 1), counts(1_000, 40));
        let mut flows = vec![good; 4];
        flows.extend([bad; 12]);
        assert!(loses_more(bad, &mut flows));
        assert!(!loses_more(good, &mut flows));
    }

    /// Where all lose, chance makes differences, and none of them stands out.
    #[test]
    fn flows_with_the_same_loss_rarely_stand_out() {
        let mut random = fastrand::Rng::with_seed(20);
        let mut out = 0;
        for sent in [30, 100, 300, 1_000] {
            for percent in [0.2, 1.0, 3.0] {
                for _ in 0..200 {
                    let flows: Vec<_> = (0..16)
                        .map(|_| {
                            let lost = (0..sent).filter(|_| random.f64() * 100.0 < percent);
                            counts(sent, u32::try_from(lost.count()).unwrap())
                        })
                        .collect();
                    out += flows
                        .iter()
                        .filter(|flow| loses_more(**flow, &mut flows.clone()))
                        .count();
                }
            }
        }
        assert!(out <= 3, "{out} of 38,400");
    }

    #[test]
    fn many_losses_are_judged_quickly() {
        let mut flows = vec![counts(u32::MAX, 100_000); 8];
        flows.push(counts(u32::MAX, u32::MAX));
        assert!(loses_more(flows[8], &mut flows.clone()));
        assert!(!loses_more(flows[0], &mut flows));
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
