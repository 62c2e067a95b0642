//! The status page in a real browser, and its cost.

use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::relay::Relay;
use testkit::shell::{SHORT, has, program, root, run as run_command};

use crate::runner::{PLAIN, Scenario};

mod browser;
mod detail;
mod pictures;
mod proxy;

use browser::Browser;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "the status page in a browser",
        tools: CHROMIUM,
        run,
        ..PLAIN
    },
    Scenario {
        name: "the status page behind a proxy",
        tools: &[
            ("chromium", "chromium"),
            ("chromedriver", "chromium-driver"),
            ("nginx", "nginx-light"),
        ],
        run: proxy::run,
        ..PLAIN
    },
    Scenario {
        name: "the first view of 1,000 targets",
        alone: true,
        run: first_view,
        ..PLAIN
    },
    Scenario {
        name: "CPU usage of the status page",
        alone: true,
        run: cpu_usage,
        ..PLAIN
    },
    pictures::SCENARIO,
];

/// The time limit for a change to appear: the loss window and two updates.
const SEEN: Duration = Duration::from_secs(8);

const CHROMIUM: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
];

/// Returns the expression for the state in the row of a target.
fn state(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('#targets tbody tr')]\
         .find((row) => row.querySelector('a').textContent === '{name}')\
         ?.querySelector('.state').textContent"
    )
}

fn run(context: &Context) -> Result<()> {
    let server = EchoServer::start(context, &[])?;
    let mut relay = Relay::start(server.address)?;
    let flaky = format!("-target=<i>flaky</i>={}", relay.address());
    let steady = format!("-target=steady={}", server.address);
    let flags = [
        "-mode=client",
        &flaky,
        &steady,
        "-interval=20ms",
        "-timeout=100ms",
        "-window=50",
    ];
    let echo = Echo::start(context, &flags)?;
    let base = format!("http://{}", echo.metrics.address);
    let browser = Browser::start(context)?;
    browser.scheme("light")?;
    browser.open(&format!("{base}/"))?;
    browser.run("window.sameDocument = true;")?;
    let flaky = state("<i>flaky</i>");
    browser.until("up", SEEN, &format!("{flaky} === 'up'"))?;
    browser.until(
        "live",
        SEEN,
        "document.documentElement.dataset.live === 'yes'",
    )?;
    relay.refuse();
    let took = browser.until("down", SEEN, &format!("{flaky} === 'down'"))?;
    context.note(format!("down shown after {} ms", took.as_millis()));
    let first = "document.querySelector('#targets tbody a').textContent";
    browser.until(
        "the worst target first",
        SEEN,
        &format!("{first} === '<i>flaky</i>'"),
    )?;
    relay.listen()?;
    let took = browser.until("up again", SEEN, &format!("{flaky} === 'up'"))?;
    context.note(format!("up shown after {} ms", took.as_millis()));
    let same = browser.run("return window.sameDocument === true;")?;
    ensure!(same == true, "the page was reloaded");

    let axe = axe(context)?;
    accessible(context, &browser, axe.as_deref(), "overview")?;

    browser.type_into("#search", "STEA")?;
    let alone = "document.querySelectorAll('#targets tbody tr').length === 1";
    browser.until(
        "one row",
        SEEN,
        &format!("{alone} && {} === 'up'", state("steady")),
    )?;
    browser.until(
        "the search in the address",
        SEEN,
        "location.search === '?search=STEA'",
    )?;

    browser.open(&format!("{base}/?search=flaky"))?;
    browser.until("the search from the address", SEEN, alone)?;
    browser.run("document.querySelector('#targets tbody a').click();")?;
    let loaded = "document.querySelector('#plot img')?.naturalWidth > 300";
    browser.until("the picture", SEEN, loaded)?;
    let title = browser.run("return document.querySelector('h1').textContent;")?;
    ensure!(title == "<i>flaky</i>", "{title}");
    let changes = "document.querySelectorAll('.changes .down').length > 0";
    browser.until("the lost connection", SEEN, changes)?;
    browser.until(
        "live",
        SEEN,
        "document.documentElement.dataset.live === 'yes'",
    )?;
    detail::check(context, &browser, &relay)?;
    accessible(context, &browser, axe.as_deref(), "detail")?;
    let errors = browser.errors()?;
    ensure!(
        errors.is_empty(),
        "errors in the browser's console: {errors:#?}"
    );
    Ok(())
}

/// Returns the source of axe-core, which checks accessibility; `None` without npm.
fn axe(context: &Context) -> Result<Option<String>> {
    if !has("npm") {
        context.note("SKIPPED: accessibility; npm is missing");
        return Ok(None);
    }
    let folder = root().join("target/axe");
    let source = folder.join("node_modules/axe-core/axe.min.js");
    if !source.exists() {
        let prefix = format!("--prefix={}", folder.display());
        let install = [
            "install",
            &prefix,
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "axe-core@4",
        ];
        if let Err(error) = run_command(&mut program("npm", &install), SHORT) {
            context.note(format!(
                "SKIPPED: accessibility; axe-core can't be installed: {error:#}"
            ));
            return Ok(None);
        }
    }
    Ok(Some(fs::read_to_string(&source)?))
}

