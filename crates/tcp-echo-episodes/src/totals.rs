//! How many episodes a target had, and how long.

use std::time::Duration;

use tcp_echo_prober::Cause;

/// The bounds of the lengths, in seconds.
pub const LENGTHS: [u32; 5] = [1, 10, 60, 600, 3600];

/// The episodes of a target that have ended since it is probed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    causes: [u64; Cause::ALL.len()],
    lengths: [u64; LENGTHS.len() + 1],
    seconds: f64,
}

impl Totals {
    pub(crate) fn add(&mut self, cause: Cause, length: Duration) {
        self.causes[cause as usize] += 1;
        let seconds = length.as_secs_f64();
        let index = LENGTHS
            .iter()
            .position(|bound| seconds <= f64::from(*bound));
        self.lengths[index.unwrap_or(LENGTHS.len())] += 1;
        self.seconds += seconds;
    }

    /// Those of a cause.
    pub const fn of(&self, cause: Cause) -> u64 {
        self.causes[cause as usize]
    }

    /// All of them.
    pub fn count(&self) -> u64 {
        self.causes.iter().sum()
    }

    /// By length: up to each of [`LENGTHS`], and beyond the last.
    pub const fn lengths(&self) -> &[u64; LENGTHS.len() + 1] {
        &self.lengths
    }

    /// The sum of their lengths.
    pub const fn seconds(&self) -> f64 {
        self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_counted_up_to_its_bound() {
        let mut totals = Totals::default();
        for (cause, millis) in [
            (Cause::Dns, 500),
            (Cause::Dns, 1000),
            (Cause::Reset, 1001),
            (Cause::Mtu, 3_600_000),
            (Cause::Path, 9_000_000),
        ] {
            totals.add(cause, Duration::from_millis(millis));
        }
        assert_eq!(totals.lengths(), &[2, 1, 0, 0, 1, 1]);
        assert_eq!((totals.of(Cause::Dns), totals.of(Cause::OwnHost)), (2, 0));
        assert_eq!(totals.count(), 5);
        assert!((totals.seconds() - 12_602.501).abs() < 1e-9);
    }
}
