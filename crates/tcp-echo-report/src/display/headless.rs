//! The display without the feature `terminal`: nothing.

use std::future::pending;
use std::io;

use crate::progress::Progress;

/// Observes nothing.
pub(crate) type LiveTargets = ();

/// Shows nothing.
#[derive(Debug, Default)]
pub(crate) struct Display(());

impl Display {
    /// # Errors
    /// There is no live view.
    pub(crate) fn check_live() -> Result<(), &'static str> {
        Err("-live needs a build with the feature terminal")
    }

    /// # Errors
    /// There is no live view.
    pub(crate) fn live() -> io::Result<(Self, LiveTargets)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn bar(_progress: Progress) -> Self {
        Self(())
    }

    #[expect(clippy::unused_self, reason = "the other display has a bar")]
    pub(crate) fn wants_progress(&self) -> bool {
        false
    }

    #[expect(clippy::unused_self, reason = "the other display has a bar")]
    pub(crate) fn update(&self, _progress: Progress) {}

    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "the other display has a live view"
    )]
    pub(crate) async fn quit(&mut self) {
        pending::<()>().await;
    }
}
