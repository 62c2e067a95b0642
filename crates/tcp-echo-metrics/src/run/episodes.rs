//! The episodes of the targets, and the file that keeps them.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tcp_echo_episodes::{Episodes, Loaded, StateFile};
use tcp_echo_metrics::cli::ClientConfig;
use tcp_echo_prober::Paths;

/// How long the last write of the file may take.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The episodes, and their file if there is one.
pub(super) struct Kept {
    pub(super) episodes: Episodes,
    file: Option<Arc<StateFile>>,
}

impl Kept {
    /// Reads the file of an earlier process.
    pub(super) fn load(config: &ClientConfig, paths: &Paths) -> Self {
        let (file, loaded) = match &config.state {
            Some(path) => {
                let (file, loaded) = StateFile::load(path);
                (Some(Arc::new(file)), loaded)
            }
            None => (None, Loaded::default()),
        };
        Self {
            episodes: Episodes::resumed(paths.clone(), loaded),
            file,
        }
    }

    /// Logs episodes and keeps the file up to date.
    pub(super) fn run(&self) -> impl Future<Output = Infallible> + Send + use<> {
        self.episodes.clone().run(self.file.clone())
    }

    /// Writes the file for the last time. A file system that hangs is not waited for.
    pub(super) async fn save(&self) {
        let Some(file) = self.file.clone() else {
            return;
        };
        let episodes = self.episodes.clone();
        let saved = tokio::task::spawn_blocking(move || episodes.save(&file));
        let _ = tokio::time::timeout(LAST_WRITE, saved).await;
    }
}
