//! Flows over paths of equal cost: which of them are bad, where they end, and which link it is.
//!
//! The short form takes seconds. The environment variable `TCP_ECHO_PATHS_SEEDS` sets how many targets
//! or networks there are instead.

mod after_stall;
mod cost;
mod dead_path;
mod fan;
mod leaf_spine;
mod probing;
mod program;
mod votes;

use std::env;

use anyhow::{Context as _, Result};
use testkit::tools::Tool;

use crate::runner::Scenario;

const TOOLS: &[Tool] = &[("ip", "iproute2"), ("nft", "nftables")];

const SCENARIO: Scenario = Scenario {
    name: "",
    tools: TOOLS,
    root: true,
    alone: true,
    run: dead_path::one_of_eight,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "paths: one of eight paths is dead",
        ..SCENARIO
    },
    Scenario {
        name: "paths: one of four paths loses",
        run: dead_path::one_of_four_loses,
        ..SCENARIO
    },
    Scenario {
        name: "paths: the last living hop after a stall",
        run: after_stall::run,
        ..SCENARIO
    },
    Scenario {
        name: "paths: metrics of a target with a dead path",
        run: program::run,
        ..SCENARIO
    },
    Scenario {
        name: "paths: what a flow costs",
        tools: &[],
        root: false,
        run: cost::run,
        ..SCENARIO
    },
    Scenario {
        name: "paths: votes for a link that loses between leaves and spines",
        run: votes::run,
        ..SCENARIO
    },
];

/// The number of seeds: `short`, or as the environment says.
fn seeds(short: usize) -> Result<usize> {
    let Ok(seeds) = env::var("TCP_ECHO_PATHS_SEEDS") else {
        return Ok(short);
    };
    seeds.parse().context("TCP_ECHO_PATHS_SEEDS")
}
