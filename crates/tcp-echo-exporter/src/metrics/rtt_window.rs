//! The RTTs in the loss window, for their quantiles.
//!
//! For each slot of the window its target's sensor keeps the bucket of the native histogram that
//! the RTT is in, 2 bytes. The words that a scrape reads have only the number of RTTs in each of
//! these buckets, four a word. So a scrape costs the same for any window, and a quantile is as
//! precise as one of the native histogram: within 9 %, interpolated.

use std::num::NonZeroU16;

use super::{native, seqlock::Change};

/// The maximum number of slots. The quantiles of a longer loss window are those of so many of its
/// last slots: this bounds the memory of a target.
const MAX_SLOTS: u32 = 10_000;

/// The number of words for the counts: 212 buckets, up to 83 s. A longer RTT is counted in the
/// last one.
pub(crate) const WORDS: usize = 53;

/// Counts in a word.
const IN_WORD: usize = 4;
const BUCKETS: usize = WORDS * IN_WORD;
const COUNT_BITS: usize = 16;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// The maximum number of slots of all flows of a target, whose counts are summed.
const MAX_SUM: u32 = u16::MAX as u32;

/// A slot without an RTT: lost, or not yet passed.
const NONE: u16 = u16::MAX;

/// The quantiles that are exported, and the values of their label.
pub(crate) const QUANTILES: [(f64, &str); 3] = [(0.5, "0.5"), (0.9, "0.9"), (0.99, "0.99")];

/// The outcomes of the last slots.
#[derive(Debug)]
pub(crate) struct RttWindow {
    buckets: Box<[u16]>,
    /// The index of the oldest outcome.
    oldest: usize,
    /// The index of the first word of counts.
    start: usize,
}

impl RttWindow {
    /// Creates the outcomes of a loss window of `slots` slots, for one of so many flows. Its counts
    /// are from the word `start` on.
    pub(crate) fn new(slots: u32, flows: NonZeroU16, start: usize) -> Self {
        let max = MAX_SLOTS.min(MAX_SUM / u32::from(flows.get()));
        let slots = slots.min(max).max(1);
        Self {
            buckets: (0..slots).map(|_| NONE).collect(),
            oldest: 0,
            start,
        }
    }

    /// A slot was answered, with an RTT in this bucket.
    #[inline]
    pub(crate) fn on_received(&mut self, change: &Change<'_>, bucket: usize) {
        let bucket = bucket.min(BUCKETS - 1);
        self.push(change, u16::try_from(bucket).unwrap_or(NONE));
    }

    /// Slots were lost.
    #[inline]
    pub(crate) fn on_lost(&mut self, change: &Change<'_>, slots: u64) {
        let all = self.buckets.len() as u64;
        for _ in 0..slots.min(all) {
            self.push(change, NONE);
        }
    }

    #[inline]
    fn push(&mut self, change: &Change<'_>, bucket: u16) {
        let Some(oldest) = self.buckets.get_mut(self.oldest) else {
            return;
        };
        let left = std::mem::replace(oldest, bucket);
        self.oldest += 1;
        if self.oldest == self.buckets.len() {
            self.oldest = 0;
        }
        // A count is at most the number of slots, and one that is reduced is not 0, so no
        // other count in the word changes.
        if left != NONE {
            let (word, one) = self.place(left);
            change.add(word, one.wrapping_neg());
        }
        if bucket != NONE {
            let (word, one) = self.place(bucket);
            change.add(word, one);
        }
    }

    /// Returns the word of a bucket's count, and one in it.
    fn place(&self, bucket: u16) -> (usize, u64) {
        let bucket = usize::from(bucket);
        let one = 1 << (bucket % IN_WORD * COUNT_BITS);
        (self.start + bucket / IN_WORD, one)
    }
}

/// Returns the [`QUANTILES`] in seconds, given the words of the counts; NaN if there is no RTT.
pub(crate) fn quantiles(words: &[u64]) -> [f64; QUANTILES.len()] {
    let used = words.iter().enumerate().filter(|(_, word)| **word != 0);
    let counts = used.flat_map(|(index, word)| {
        (0..IN_WORD).map(move |place| {
            let count = word >> (place * COUNT_BITS) & COUNT;
            (index * IN_WORD + place, count)
        })
    });
    QUANTILES.map(|(q, _)| native::quantile(counts.clone(), q).map_or(f64::NAN, rounded))
}

