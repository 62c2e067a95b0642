//! The manifests for Kubernetes: rendered, checked against the API's schemas, and run.

use crate::runner::{PLAIN, Scenario};

mod objects;
mod pods;
mod rendered;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "kubernetes: pods find each other by the headless service",
        tools: &[("ip", "iproute2"), ("dnsmasq", "dnsmasq-base")],
        root: true,
        run: pods::run,
        ..PLAIN
    },
    Scenario {
        name: "kubernetes: Kustomize and Helm render what the API accepts",
        tools: &[
            ("npm", "npm"),
            ("python3", "python3"),
            ("pip3", "python3-pip"),
            ("promtool", "prometheus"),
        ],
        run: rendered::run,
        ..PLAIN
    },
];
