//! The short form of `cargo xtask soak`.

use crate::e2e::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[crate::soak::SCENARIO];
