//! Which crate may depend on which.

use anyhow::{Result, bail};

use super::metadata::{Package, packages};
use crate::shell::{cargo, output};

const NET: &str = "tcp-echo-net";
const FILE: &str = "tcp-echo-file";
const WIRE: &str = "tcp-echo-wire";
const LOSS: &str = "tcp-echo-loss";
const SESSION: &str = "tcp-echo-session";
const SOCKET: &str = "tcp-echo-socket";
const SERVER: &str = "tcp-echo-server";
const RESOLVE: &str = "tcp-echo-resolve";
const PROBER: &str = "tcp-echo-prober";
const EPISODES: &str = "tcp-echo-episodes";
const TARGETS: &str = "tcp-echo-targets";
const WEB: &str = "tcp-echo-web";
const DURATION: &str = "tcp-echo-duration";
const FLAGS: &str = "tcp-echo-flags";
const LOG: &str = "tcp-echo-log";
const REPORT: &str = "tcp-echo-report";
const SERVICE: &str = "tcp-echo-service";
const EXPORTER: &str = "tcp-echo-exporter";
const METRICS: &str = "tcp-echo-metrics";

/// A crate, and the crates of this workspace that it may depend on. Each stands
/// below those that it names, so there is no circle.
const ARROWS: &[(&str, &[&str])] = &[
    (NET, &[]),
    (DURATION, &[]),
    (FILE, &[]),
    (FLAGS, &[]),
    (LOG, &[]),
    (SERVICE, &[]),
    (WIRE, &[]),
    (LOSS, &[]),
    (SESSION, &[WIRE, LOSS]),
    (SOCKET, &[]),
    (SERVER, &[NET, SOCKET, WIRE]),
    (RESOLVE, &[]),
    (PROBER, &[NET, SESSION, SOCKET, RESOLVE]),
    (EPISODES, &[NET, FILE, PROBER]),
    (TARGETS, &[NET, DURATION, FILE, RESOLVE, PROBER]),
    (
        EXPORTER,
        &[NET, DURATION, RESOLVE, PROBER, SERVER, EPISODES],
    ),
    (WEB, &[NET, DURATION, FILE]),
    (REPORT, &[LOG, PROBER]),
    (
        METRICS,
        &[
            NET, FILE, WIRE, LOSS, SESSION, SOCKET, SERVER, RESOLVE, PROBER, TARGETS, EXPORTER,
            WEB, DURATION, FLAGS, LOG, SERVICE, REPORT, EPISODES,
        ],
    ),
];

/// What whoever embeds the prober must not get with it.
const NOT_UNDER_PROBER: &[&str] = &["axum", "hyper", "clap", "rustls", "hickory-resolver"];

/// Every arrow between crates is in the table.
pub(super) fn allowed() -> Result<()> {
    let packages = packages()?;
    let wrong = disallowed(&packages);
    if !wrong.is_empty() {
        bail!("{}", wrong.join("; "));
    }
    Ok(())
}

fn disallowed(packages: &[Package]) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in packages.iter().filter(|package| package.is_crate()) {
        let name = &*package.name;
        let Some((_, may)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            wrong.push(format!(
                "{name} is not in the table of arrows in xtask/src/ci/arrows.rs"
            ));
            continue;
        };
        for to in &package.dependencies {
            let is_ours = packages.iter().any(|other| other.name == *to);
            if is_ours && !may.contains(&&**to) {
                wrong.push(format!(
                    "{name} depends on {to}, and may depend on [{}] only",
                    may.join(", ")
                ));
            }
        }
    }
    wrong
}

/// The prober's dependencies, on every platform, are free of metrics, HTTP and a resolver of
/// its own.
pub(super) fn prober_is_lean() -> Result<()> {
    let tree = |name, edges| {
        output(&mut cargo(&[
            "tree",
            "--locked",
            "--package",
            name,
            "--edges",
            edges,
            "--target",
            "all",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]))
    };
    let below = |tree: &str, name: &str| {
        tree.lines()
            .any(|line| line.split(' ').next() == Some(name))
    };
    let prober = tree(PROBER, "normal")?;
    if let Some(name) = NOT_UNDER_PROBER.iter().find(|name| below(&prober, name)) {
        bail!("{PROBER} brings {name}: see cargo tree -p {PROBER} -i {name}");
    }
    // A check of the check: these are where they belong.
    let metrics = tree(METRICS, "normal")?;
    if let Some(name) = NOT_UNDER_PROBER.iter().find(|name| !below(&metrics, name)) {
        bail!("{name} is not under {METRICS} either: this check looks for the wrong name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ARROWS, Package, disallowed};

    fn package(name: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            folder: format!("/w/crates/{name}").into(),
            dependencies: dependencies.iter().map(ToString::to_string).collect(),
            targets: Vec::new(),
        }
    }

    #[test]
    fn arrows_lead_upwards_in_the_table() {
        for (index, (from, may)) in ARROWS.iter().enumerate() {
            for to in *may {
                let place = ARROWS.iter().position(|(name, _)| name == to);
                assert!(place.is_some_and(|place| place < index), "{from} → {to}");
            }
        }
    }

    #[test]
    fn an_arrow_outside_the_table_is_named() {
        let wire = || package("tcp-echo-wire", &["serde"]);
        let session = package("tcp-echo-session", &["tcp-echo-wire"]);
        assert!(disallowed(&[wire(), session]).is_empty());
        let loss = package("tcp-echo-loss", &["tcp-echo-wire"]);
        let wrong = disallowed(&[wire(), loss]);
        assert!(
            wrong[0].contains("tcp-echo-loss depends on tcp-echo-wire"),
            "{wrong:?}"
        );
        assert!(disallowed(&[package("tcp-echo-new", &[])])[0].contains("not in the table"));
    }
}
