//! The end-to-end scenarios, one file for each subject.
#![expect(
    clippy::float_cmp,
    reason = "counts are whole numbers, which a float holds exactly"
)]

use crate::runner::Scenario;

mod artifacts;
mod blackhole;
mod certificates;
mod crowded;
mod dashboards;
mod endings;
mod endpoints;
mod faults;
mod files;
mod flood;
mod generated;
mod hosts;
mod idle;
mod link;
mod load;
mod many;
mod measuring;
mod names;
mod nameservers;
mod on_demand;
mod package;
mod packet_loss;
mod page;
mod peer_death;
mod prometheus;
mod promtool;
mod reloads;
mod shares;
mod socat;
mod start;
mod stopped_readers;
mod systemd;
mod targets;
mod usage;
mod web_config;
mod windows;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        prometheus::SCENARIOS,
        promtool::SCENARIOS,
        dashboards::SCENARIOS,
        endpoints::SCENARIOS,
        page::SCENARIOS,
        socat::SCENARIOS,
        usage::SCENARIOS,
        targets::SCENARIOS,
        generated::SCENARIOS,
        names::SCENARIOS,
        nameservers::SCENARIOS,
        on_demand::SCENARIOS,
        web_config::SCENARIOS,
        certificates::SCENARIOS,
        shares::SCENARIOS,
        crowded::SCENARIOS,
        hosts::SCENARIOS,
        files::SCENARIOS,
        idle::SCENARIOS,
        flood::SCENARIOS,
        start::SCENARIOS,
        endings::SCENARIOS,
        stopped_readers::SCENARIOS,
        reloads::SCENARIOS,
        many::SCENARIOS,
        load::SCENARIOS,
        measuring::SCENARIOS,
        peer_death::SCENARIOS,
        faults::SCENARIOS,
        link::SCENARIOS,
        blackhole::SCENARIOS,
        packet_loss::SCENARIOS,
        systemd::SCENARIOS,
        package::SCENARIOS,
        artifacts::SCENARIOS,
        windows::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}
