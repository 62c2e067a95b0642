//! The example for Docker Compose: its files, and the flags of its members.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tcp_echo_dashboards::{list, root, rule_files, yaml};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::netns::Inside;
use testkit::shell::output;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "compose: the example is valid, and its members start",
    tools: &[
        ("docker-compose", "docker-compose"),
        ("promtool", "prometheus"),
    ],
    run,
    ..PLAIN
}];

const FOLDER: &str = "deploy/compose";

fn run(context: &Context) -> Result<()> {
    let folder = root().join(FOLDER).canonicalize()?;
    let services = services(context, &folder)?;
    let services = services.as_object().context("no services")?;
    let mut members = 0;
    for (name, service) in services {
        for volume in list(&service["volumes"]) {
            source_exists(&folder, volume).with_context(|| name.clone())?;
        }
        if service["environment"]["TCP_ECHO_NODE"] == **name {
            starts(context, service).with_context(|| name.clone())?;
            members += 1;
        }
    }
    ensure!(members == 3, "{members} members");
    let config = prometheus(context, &folder)?;
    for target in list(&config["scrape_configs"][0]["static_configs"][0]["targets"]) {
        let name = target.as_str().and_then(|at| at.strip_suffix(":2112"));
        let member = name.and_then(|name| services.get(name));
        ensure!(member.is_some(), "{target} is no member");
    }
    let sources = &yaml(vec![folder.join("datasources.yml")])?[0]["datasources"];
    ensure!(sources[0]["url"] == "http://prometheus:9090", "{sources}");
    ensure!(services.contains_key("prometheus"), "no prometheus");
    Ok(())
}

/// Returns the services as Compose understands them.
fn services(context: &Context, folder: &Path) -> Result<Value> {
    let mut config = Command::new("docker");
    let config = config.args(["compose", "config"]).current_dir(folder);
    let understood = output(config).or_else(|_| {
        // Before version 2 it was a program of its own.
        let mut config = Command::new("docker-compose");
        output(config.arg("config").current_dir(folder))
    })?;
    let file = context.file("compose.yaml", &understood)?;
    Ok(yaml(vec![file])?[0]["services"].take())
}

/// A folder or file of the host exists. Docker would create an empty folder in its place.
fn source_exists(folder: &Path, volume: &Value) -> Result<()> {
    let source = match volume.as_str() {
        Some(text) => text.split(':').next(),
        None => volume["source"].as_str(),
    };
    let source = source.context("a volume without a source")?;
    let is_named = volume["type"] == "volume" || !source.contains('/');
    ensure!(
        is_named || folder.join(source).exists(),
        "there is no {source}"
    );
    Ok(())
}

/// The program takes the flags and variables, and its health check succeeds.
fn starts(context: &Context, member: &Value) -> Result<()> {
    let mut command = Command::new(context.binary());
    command.args(list(&member["command"]).filter_map(Value::as_str));
    let variables = member["environment"].as_object().into_iter().flatten();
    command.envs(variables.filter_map(|(name, value)| Some((name, value.as_str()?))));
    let flags = command.arg("-listen=127.0.0.1:0");
    let echo = Echo::start_by(context, &Inside::default(), flags)?;
    let check: Vec<&str> = list(&member["healthcheck"]["test"])
        .filter_map(Value::as_str)
        .collect();
    ensure!(
        check[..2] == ["CMD", "/usr/bin/tcp-echo-metrics"],
        "{check:?}"
    );
    let mut health = Command::new(context.binary());
    health.env("TCP_ECHO_METRICS", echo.metrics.address.to_string());
    output(health.args(&check[2..]))?;
    Ok(())
}

/// Checks the configuration where it is in the container, beside its rules; returns it.
fn prometheus(context: &Context, folder: &Path) -> Result<Value> {
    let config = context.folder().join("prometheus.yml");
    fs::copy(folder.join("prometheus.yml"), &config)?;
    symlink(
        root().join("dashboards/prometheus"),
        context.folder().join("rules"),
    )?;
    let checked = output(
        Command::new("promtool")
            .args(["check", "config"])
            .arg(&config),
    )?;
    let rules = format!("{} rule files found", rule_files()?.len());
    ensure!(checked.contains(&rules), "{checked}");
    Ok(yaml(vec![config])?.remove(0))
}
