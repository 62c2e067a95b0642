//! A sliding loss window: the outcomes of the last slots, one bit per slot, in constant time at
//! any size.
//!
//! A [`LossWindow`] holds the last `size` outcomes, in the order in which they became known, and
//! counts how many of them are lost. Recording an outcome and reading the ratio touch one bit
//! and two counters, at a hundred slots as at ten million.
//!
//! ```
//! use core::num::NonZeroU32;
//! use tcp_echo_loss::{LossWindow, Outcome};
//!
//! let mut window = LossWindow::new(NonZeroU32::new(4).unwrap());
//! assert_eq!(window.ratio(), 0.0);
//! for outcome in [Outcome::Lost, Outcome::Received, Outcome::Received, Outcome::Lost] {
//!     window.record(outcome);
//! }
//! assert_eq!(window.ratio(), 0.5);
//! window.record(Outcome::Received); // the oldest, a loss, falls out
//! assert_eq!(window.ratio(), 0.25);
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

mod window;

pub use window::{LossWindow, Outcome};
