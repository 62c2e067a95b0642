//! Fuzzes the loss window against a list of outcomes.

use std::{collections::VecDeque, iter, num::NonZeroU32};

use arbitrary::{Arbitrary, Unstructured};
use tcp_echo_loss::{LossWindow, Outcome};

#[derive(Arbitrary, Debug)]
enum Operation {
    Received,
    Lost,
    /// Record this many outcomes one by one.
    Run(u8, bool),
    RecordLost(u64),
    RecordFewLost(u8),
}

/// The last `size` outcomes; true means lost.
struct Naive {
    size: usize,
    outcomes: VecDeque<bool>,
}

impl Naive {
    fn record(&mut self, outcomes: impl IntoIterator<Item = bool>) {
        for outcome in outcomes {
            if self.outcomes.len() == self.size {
                self.outcomes.pop_front();
            }
            self.outcomes.push_back(outcome);
        }
    }

    fn check(&self, window: &LossWindow) {
        let lost = self.outcomes.iter().filter(|lost| **lost).count();
        let held = self.outcomes.len();
        assert_eq!(
            (window.len() as usize, window.lost() as usize),
            (held, lost)
        );
        assert_eq!(window.is_empty(), held == 0);
        let ratio = if held == 0 {
            0.0
        } else {
            lost as f64 / held as f64
        };
        assert!((window.ratio() - ratio).abs() < f64::EPSILON);
    }
}

/// The input is a sequence of operations on a window of up to 300 slots.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(size @ 1..) = input.int_in_range(0..=300) else {
        return;
    };
    let mut window = LossWindow::new(NonZeroU32::new(size).unwrap());
    let mut naive = Naive {
        size: size as usize,
        outcomes: VecDeque::new(),
    };
    while !input.is_empty() {
        let Ok(operation) = Operation::arbitrary(&mut input) else {
            break;
        };
        match operation {
            Operation::Received => {
                window.record(Outcome::Received);
                naive.record([false]);
            }
            Operation::Lost => {
                window.record(Outcome::Lost);
                naive.record([true]);
            }
            Operation::Run(times, lost) => {
                let outcome = if lost {
                    Outcome::Lost
                } else {
                    Outcome::Received
                };
                (0..times).for_each(|_| window.record(outcome));
                naive.record(iter::repeat_n(lost, usize::from(times)));
            }
            Operation::RecordLost(slots) => {
                window.record_lost(slots);
                // More outcomes than the size replace all others.
                let shown = usize::try_from(slots).unwrap_or(naive.size).min(naive.size);
                naive.record(iter::repeat_n(true, shown));
            }
            Operation::RecordFewLost(slots) => {
                window.record_lost(slots.into());
                naive.record(iter::repeat_n(true, slots.into()));
            }
        }
        naive.check(&window);
        assert_eq!(window.size(), size);
    }
}
