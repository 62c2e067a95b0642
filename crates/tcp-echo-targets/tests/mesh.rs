//! Lists whose members probe each other, with a DNS server on loopback.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{fs, time::Duration};

use common::{
    DEFAULTS, Running, config, names,
    server::{Answer, Server},
    soon,
};
use hickory_resolver::proto::{op::ResponseCode, rr::RecordType};
use tcp_echo_targets::{Config, FilePattern, Handle, MemberRole, Mesh, Shard, Spec};
use tempfile::TempDir;
use tokio::time::sleep;

fn mesh(degree: &str) -> Mesh {
    Mesh::new(degree.parse().unwrap()).serving(4000)
}

fn spec(endpoint: &str) -> Spec {
    Spec::new(endpoint.parse().unwrap(), DEFAULTS.session().unwrap())
}

/// A file of targets in a folder.
fn add_file(config: &mut Config, folder: &TempDir, name: &str, targets: &[&str]) {
    let path = folder.path().join(name);
    fs::write(
        &path,
        serde_json::json!([{ "targets": targets }]).to_string(),
    )
    .unwrap();
    config.files.push(FilePattern::new(path).unwrap());
}

/// The names of the members in this role.
fn members(handle: &Handle, role: MemberRole) -> Vec<String> {
    let members = handle.members();
    let of_role = members.iter().filter(|member| member.role == role);
    of_role.map(|member| member.name.to_string()).collect()
}

#[tokio::test]
async fn each_file_is_a_list_of_its_own() {
    let folder = TempDir::new().unwrap();
    let mut config = config();
    config.mesh = Some(mesh("1"));
    config.targets.push(spec("127.0.0.1:4000").named("given"));
    let list = ["127.0.0.1:4000", "198.51.100.1:4000", "198.51.100.2:4000"];
    add_file(&mut config, &folder, "mesh.json", &list);
    let others = [
        "198.51.100.3:4000",
        "198.51.100.4:4000",
        "198.51.100.5:4000",
    ];
    add_file(&mut config, &folder, "others.json", &others);
    let running = Running::start(config).unwrap();
    let found = names(&running.first);
    let (of_mesh, of_others): (Vec<_>, Vec<_>) =
        found.iter().partition(|name| list.contains(&name.as_str()));
    assert_eq!(
        of_others,
        [
            "198.51.100.3:4000",
            "198.51.100.4:4000",
            "198.51.100.5:4000",
            "given"
        ]
    );
    assert_eq!(of_mesh.len(), 1);
    assert_eq!(members(&running.handle, MemberRole::Own), list[..1]);
    assert_eq!(
        members(&running.handle, MemberRole::Peer),
        [of_mesh[0].as_str()]
    );
    assert_eq!(members(&running.handle, MemberRole::Other).len(), 1);
}

#[tokio::test]
async fn a_file_becomes_a_mesh_and_no_mesh_again() {
    let folder = TempDir::new().unwrap();
    let mut config = config();
    config.mesh = Some(mesh("auto"));
    add_file(
        &mut config,
        &folder,
        "list.json",
        &["198.51.100.1:4000", "127.0.0.1:4001"],
    );
    let path = folder.path().join("list.json");
    let mut running = Running::start(config).unwrap();
    assert_eq!(
        names(&running.first),
        ["127.0.0.1:4001", "198.51.100.1:4000"]
    );
    assert!(running.handle.members().is_empty());
    fs::write(
        &path,
        r#"[{"targets": ["198.51.100.1:4000", "127.0.0.1:4000"]}]"#,
    )
    .unwrap();
    running.until(&["198.51.100.1:4000"]).await;
    assert_eq!(
        members(&running.handle, MemberRole::Own),
        ["127.0.0.1:4000"]
    );
    fs::write(
        &path,
        r#"[{"targets": ["198.51.100.1:4000", "198.51.100.2:4000"]}]"#,
    )
    .unwrap();
    running
        .until(&["198.51.100.1:4000", "198.51.100.2:4000"])
        .await;
    assert!(running.handle.members().is_empty());
}

#[tokio::test]
async fn targets_of_a_shard_are_no_mesh() {
    let folder = TempDir::new().unwrap();
    let mut config = config();
    (config.mesh, config.shard) = (
        Some(mesh("1").of_every_list()),
        "0/2".parse::<Shard>().unwrap(),
    );
    let list: Vec<_> = (1..=40)
        .map(|host| format!("198.51.100.{host}:4000"))
        .collect();
    let list: Vec<_> = list.iter().map(String::as_str).collect();
    add_file(&mut config, &folder, "list.json", &list);
    let running = Running::start(config).unwrap();
    assert!(running.first.len() > 5, "{}", running.first.len());
    assert!(running.handle.members().is_empty());
}

#[tokio::test]
async fn members_of_a_name_come_and_go() {
    let server = Server::start().await;
    let mut config = config();
    config.targets.push(spec("dns+mesh.test:4000").named("m"));
    config.resolver = server.resolver("");
    config.mesh = Some(mesh("auto"));
    server.addresses("mesh.test", &["198.51.100.1", "127.0.0.1", "198.51.100.2"]);
    let mut running = Running::start(config).unwrap();
    running.until(&["m/198.51.100.1", "m/198.51.100.2"]).await;
    assert_eq!(members(&running.handle, MemberRole::Own), ["m/127.0.0.1"]);
    server.addresses("mesh.test", &["198.51.100.1", "127.0.0.1"]);
    running.until(&["m/198.51.100.1"]).await;
    assert_eq!(running.handle.members().len(), 2);
    // The list stays while nameservers fail.
    for kind in [RecordType::A, RecordType::AAAA] {
        server.set_answer("mesh.test", kind, Answer::Code(ResponseCode::ServFail));
    }
    for _ in 0..3 {
        server.take_questions();
        soon(async {
            while server.take_questions().is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
    assert!(running.is_quiet());
    assert_eq!(running.handle.members().len(), 2);
}

#[tokio::test]
async fn the_maximum_of_a_name_counts_peers() {
    let server = Server::start().await;
    let mut config = config();
    config.targets.push(spec("dns+mesh.test:4000").named("m"));
    config.resolver = server.resolver("");
    config.mesh = Some(mesh("2"));
    config.dns_max = 2.try_into().unwrap();
    let hosts: Vec<_> = (1..=20).map(|host| format!("198.51.100.{host}")).collect();
    let hosts = hosts.iter().map(String::as_str).chain(["127.0.0.1"]);
    server.addresses("mesh.test", &hosts.collect::<Vec<_>>());
    let mut running = Running::start(config).unwrap();
    assert_eq!(running.next().await.len(), 2);
    assert_eq!(members(&running.handle, MemberRole::Peer).len(), 2);
    assert_eq!(members(&running.handle, MemberRole::Other).len(), 18);
}
