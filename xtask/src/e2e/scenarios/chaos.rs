//! The short form of `cargo xtask chaos`.

use crate::e2e::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[crate::chaos::SCENARIO];
