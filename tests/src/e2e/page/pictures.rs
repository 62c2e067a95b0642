//! Takes the screenshots of the page for the documentation: `cargo xtask pictures`.

use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::Result;
use serde_json::json;
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::relay::{Mode, Relay};
use testkit::shell::root;
use testkit::skip::skip;

use super::browser::Browser;
use super::{CHROMIUM, SEEN};
use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "pictures of the status page",
    tools: CHROMIUM,
    run,
    ..PLAIN
};

/// Set by `cargo xtask pictures`.
const VARIABLE: &str = "TCP_ECHO_E2E_PICTURES";

/// The duration of the run: a little longer than a sparkline.
const TIME: Duration = Duration::from_secs(640);
/// The interval at which delays change.
const STEP: Duration = Duration::from_millis(250);

/// The paths of the simulated network: name, site, and minimum delay of replies in milliseconds.
const PATHS: [(&str, &str, f64); 7] = [
    ("fra-db-1", "fra", 0.0),
    ("fra-db-2", "fra", 0.0),
    ("lon-web-1", "lon", 9.0),
    ("waw-web-1", "waw", 17.0),
    ("nyc-api-1", "nyc", 76.0),
    ("sgp-edge-1", "sgp", 158.0),
    ("syd-edge-1", "syd", 231.0),
];

/// The path in the detail view: it has a busy time and loses its connection once.
const SHOWN: usize = 4;
/// The path that has losses at the end, and the path that is down then.
const LOSSY: usize = 5;
const DOWN: usize = 6;

fn run(context: &Context) -> Result<()> {
    if env::var_os(VARIABLE).is_none() {
        return skip("it takes 11 minutes: cargo xtask pictures");
    }
    let server = EchoServer::start(context, &[])?;
    let relays = PATHS.map(|_| Relay::start(server.address));
    let mut relays = relays.into_iter().collect::<Result<Vec<_>>>()?;
    let targets = PATHS
        .iter()
        .zip(&relays)
        .map(|((name, site, delay), relay)| {
            // Without a delay, no relay is used, since a relay adds one.
            let address = if *delay > 0.0 {
                relay.address()
            } else {
                server.address
            };
            json!({"targets": [address], "labels": {"target": name, "site": site}})
        });
    let targets = json!(targets.collect::<Vec<_>>()).to_string();
    let file = context.file("targets.json", &targets)?;
    let file = format!("-targets={}", file.display());
    let echo = Echo::start(context, &["-mode=client", &file])?;

    let begin = Instant::now();
    let (mut cut, mut down) = (false, false);
    for step in 0_u32.. {
        let passed = begin.elapsed().as_secs_f64() / TIME.as_secs_f64();
        if passed >= 1.0 {
            break;
        }
        for (index, (relay, (_, _, min))) in relays.iter().zip(PATHS).enumerate() {
            let delay = delay(index, min, passed, step);
            relay.set(Mode::Pass(Duration::from_secs_f64(delay / 1e3)));
        }
        if passed > 0.35 && !cut {
            relays[SHOWN].reset();
            cut = true;
        }
        if passed > 0.9 && !down {
            relays[DOWN].refuse();
            down = true;
        }
        thread::sleep((begin + STEP * (step + 1)).saturating_duration_since(Instant::now()));
    }
    take_screenshots(context, &format!("http://{}", echo.metrics.address))
}

/// Returns a delay in milliseconds: noise with a long tail, a busy time, and on one path replies
/// after the timeout.
fn delay(index: usize, min: f64, passed: f64, step: u32) -> f64 {
    let noise = noise(index, step);
    let tail = 0.04 * min * noise.powi(6) * 8.0;
    let busy = if index == SHOWN {
        25.0 * (-((passed - 0.65) / 0.12).powi(2)).exp() * noise
    } else {
        0.0
    };
    let late = index == LOSSY && passed > 0.7 && noise > 0.93;
    min * (1.0 + 0.02 * noise) + tail + busy + if late { 900.0 } else { 0.0 }
}

/// Returns noise from 0 to 1, the same in every run.
fn noise(index: usize, step: u32) -> f64 {
    let mixed = (index as u64 + 1) * 0x9E37_79B9 + u64::from(step) * 0x85EB_CA6B;
    let mixed = (mixed ^ mixed >> 13).wrapping_mul(0xC2B2_AE35_27D4_EB4F);
    (mixed >> 32) as f64 / f64::from(u32::MAX)
}

fn take_screenshots(context: &Context, base: &str) -> Result<()> {
    let folder = root().join("docs/images");
    fs::create_dir_all(&folder)?;
    let browser = Browser::start(context)?;
    let overview = format!("{base}/");
    let detail = format!("{base}/?target={}", PATHS[SHOWN].0);
    for (name, url, scheme, width, height) in [
        ("overview-light", &overview, "light", 1100, 560),
        ("overview-dark", &overview, "dark", 1100, 560),
        ("target-light", &detail, "light", 1100, 1190),
        ("target-dark", &detail, "dark", 1100, 1190),
        ("overview-phone", &overview, "light", 390, 844),
        ("target-phone", &detail, "light", 390, 1450),
    ] {
        browser.scheme(scheme)?;
        browser.size(width, height, 1.0)?;
        browser.open(url)?;
        browser.until(
            "live",
            SEEN,
            "document.documentElement.dataset.live === 'yes'",
        )?;
        let file = folder.join(format!("{name}.png"));
        browser.screenshot(&file)?;
        context.note(file.display().to_string());
    }
    Ok(())
}
