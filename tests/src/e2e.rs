//! The end-to-end scenarios, one file per subject.
#![expect(
    clippy::float_cmp,
    reason = "counts are whole numbers, which a float holds exactly"
)]

use crate::runner::Scenario;

mod artifacts;
mod blackhole;
mod certificates;
mod compose;
mod curl;
mod dashboards;
mod dead_targets;
mod direction;
mod endpoint_limits;
mod endpoints;
mod episodes;
mod exit_status;
mod faults;
mod flood;
mod flows;
mod generate;
mod host_header;
mod idle_server;
mod kubernetes;
mod link_down;
mod measuring;
mod mesh;
mod mtu;
mod names;
mod nameservers;
mod on_demand;
mod open_files;
mod overload;
mod package;
mod packet_loss;
mod page;
mod paths;
mod peer_restart;
mod prometheus;
mod promtool;
mod push;
mod quotas;
mod recipes;
mod reloads;
mod signals;
mod socat;
mod soft_error;
mod startup_time;
mod stopped_readers;
mod systemd;
mod targets;
mod trace;
mod web_config;
mod windows;

/// Returns all scenarios.
pub(super) fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        prometheus::SCENARIOS,
        promtool::SCENARIOS,
        push::SCENARIOS,
        dashboards::SCENARIOS,
        endpoints::SCENARIOS,
        page::SCENARIOS,
        socat::SCENARIOS,
        soft_error::SCENARIOS,
        episodes::SCENARIOS,
        exit_status::SCENARIOS,
        targets::SCENARIOS,
        generate::SCENARIOS,
        mesh::SCENARIOS,
        names::SCENARIOS,
        nameservers::SCENARIOS,
        on_demand::SCENARIOS,
        web_config::SCENARIOS,
        certificates::SCENARIOS,
        quotas::SCENARIOS,
        endpoint_limits::SCENARIOS,
        host_header::SCENARIOS,
        open_files::SCENARIOS,
        idle_server::SCENARIOS,
        flood::SCENARIOS,
        flows::SCENARIOS,
        startup_time::SCENARIOS,
        signals::SCENARIOS,
        stopped_readers::SCENARIOS,
        reloads::SCENARIOS,
        dead_targets::SCENARIOS,
        overload::SCENARIOS,
        measuring::SCENARIOS,
        mtu::SCENARIOS,
        peer_restart::SCENARIOS,
        faults::SCENARIOS,
        link_down::SCENARIOS,
        blackhole::SCENARIOS,
        direction::SCENARIOS,
        packet_loss::SCENARIOS,
        trace::SCENARIOS,
        paths::SCENARIOS,
        systemd::SCENARIOS,
        package::SCENARIOS,
        artifacts::SCENARIOS,
        recipes::SCENARIOS,
        compose::SCENARIOS,
        kubernetes::SCENARIOS,
        windows::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}
