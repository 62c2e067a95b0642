//! The display with the feature `terminal`.

use std::future::pending;
use std::io::{self, IsTerminal};

use crate::bar::Bar;
use crate::live::Live;
pub(crate) use crate::live::LiveTargets;
use crate::progress::Progress;

/// The display, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Display {
    bar: Option<Bar>,
    live: Option<Live>,
}

impl Display {
    /// Checks that a live view can be shown.
    ///
    /// # Errors
    /// A message for the user.
    pub(crate) fn check_live() -> Result<(), &'static str> {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            Ok(())
        } else {
            Err("-live needs a terminal on standard input and output")
        }
    }

    /// Shows a live view, and returns the observer of its targets.
    ///
    /// # Errors
    /// The terminal can't be used, or the system can't create a thread.
    pub(crate) fn live() -> io::Result<(Self, LiveTargets)> {
        let targets = LiveTargets::new();
        let display = Self {
            bar: None,
            live: Some(Live::start(targets.clone())?),
        };
        Ok((display, targets))
    }

    /// Shows a progress bar if standard error is a terminal.
    pub(crate) fn bar(progress: Progress) -> Self {
        Self {
            bar: Bar::new(progress),
            live: None,
        }
    }

    pub(crate) fn wants_progress(&self) -> bool {
        self.bar.is_some()
    }

    pub(crate) fn update(&self, progress: Progress) {
        if let Some(bar) = &self.bar {
            bar.update(progress);
        }
    }

    /// Waits until the user leaves the live view.
    pub(crate) async fn quit(&mut self) {
        match &mut self.live {
            Some(live) => live.left().await,
            None => pending().await,
        }
    }
}
