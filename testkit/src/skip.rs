//! Skipped tests and checks.

use std::fmt;

use anyhow::{Error, Result};

/// The reason why a test or check was skipped. It is passed as an error, but is not a failure.
#[derive(Debug)]
pub struct Skip(String);

impl Skip {
    /// Returns the reason, if this error is a skip.
    ///
    /// # Errors
    ///
    /// The error itself, if it is not a skip.
    pub fn reason(error: Error) -> Result<String> {
        error.downcast::<Self>().map(|skip| skip.0)
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// Ends a test or check as skipped.
///
/// # Errors
///
/// Always, with a [`Skip`].
pub fn skip<T>(reason: impl Into<String>) -> Result<T> {
    Err(Skip(reason.into()).into())
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, Result, anyhow};

    use super::{Skip, skip};

    #[test]
    fn a_skip_is_recognised_below_its_context() {
        let skipped: Result<()> = skip("no network");
        let error = skipped.context("outer").unwrap_err();
        assert_eq!(Skip::reason(error).unwrap(), "no network");
        assert!(Skip::reason(anyhow!("broken")).is_err());
    }
}
