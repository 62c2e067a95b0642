//! A program of a scenario.

use std::process::Command;

use anyhow::Result;

use super::context::Context;
pub(crate) use crate::process::Process;

impl Process {
    /// Starts it, with a log that is shown when the scenario fails.
    pub(crate) fn spawn(context: &Context, name: &str, command: &mut Command) -> Result<Self> {
        Self::start(name, context.log(name), command)
    }
}
