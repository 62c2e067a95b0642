//! Flags of optional features that a build lacks.

use std::ffi::OsString;

use crate::{FlagError, Variables, is_given, value};

/// A feature of cargo with flags.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// Whether it is built in.
    pub is_built_in: bool,
    /// Its flags.
    pub flags: &'static [&'static str],
}

impl Feature {
    /// A feature and its flags.
    pub const fn new(
        name: &'static str,
        is_built_in: bool,
        flags: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            is_built_in,
            flags,
        }
    }
}

/// Refuses flags of features that are not built in, on the command line and in the environment.
/// `lookup` looks a variable up.
///
/// # Errors
/// [`FlagError::MissingFeature`] and [`FlagError::NotUtf8`].
pub fn refuse_missing(
    features: &[Feature],
    args: &[String],
    variables: &Variables,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<(), FlagError> {
    let missing = features.iter().filter(|feature| !feature.is_built_in);
    let flags = missing.flat_map(|feature| feature.flags.iter().map(|flag| (feature.name, flag)));
    for (feature, flag) in flags {
        let variable = variables.of(flag);
        let origin = if is_given(args, flag) {
            format!("-{flag}")
        } else if value(&variable, &lookup)?.is_some() {
            variable
        } else {
            continue;
        };
        return Err(FlagError::MissingFeature { origin, feature });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_missing_features_are_refused_by_name() {
        let features = [
            Feature::new("tls", false, &["web.config.file"]),
            Feature::new("x", true, &["y"]),
        ];
        let variables = Variables {
            prefix: "ECHO_",
            without: &[],
        };
        let refused = |args: &[&str], set: Option<&str>| {
            let args: Vec<String> = args.iter().map(ToString::to_string).collect();
            let lookup = |name: &str| set.filter(|set| *set == name).map(Into::into);
            let refused = refuse_missing(&features, &args, &variables, lookup);
            refused.err().map(|error| error.to_string())
        };
        assert_eq!(refused(&["--y=1", "--mode=both"], None), None);
        let error = "-web.config.file needs a build with the feature tls";
        assert_eq!(
            refused(&["--web.config.file=a"], None).as_deref(),
            Some(error)
        );
        let error = "ECHO_WEB_CONFIG_FILE needs a build with the feature tls";
        assert_eq!(
            refused(&[], Some("ECHO_WEB_CONFIG_FILE")).as_deref(),
            Some(error)
        );
    }
}
