//! The hops to the targets of a run.

use std::sync::Arc;
use std::time::Duration;

use tcp_echo_prober::{FlowStatus, Paths, TargetSet};

use crate::format::Charset;
use crate::report::hops::render;

/// With more targets, only those with a fault are shown …
const MAX_TARGETS: usize = 4;
/// … up to so many.
const MAX_FAULTS: usize = 16;
/// How long to wait for the first traces: for each flow as long as traces are apart, and besides.
const WAIT_PER_FLOW: Duration = Duration::from_millis(500);
const MIN_WAIT: Duration = Duration::from_secs(5);
const MAX_WAIT: Duration = Duration::from_secs(60);

/// What a prober knows of the paths to the targets of a run.
#[derive(Clone, Debug)]
pub(crate) struct Hops {
    paths: Paths,
    names: Vec<Arc<str>>,
    flows: u32,
}

impl Hops {
    pub(crate) fn new(paths: Paths, targets: &TargetSet) -> Self {
        let names = targets.iter().map(|target| Arc::clone(target.name()));
        let flows = targets.iter().map(|target| u32::from(target.flows().get()));
        Self {
            paths,
            names: names.collect(),
            flows: flows.fold(0, u32::saturating_add),
        }
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    /// How long to wait until the path of each flow is known.
    pub(crate) fn first_wait(&self) -> Duration {
        WAIT_PER_FLOW
            .saturating_mul(self.flows)
            .clamp(MIN_WAIT, MAX_WAIT)
    }

    /// Whether the path of each flow is known.
    pub(crate) fn are_known(&self) -> bool {
        let is_known = |name: &Arc<str>| {
            let flows = self.paths.flows(name).unwrap_or_default();
            !flows.is_empty() && flows.iter().all(|flow| flow.path.is_some())
        };
        self.names.iter().all(is_known)
    }

    /// The hops, as far as they are known: of all targets if they are few, else where loss begins.
    pub(crate) fn text(&self, charset: Charset) -> String {
        let flows = self.names.iter().filter_map(|name| {
            let flows = self.paths.flows(name)?;
            Some((name, flows))
        });
        let are_few = self.names.len() <= MAX_TARGETS;
        let shown = flows.filter(|(_, flows)| are_few || flows.iter().any(has_fault));
        let texts = shown.filter_map(|(name, flows)| render(name, &flows, charset));
        texts.take(MAX_FAULTS).collect::<Vec<_>>().join("\n")
    }
}

fn has_fault(flow: &FlowStatus) -> bool {
    let is_cut = |path: &tcp_echo_prober::Path| !path.is_complete;
    flow.is_bad || (flow.loss_ratio > 0.0 && flow.path.as_deref().is_some_and(is_cut))
}
