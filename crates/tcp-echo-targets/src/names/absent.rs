//! No names.

use std::{collections::BTreeMap, future::pending, sync::Arc};

use tcp_echo_prober::{Target, TargetSet};

use crate::{Config, Spec, mesh::Meshes, sources::Sources};

/// There are no names.
pub(crate) struct Names(());

#[expect(clippy::unused_self, reason = "names have a state")]
impl Names {
    pub(crate) fn new(_config: &Config, _sources: Sources) -> Self {
        Self(())
    }

    pub(crate) fn want(&mut self, _specs: &[Arc<Spec>]) {}

    pub(crate) fn begin_round(&mut self) {}

    #[expect(clippy::unused_async, reason = "look-ups take time")]
    pub(crate) async fn look_up_all(&mut self) {}

    pub(crate) async fn next(&mut self) -> bool {
        pending().await
    }

    pub(crate) fn is_idle(&self) -> bool {
        true
    }

    pub(crate) fn add_to(
        &mut self,
        _targets: &mut BTreeMap<Arc<str>, Target>,
        _meshes: &mut Meshes<'_>,
        _specs: &[Arc<Spec>],
        _current: &TargetSet,
    ) {
    }
}
