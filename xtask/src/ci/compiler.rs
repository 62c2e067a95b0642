//! The oldest compiler that Cargo.toml promises, beside what the dependencies want.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::shell::{cargo, output};

/// Major and minor number.
type Version = (u32, u32);

/// No package of Cargo.lock wants a newer compiler than the crates say that they take.
pub(super) fn promised() -> Result<()> {
    let arguments = ["metadata", "--format-version=1", "--locked"];
    let metadata = serde_json::from_str(&output(&mut cargo(&arguments))?)?;
    let (promised, others) = wanted(&metadata)?;
    let newer: Vec<_> = others
        .into_iter()
        .filter(|(_, version)| *version > promised)
        .map(|(name, (major, minor))| format!("{name} wants {major}.{minor}"))
        .collect();
    let (major, minor) = promised;
    ensure!(
        newer.is_empty(),
        "Rust {major}.{minor} is promised: {}",
        newer.join(", ")
    );
    Ok(())
}

/// The compiler that the workspace's packages promise, and those that others want.
fn wanted(metadata: &Value) -> Result<(Version, Vec<(String, Version)>)> {
    let packages = metadata["packages"].as_array().context("no packages")?;
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for package in packages {
        // One that names none takes any.
        let Some(version) = package["rust_version"].as_str() else {
            continue;
        };
        let version = parse(version).with_context(|| version.to_owned())?;
        let name = format!("{} {}", package["name"], package["version"]).replace('"', "");
        // What is in the workspace comes from no registry.
        if package["source"].is_null() {
            own.push(version);
        } else {
            others.push((name, version));
        }
    }
    // Crates that promise an older one have no dependencies outside the workspace.
    let promised = own.into_iter().max().context("no compiler is promised")?;
    Ok((promised, others))
}

fn parse(version: &str) -> Option<Version> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    let major = numbers.next()??;
    Some((major, numbers.next().unwrap_or(Some(0))?))
}

#[cfg(test)]
mod tests {
    use super::{parse, wanted};
    use serde_json::json;

    #[test]
    fn versions_have_two_numbers_that_count() {
        assert_eq!(parse("1.89"), Some((1, 89)));
        assert_eq!(parse("1.89.2"), Some((1, 89)));
        assert_eq!(parse("2"), Some((2, 0)));
        assert_eq!(parse("one"), None);
        assert!(parse("1.100") > parse("1.89"));
    }

    #[test]
    fn the_newest_of_ours_and_all_of_the_others() {
        let metadata = json!({"packages": [
            {"name": "ours", "version": "1.0.0", "source": null, "rust_version": "1.90"},
            {"name": "mine", "version": "1.0.0", "source": null, "rust_version": "1.85"},
            {"name": "old", "version": "0.1.0", "source": "registry", "rust_version": null},
            {"name": "new", "version": "2.0.0", "source": "registry", "rust_version": "1.91.1"},
        ]});
        let others = vec![("new 2.0.0".to_owned(), (1, 91))];
        assert_eq!(wanted(&metadata).unwrap(), ((1, 90), others));
    }
}