/// Checks for serious findings of axe-core, in both color schemes and two widths.
fn accessible(context: &Context, browser: &Browser, axe: Option<&str>, page: &str) -> Result<()> {
    let Some(axe) = axe else { return Ok(()) };
    browser.run(axe)?;
    for (scheme, width) in [
        ("light", 1280),
        ("dark", 1280),
        ("light", 390),
        ("dark", 390),
    ] {
        browser.scheme(scheme)?;
        browser.size(width, 900, 1.0)?;
        let found = browser.run_async("axe.run()")?;
        let violations = found["violations"].as_array().context("no violations")?;
        let serious: Vec<&Value> = violations
            .iter()
            .filter(|one| one["impact"] == "serious" || one["impact"] == "critical")
            .collect();
        ensure!(
            serious.is_empty(),
            "{page}, {scheme}, {width}: {serious:#?}"
        );
        let passes = found["passes"].as_array().map_or(0, Vec::len);
        context.note(format!(
            "{page}, {scheme}, {width} px: {passes} rules pass, {} minor findings {}",
            violations.len(),
            violations
                .iter()
                .map(|one| one["id"].to_string())
                .collect::<Vec<_>>()
                .join(" "),
        ));
    }
    browser.scheme("light")?;
    browser.size(1280, 900, 1.0)
}

/// Starts a server and a prober with a file of this many targets.
fn many(context: &Context, targets: usize, flags: &[&str]) -> Result<(EchoServer, Echo)> {
    let server = EchoServer::start(context, &["-max-connections-per-ip=0"])?;
    let names: Vec<_> = (0..targets)
        .map(|index| {
            serde_json::json!({
                "name": format!("host-{index:04}.example.net"), "address": server.address.to_string(),
            })
        })
        .collect();
    let file = context.file("targets.json", &Value::from(names).to_string())?;
    let file = format!("-targets={}", file.display());
    let flags = [&["-mode=client", &file], flags].concat();
    let echo = Echo::start(context, &flags)?;
    echo.until("all connected", Duration::from_secs(20), |scrape| {
        scrape.sum("tcp_echo_connected", &[]) >= targets as f64
    })?;
    Ok((server, echo))
}

const FIRST_VIEW: Duration = Duration::from_millis(200);
const FIRST_BYTES: usize = 100_000;

/// Measures the time and size of the page, its style sheet and its script with 1,000 targets.
fn first_view(context: &Context) -> Result<()> {
    let (_server, echo) = many(context, 1000, &[])?;
    // Full sparklines are larger than those of the first seconds.
    let minutes = env::var("TCP_ECHO_PAGE_MINUTES").map_or(Ok(0), |text| text.parse::<u64>())?;
    thread::sleep(Duration::from_secs(minutes * 60));
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..11 {
        let start = Instant::now();
        bytes = 0;
        for path in ["/", "/static/page.css", "/static/page.js"] {
            let zip = [("Accept-Encoding", "gzip")];
            let response = echo.metrics.request("GET", path, &zip)?;
            ensure!(response.status == 200, "{path}: {}", response.status);
            bytes += response.body.len();
        }
        times.push(start.elapsed());
        thread::sleep(Duration::from_millis(100));
    }
    times.sort();
    let (median, max) = (times[5], times[10]);
    let rows = echo.metrics.get("/")?.matches("<tr").count();
    context.note(format!(
        "first view of {rows} rows: {} ms (max {}), {bytes} bytes with gzip",
        median.as_millis(),
        max.as_millis()
    ));
    ensure!(median <= FIRST_VIEW, "{} ms", median.as_millis());
    ensure!(bytes <= FIRST_BYTES, "{bytes} bytes");
    Ok(())
}

/// The maximum additional CPU usage of one viewer of 100 targets, in percent of a core.
const MAX_VIEWER_CPU: f64 = 2.0;
const SPAN: Duration = Duration::from_secs(20);

fn cpu_usage(context: &Context) -> Result<()> {
    let (_server, echo) = many(context, 100, &["-interval=200ms"])?;
    let watch = |time: Duration| -> Result<f64> {
        let before = echo.process.cpu_ticks()?;
        let start = Instant::now();
        thread::sleep(time);
        Ok((echo.process.cpu_ticks()? - before) as f64 / start.elapsed().as_secs_f64())
    };
    let alone = watch(SPAN)?;
    let viewer = {
        let metrics = echo.metrics.clone();
        // The response ends when the program exits.
        thread::spawn(move || metrics.request("GET", "/api/v1/events", &[]).map(drop))
    };
    thread::sleep(Duration::from_secs(1));
    let with_viewer = watch(SPAN)?;
    context.note(format!(
        "{alone:.1} % of a core alone, {with_viewer:.1} % with a viewer"
    ));
    ensure!(!viewer.is_finished(), "the viewer was disconnected");
    ensure!(
        with_viewer - alone <= MAX_VIEWER_CPU,
        "{:.1} % of a core",
        with_viewer - alone
    );
    drop(echo);
    let _ = viewer.join();
    Ok(())
}
