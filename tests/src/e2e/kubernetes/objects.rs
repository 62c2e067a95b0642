//! The objects of a deployment, and whether they agree.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tcp_echo_dashboards::list;

/// The objects of one deployment.
pub(super) struct Objects(pub(super) Vec<Value>);

impl Objects {
    /// Returns the only object of this kind.
    pub(super) fn one(&self, kind: &str) -> Result<&Value> {
        let mut found = self.all(kind);
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => bail!("there is no {kind}"),
            _ => bail!("there are several of {kind}"),
        }
    }

    /// Returns the objects of this kind.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// Returns the pods' specification.
    pub(super) fn pod(&self) -> Result<&Value> {
        Ok(&self.one("DaemonSet")?["spec"]["template"]["spec"])
    }

    /// Checks that names, labels and ports are the same everywhere, and that pods have no rights.
    pub(super) fn check(&self) -> Result<()> {
        self.labels_select_the_pods()?;
        self.ports_agree()?;
        self.target_is_the_service()?;
        self.pods_are_restricted()
    }

    fn labels_select_the_pods(&self) -> Result<()> {
        let set = &self.one("DaemonSet")?["spec"];
        let labels = set["template"]["metadata"]["labels"]
            .as_object()
            .context("pods have no labels")?;
        let mut selectors = vec![
            &set["selector"]["matchLabels"],
            &self.one("Service")?["spec"]["selector"],
        ];
        for policy in self.all("NetworkPolicy") {
            let spec = &policy["spec"];
            selectors.push(&spec["podSelector"]["matchLabels"]);
            for rule in list(&spec["ingress"]).chain(list(&spec["egress"])) {
                let peers = list(&rule["from"]).chain(list(&rule["to"]));
                let members = peers.filter(|peer| peer["podSelector"].is_object());
                selectors.extend(members.map(|peer| &peer["podSelector"]["matchLabels"]));
            }
        }
        for monitor in self.all("PodMonitor") {
            selectors.push(&monitor["spec"]["selector"]["matchLabels"]);
        }
        for selector in selectors {
            let selector = selector.as_object().context("a selector is missing")?;
            ensure!(!selector.is_empty(), "a selector selects every pod");
            let wrong = selector
                .iter()
                .find(|(key, value)| labels.get(*key) != Some(value));
            ensure!(
                wrong.is_none(),
                "{wrong:?} is not among the pods' {labels:?}"
            );
        }
        Ok(())
    }

    fn ports_agree(&self) -> Result<()> {
        let container = &self.pod()?["containers"][0];
        let ports: BTreeMap<&str, &Value> = list(&container["ports"])
            .filter_map(|port| Some((port["name"].as_str()?, &port["containerPort"])))
            .collect();
        let numbers = json!([ports["echo"], ports["metrics"]]);
        for port in list(&self.one("Service")?["spec"]["ports"]) {
            let target = port["targetPort"]
                .as_str()
                .context("a port without a name")?;
            ensure!(ports.get(target) == Some(&&port["port"]), "Service: {port}");
        }
        for probe in ["livenessProbe", "readinessProbe"] {
            ensure!(container[probe]["httpGet"]["port"] == "metrics", "{probe}");
        }
        for monitor in self.all("PodMonitor") {
            for endpoint in list(&monitor["spec"]["podMetricsEndpoints"]) {
                ensure!(endpoint["port"] == "metrics", "PodMonitor: {endpoint}");
            }
        }
        for policy in self.all("NetworkPolicy") {
            for direction in ["ingress", "egress"] {
                let to_members = list(&policy["spec"][direction]).any(|rule| {
                    let ports = list(&rule["ports"]).map(|port| port["port"].clone());
                    rule.to_string().contains("podSelector")
                        && json!(ports.collect::<Vec<_>>()) == numbers
                });
                ensure!(
                    to_members,
                    "members may not talk to each other: {direction}"
                );
            }
        }
        Ok(())
    }

    fn target_is_the_service(&self) -> Result<()> {
        let service = self.one("Service")?["metadata"]["name"]
            .as_str()
            .unwrap_or_default();
        let target = format!("-target=dns+{service}:4000");
        let container = &self.pod()?["containers"][0];
        let found = list(&container["args"]).any(|flag| *flag == target);
        ensure!(found, "{target} is not in {}", container["args"]);
        Ok(())
    }

    /// Pod security "restricted", and no access to the API.
    fn pods_are_restricted(&self) -> Result<()> {
        let pod = self.pod()?;
        let container = &pod["containers"][0];
        let restricted = [
            (&pod["automountServiceAccountToken"], json!(false)),
            (&pod["securityContext"]["runAsNonRoot"], json!(true)),
            (
                &pod["securityContext"]["seccompProfile"]["type"],
                json!("RuntimeDefault"),
            ),
            (
                &container["securityContext"]["allowPrivilegeEscalation"],
                json!(false),
            ),
            (
                &container["securityContext"]["readOnlyRootFilesystem"],
                json!(true),
            ),
            (
                &container["securityContext"]["capabilities"],
                json!({"drop": ["ALL"]}),
            ),
            (&container["securityContext"]["privileged"], Value::Null),
            (&pod["hostPID"], Value::Null),
            (&pod["hostIPC"], Value::Null),
            (&pod["volumes"], Value::Null),
        ];
        for (found, expected) in restricted {
            ensure!(*found == expected, "{found} in place of {expected}: {pod}");
        }
        let rights = [
            "ServiceAccount",
            "Role",
            "RoleBinding",
            "ClusterRole",
            "ClusterRoleBinding",
        ];
        let right = rights.iter().find(|kind| self.all(kind).next().is_some());
        ensure!(right.is_none(), "there is a {right:?}");
        Ok(())
    }
}
