//! The window against a naive list of outcomes.
#![allow(clippy::float_cmp, reason = "both sides divide the same integers")]

use std::{collections::VecDeque, num::NonZeroU32};

use proptest::prelude::*;
use tcp_echo_loss::{LossWindow, Outcome};

struct Naive {
    size: usize,
    outcomes: VecDeque<Outcome>,
}

impl Naive {
    fn record(&mut self, outcome: Outcome) {
        if self.outcomes.len() == self.size {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(outcome);
    }

    fn lost(&self) -> usize {
        let lost = |outcome: &&Outcome| **outcome == Outcome::Lost;
        self.outcomes.iter().filter(lost).count()
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Record(Outcome),
    RecordLost(u64),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let outcome = prop_oneof![Just(Outcome::Received), Just(Outcome::Lost)];
    prop::collection::vec(
        prop_oneof![
            20 => outcome.prop_map(Operation::Record),
            1 => (0u64..300).prop_map(Operation::RecordLost),
        ],
        0..600,
    )
}

proptest! {
    #[test]
    fn behaves_as_a_list(size in 1u32..200, operations in operations()) {
        let mut window = LossWindow::new(NonZeroU32::new(size).unwrap());
        let mut naive = Naive { size: size as usize, outcomes: VecDeque::new() };
        for operation in operations {
            match operation {
                Operation::Record(outcome) => {
                    window.record(outcome);
                    naive.record(outcome);
                }
                Operation::RecordLost(slots) => {
                    window.record_lost(slots);
                    (0..slots).for_each(|_| naive.record(Outcome::Lost));
                }
            }
            prop_assert_eq!(window.lost() as usize, naive.lost());
            prop_assert_eq!(window.len() as usize, naive.outcomes.len());
            prop_assert_eq!(window.is_empty(), naive.outcomes.is_empty());
            if !window.is_empty() {
                prop_assert_eq!(window.ratio(), naive.lost() as f64 / naive.outcomes.len() as f64);
            }
        }
    }
}

#[test]
fn a_pause_of_years_costs_one_window() {
    for size in [1, 63, 64, 65, 100_000] {
        let mut window = LossWindow::new(NonZeroU32::new(size).unwrap());
        window.record(Outcome::Received);
        window.record_lost(u64::MAX);
        assert_eq!((window.len(), window.lost()), (size, size));
        let recovered = size.min(1000);
        for received in 1..=recovered {
            window.record(Outcome::Received);
            assert_eq!(window.lost(), size - received);
        }
    }
}

#[test]
fn an_empty_window_has_lost_nothing() {
    let window = LossWindow::new(NonZeroU32::new(100).unwrap());
    assert_eq!(window.ratio(), 0.0);
    assert_eq!((window.size(), window.len(), window.lost()), (100, 0, 0));
}
