//! What others have of a source that runs.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use crate::{LoadError, SourceStatus, sources::Sources};

/// How long a reload is waited for. Files on a network may hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the result of a reload goes.
pub(crate) type Order = oneshot::Sender<Result<(), Arc<LoadError>>>;

/// Those who wait for the result of a reload.
pub(crate) type Waiting = Vec<Order>;

/// Asks a [`Source`](crate::Source) for reloads, and tells how the last one went. Its
/// clones are one.
#[derive(Clone, Debug)]
pub struct Handle {
    orders: mpsc::Sender<Order>,
    status: watch::Receiver<Status>,
    sources: Sources,
}

/// Why a reload did not succeed. The targets stay as they were.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The files can't be used.
    #[error(transparent)]
    Load(#[from] Arc<LoadError>),
    /// It took longer than ten seconds; it may still succeed.
    #[error("reading the targets files takes longer than 10s")]
    Slow,
    /// The source does not run.
    #[error("targets are no longer followed")]
    Stopped,
}

impl Handle {
    pub(crate) const fn new(
        orders: mpsc::Sender<Order>,
        status: watch::Receiver<Status>,
        sources: Sources,
    ) -> Self {
        Self {
            orders,
            status,
            sources,
        }
    }

    /// How it goes with each file, and with each name that stands for many targets.
    pub fn sources(&self) -> Vec<SourceStatus> {
        self.sources.all()
    }

    /// Reads all files again, whether they changed or not. When it returns, the
    /// targets that they list are applied; names are being looked up again. It waits
    /// for [`Source::run`](crate::Source::run).
    ///
    /// # Errors
    /// [`ReloadError`]; the targets stay as they were.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        let reload = async {
            let (order, result) = oneshot::channel();
            let sent = self.orders.send(order).await;
            sent.map_err(|_| ReloadError::Stopped)?;
            let result = result.await.map_err(|_| ReloadError::Stopped)?;
            result.map_err(ReloadError::Load)
        };
        timeout(PATIENCE, reload)
            .await
            .unwrap_or(Err(ReloadError::Slow))
    }

    /// Waits for the next load that this handle has not told of yet, and tells how it
    /// went; for ever where the source has ended.
    pub async fn changed(&mut self) -> Status {
        if self.status.changed().await.is_err() {
            return std::future::pending().await;
        }
        self.status.borrow_and_update().clone()
    }

    /// The result of the last load, whatever its cause.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }
}

/// How loading went last.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Whether the last load succeeded.
    pub successful: bool,
    /// When a load last succeeded.
    pub success_time: SystemTime,
    /// Why the last load failed; `None` where it succeeded.
    pub error: Option<Arc<LoadError>>,
}

impl Status {
    pub(crate) fn succeeded() -> Self {
        Self {
            successful: true,
            success_time: SystemTime::now(),
            error: None,
        }
    }

    pub(crate) fn failed(&mut self, error: Arc<LoadError>) {
        self.successful = false;
        self.error = Some(error);
    }
}
