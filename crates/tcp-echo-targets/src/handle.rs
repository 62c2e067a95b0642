//! Handles to a running source.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use crate::{LoadError, Member, SourceStatus, sources::Sources};

/// How long a caller waits for a reload. Files on a network may hang.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Receives the result of a reload.
pub(crate) type Reply = oneshot::Sender<Result<(), Arc<LoadError>>>;

/// Callers that wait for the result of a reload.
pub(crate) type Waiters = Vec<Reply>;

/// Requests reloads of a [`Source`](crate::Source), and returns the result of the last one.
/// Clones control the same source.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::Sender<Reply>,
    status: watch::Receiver<Status>,
    members: watch::Receiver<Arc<[Member]>>,
    sources: Sources,
}

/// Why a reload failed. The targets stay the same.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The files can't be used.
    #[error(transparent)]
    Load(#[from] Arc<LoadError>),
    /// It took longer than ten seconds; it may still succeed.
    #[error("reading the targets files takes longer than 10s")]
    Slow,
    /// The source is not running.
    #[error("targets are no longer followed")]
    Stopped,
}

impl Handle {
    pub(crate) const fn new(
        requests: mpsc::Sender<Reply>,
        status: watch::Receiver<Status>,
        members: watch::Receiver<Arc<[Member]>>,
        sources: Sources,
    ) -> Self {
        Self {
            requests,
            status,
            members,
            sources,
        }
    }

    /// The status of each file and of each `dns+` or `srv+` name.
    pub fn sources(&self) -> Vec<SourceStatus> {
        self.sources.all()
    }

    /// The members of all meshes, in the order of their names: this process, if a list names it,
    /// those that it probes, and all others. None without a mesh.
    pub fn members(&self) -> Arc<[Member]> {
        self.members.borrow().clone()
    }

    /// Reads all files again, even if they have not changed, and starts look-ups of all names.
    /// Returns when the targets of the files are applied. Waits for
    /// [`Source::run`](crate::Source::run).
    ///
    /// # Errors
    /// [`ReloadError`]; the targets stay the same.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        let reload = async {
            let (reply, result) = oneshot::channel();
            let sent = self.requests.send(reply).await;
            sent.map_err(|_| ReloadError::Stopped)?;
            let result = result.await.map_err(|_| ReloadError::Stopped)?;
            result.map_err(ReloadError::Load)
        };
        timeout(RELOAD_TIMEOUT, reload)
            .await
            .unwrap_or(Err(ReloadError::Slow))
    }

    /// Waits for the next load that this handle has not returned yet, and returns its status.
    /// Never resolves once the source has ended.
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

/// The status of the last load.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Whether the last load succeeded.
    pub successful: bool,
    /// When the last successful load was.
    pub success_time: SystemTime,
    /// Why the last load failed; `None` if it succeeded.
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