/// Rounds a positive number to four digits. More would be noise, and bytes of each scrape.
fn rounded(value: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "a logarithm is small")]
    let scale = 10_f64.powi(3 - value.log10().floor() as i32);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::metrics::seqlock::SeqLock;

    const START: usize = 2;

    #[test]
    fn there_is_no_quantile_without_an_rtt() {
        assert!(
            quantiles(&[0; WORDS])
                .iter()
                .all(|quantile| quantile.is_nan())
        );
    }

    #[test]
    fn a_long_window_has_the_last_slots() {
        let window = RttWindow::new(10_000_000, NonZeroU16::MIN, 0);
        assert_eq!(window.buckets.len(), 10_000);
        let window = RttWindow::new(10_000_000, 64.try_into().unwrap(), 0);
        assert_eq!(window.buckets.len(), 1_023, "64 of them fit into 16 bits");
    }

    #[test]
    fn a_quantile_prints_with_four_digits() {
        for (value, expected) in [
            (0.000_254_949_653, "0.0002549"),
            (0.100_000_001, "0.1"),
            (9.999_96, "10"),
            (1.234_567, "1.235"),
        ] {
            assert_eq!(rounded(value).to_string(), expected);
        }
    }

    #[test]
    fn an_rtt_beyond_the_last_bucket_is_in_it() {
        let (mut writer, seqlock) = SeqLock::new(WORDS + 1, 0);
        let mut window = RttWindow::new(2, NonZeroU16::MIN, 0);
        window.on_received(&writer.change(), native::bucket(86_400.0));
        let mut read = Vec::new();
        seqlock.read(&mut read, &mut Vec::new());
        assert_eq!(read[WORDS], 0);
        let [median, ..] = quantiles(&read[..WORDS]);
        assert!((60.0..90.0).contains(&median), "{median}");
    }

    #[test]
    fn quantiles_are_those_of_the_rtts() {
        let (mut writer, seqlock) = SeqLock::new(WORDS, 0);
        let mut window = RttWindow::new(1000, NonZeroU16::MIN, 0);
        for n in (1..=1000).rev() {
            let bucket = native::bucket(f64::from(n) / 1e4);
            window.on_received(&writer.change(), bucket);
        }
        let mut read = Vec::new();
        seqlock.read(&mut read, &mut Vec::new());
        for (found, (q, _)) in quantiles(&read).iter().zip(QUANTILES) {
            assert!((found / (q / 10.0) - 1.0).abs() < 0.05, "{q}: {found}");
        }
    }

    proptest! {
        #[test]
        fn the_counts_are_those_of_the_last_slots(
            slots in 1_u32..20,
            // A bucket, or a number of lost slots.
            outcomes in proptest::collection::vec(
                prop_oneof![(0..BUCKETS).prop_map(Ok), (1_u64..30).prop_map(Err)],
                0..60,
            ),
        ) {
            let len = START + WORDS + 1;
            let (mut writer, seqlock) = SeqLock::new(len, 0);
            let mut window = RttWindow::new(slots, NonZeroU16::MIN, START);
            let mut last = VecDeque::new();
            for outcome in outcomes {
                match outcome {
                    Ok(bucket) => {
                        window.on_received(&writer.change(), bucket);
                        last.push_back(Some(bucket));
                    }
                    Err(lost) => {
                        window.on_lost(&writer.change(), lost);
                        last.extend((0..lost).map(|_| None));
                    }
                }
                while last.len() > slots as usize {
                    last.pop_front();
                }
            }
            let mut read = Vec::new();
            seqlock.read(&mut read, &mut Vec::new());
            prop_assert_eq!((read[0], read[1], read[len - 1]), (0, 0, 0));
            for bucket in 0..BUCKETS {
                let word = read[START + bucket / IN_WORD];
                let count = word >> (bucket % IN_WORD * COUNT_BITS) & COUNT;
                let expected = last.iter().filter(|own| **own == Some(bucket)).count();
                prop_assert_eq!(count, expected as u64);
            }
        }
    }
}
