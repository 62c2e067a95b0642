//! A prober in a namespace.

use std::collections::HashSet;
use std::num::NonZeroU16;
use std::time::Duration;

use anyhow::Result;
use tcp_echo_prober::{
    Handle, Observer, Options, Paths, Prober, SessionConfig, Target, TargetSet, Trace,
};
use testkit::netns::Namespace;
use testkit::wait;

/// The program's defaults.
pub(super) const INTERVAL: Duration = Duration::from_millis(200);
pub(super) const TIMEOUT: Duration = Duration::from_millis(800);

/// How long all flows may take to connect.
const CONNECT: Duration = Duration::from_secs(20);

/// A target of several flows with the program's defaults.
pub(super) fn target(name: &str, address: &str, flows: u16) -> Result<Target> {
    let flows = NonZeroU16::new(flows).unwrap_or(NonZeroU16::MIN);
    let session = SessionConfig::new(INTERVAL, TIMEOUT)?;
    let target = Target::new(address.parse()?, session);
    Ok(target.named(name).with_flows(flows))
}

/// Starts a prober in a namespace, without a capability.
pub(super) fn start(
    client: &Namespace,
    targets: Vec<Target>,
    trace: Trace,
    observer: impl Observer,
) -> Result<(Handle, Paths)> {
    let paths = Paths::default();
    let mut options = Options::default();
    options.trace = trace;
    let builder = Prober::builder()
        .options(options)
        .observer(observer)
        .paths(paths.clone())
        .targets(TargetSet::new(targets)?);
    // Its threads stay in the namespace.
    let handle = client.inside().run_unprivileged(|| builder.start())??;
    Ok((handle, paths))
}

/// Waits until all flows of these targets had a reply. Flows that explore other paths have had none
/// on the next one for a moment, so what was seen before counts.
pub(super) fn until_probing<'a>(
    paths: &Paths,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    let mut waiting: Vec<_> = names
        .into_iter()
        .map(|name| (name, HashSet::new()))
        .collect();
    wait::until("replies to all flows", CONNECT, || {
        waiting.retain_mut(|(name, replied)| {
            let flows = paths.flows(name).unwrap_or_default();
            let with_reply = flows
                .iter()
                .enumerate()
                .filter(|(_, flow)| flow.rtt.is_some());
            replied.extend(with_reply.map(|(index, _)| index));
            flows.is_empty() || replied.len() < flows.len()
        });
        waiting.is_empty().then_some(())
    })?;
    Ok(())
}
