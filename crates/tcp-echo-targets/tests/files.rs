//! Targets files of all kinds, and their changes while a source runs.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{DEFAULTS, Running, config, names, soon};
use tcp_echo_targets::{Config, FilePattern, LoadError, ReloadError, Source, Spec};
use tempfile::TempDir;

/// The configuration of a source of these files.
fn of(files: impl IntoIterator<Item = PathBuf>) -> Config {
    let mut config = config();
    let files = files.into_iter();
    config.files = files.map(|file| FilePattern::new(file).unwrap()).collect();
    config
}

fn list(targets: &[&str]) -> String {
    format!("- targets: [{}]\n", targets.join(", "))
}

/// A directory with one file of these targets.
fn directory(name: &str, targets: &[&str]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(name);
    fs::write(&file, list(targets)).unwrap();
    (directory, file)
}

fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, file).unwrap();
}

fn refused(path: &Path) -> String {
    match Source::load(of([path.to_owned()])) {
        Ok(_) => "nothing".to_owned(),
        Err(error) => {
            let error = error.to_string();
            let start = format!("{}: ", path.display());
            error.strip_prefix(&start).unwrap_or(&error).to_owned()
        }
    }
}

#[tokio::test]
async fn a_change_is_noticed_within_five_seconds() {
    let (_directory, file) = directory("targets.yml", &["a:1"]);
    let mut config = of([file.clone()]);
    config.poll = Config::new(config.defaults).poll;
    let mut running = Running::start(config).unwrap();
    assert_eq!(names(&running.first), ["a:1"]);
    let begun = Instant::now();
    fs::write(&file, list(&["b:1"])).unwrap();
    assert_eq!(names(&running.next().await), ["b:1"]);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn every_way_to_change_a_file_is_noticed() {
    let (_directory, file) = directory("targets.yml", &["a:1"]);
    let mut running = Running::start(of([file.clone()])).unwrap();
    fs::write(&file, list(&["b:1"])).unwrap();
    assert_eq!(names(&running.next().await), ["b:1"]);
    replace(&file, &list(&["c:1"]));
    assert_eq!(names(&running.next().await), ["c:1"]);
    // By a file of the same size and modification time.
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, list(&["d:1"])).unwrap();
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    assert_eq!(names(&running.next().await), ["d:1"]);
    fs::remove_file(&file).unwrap();
    running.status(|status| !status.successful).await;
    fs::write(&file, list(&["e:1"])).unwrap();
    assert_eq!(names(&running.next().await), ["e:1"]);
    running.status(|status| status.successful).await;
}

/// Kubernetes updates a mounted `ConfigMap` in this way: the file is a link through `..data`,
/// which is a link that is replaced, and its old directory is removed.
#[tokio::test]
async fn a_config_map_is_followed() {
    let mount = tempfile::tempdir().unwrap();
    let at = |name: &str| mount.path().join(name);
    let publish = |version: &str, targets: &[&str]| {
        fs::create_dir(at(version)).unwrap();
        fs::write(
            at(version).join("targets.json"),
            format!(r#"[{{"targets": {targets:?}}}]"#),
        )
        .unwrap();
        symlink(version, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    publish("..2026_11_24_1", &["a:1"]);
    symlink("..data/targets.json", at("targets.json")).unwrap();
    let mut running = Running::start(of([at("targets.json")])).unwrap();
    assert_eq!(names(&running.first), ["a:1"]);
    publish("..2026_11_24_2", &["b:1"]);
    fs::remove_dir_all(at("..2026_11_24_1")).unwrap();
    assert_eq!(names(&running.next().await), ["b:1"]);
    publish("..2026_11_24_3", &["b:1", "c:1"]);
    fs::remove_dir_all(at("..2026_11_24_2")).unwrap();
    assert_eq!(names(&running.next().await), ["b:1", "c:1"]);
    assert!(running.handle.status().successful);
}

#[tokio::test]
async fn a_file_that_can_not_be_used_changes_nothing() {
    let (_directory, file) = directory("targets.yml", &["a:1"]);
    let mut running = Running::start(of([file.clone()])).unwrap();
    let first = running.handle.status();
    assert!(first.successful && first.error.is_none());
    replace(&file, "- targets: [a:1]\n- targets: [b:1, c]\n");
    let failed = running.status(|status| !status.successful).await;
    assert_eq!(failed.success_time, first.success_time);
    let error = failed.error.unwrap();
    let expected = format!(
        "{}: line 2, column 18 (entry 2, target 2): \"c\": the port is missing",
        file.display()
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    // It is reported once: after many checks, the error is the same one.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(Arc::ptr_eq(&error, &running.handle.status().error.unwrap()));
    // Another mistake is another error.
    replace(&file, "");
    let failed = running
        .status(|status| !Arc::ptr_eq(&error, status.error.as_ref().unwrap()))
        .await;
    assert!(
        failed
            .error
            .unwrap()
            .to_string()
            .ends_with("a list of no targets is written []")
    );
    // The former content is a success again.
    replace(&file, &list(&["a:1"]));
    let status = running.status(|status| status.successful).await;
    assert!(status.error.is_none() && status.success_time > first.success_time);
    assert!(running.is_quiet());
    replace(&file, "[]");
    assert!(running.next().await.is_empty());
}

#[tokio::test]
async fn reload_returns_the_result() {
    let (_directory, file) = directory("targets.yml", &["a:1"]);
    let mut config = of([file.clone()]);
    config.poll = Duration::from_secs(3600);
    let mut running = Running::start(config).unwrap();
    let handle = running.handle.clone();
    let first = handle.status().success_time;
    soon(handle.reload()).await.unwrap();
    assert!(handle.status().success_time > first);
    assert!(running.is_quiet());
    fs::write(&file, list(&["b:1"])).unwrap();
    soon(handle.reload()).await.unwrap();
    // It was applied before the reload returned.
    assert!(!running.is_quiet());
    fs::write(&file, "- targts: []").unwrap();
    for _ in 0..2 {
        let error = soon(handle.reload()).await.unwrap_err().to_string();
        assert!(
            error.contains("targets.yml: line 1, column 3: unknown field `targts`"),
            "{error}"
        );
        assert!(!handle.status().successful);
    }
    // Many at once all return.
    fs::write(&file, list(&["c:1"])).unwrap();
    let reloads: Vec<_> = (0..50)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.reload().await })
        })
        .collect();
    for reload in reloads {
        soon(reload).await.unwrap().unwrap();
    }
    assert_eq!(names(&running.next().await), ["c:1"]);
    drop(running);
    let error = soon(handle.reload()).await.unwrap_err();
    assert!(matches!(error, ReloadError::Stopped), "{error}");
}

#[tokio::test]
async fn names_are_unique_over_everything() {
    let directory = tempfile::tempdir().unwrap();
    let [a, b] = ["a.yml", "b.yml"].map(|name| directory.path().join(name));
    fs::write(&a, "- targets: [one:1, two:1]\n").unwrap();
    fs::write(
        &b,
        "- targets: [three:1]\n- name: two:1\n  address: four:1\n",
    )
    .unwrap();
    let refused = |config| Source::load(config).err().unwrap().to_string();
    assert_eq!(
        refused(of([a.clone(), b.clone()])),
        format!(
            "{}: line 3, column 12 (entry 2): there is a target \"two:1\" already, \
             {}: line 1, column 20 (entry 1, target 2): give one of them another name or other labels",
            b.display(),
            a.display()
        )
    );
    let given = |endpoint: &str| Spec::new(endpoint.parse().unwrap(), DEFAULTS.session().unwrap());
    let mut config = of([a.clone()]);
    config.targets = vec![given("zero:1"), given("one:1")];
    assert_eq!(
        refused(config),
        format!(
            "{}: line 1, column 13 (entry 1, target 1): there is a target \"one:1\" already, \
             given without a file: give one of them another name or other labels",
            a.display()
        )
    );
    fs::write(&b, "- targets: [three:1, three:1]").unwrap();
    assert!(
        refused(of([b.clone()]))
            .contains("(entry 1, target 2): there is a target \"three:1\" already, ")
    );
    // Given targets stay beside those of the file.
    let mut config = of([a.clone()]);
    config.targets = vec![given("zero:1")];
    let mut running = Running::start(config).unwrap();
    assert_eq!(names(&running.first), ["one:1", "two:1", "zero:1"]);
    replace(&a, "[]");
    assert_eq!(names(&running.next().await), ["zero:1"]);
}

#[tokio::test]
async fn one_bad_file_of_several_changes_nothing() {
    let (_first, a) = directory("a.yml", &["a:1"]);
    let (_second, b) = directory("b.yml", &["b:1"]);
    let mut running = Running::start(of([a.clone(), b.clone()])).unwrap();
    replace(&b, "nonsense");
    running.status(|status| !status.successful).await;
    replace(&a, &list(&["a:2"]));
    let error = soon(running.handle.reload()).await.unwrap_err().to_string();
    assert!(
        error.contains("b.yml: line 1, column 1: expected a list"),
        "{error}"
    );
    assert!(running.is_quiet());
    replace(&b, &list(&["b:2"]));
    assert_eq!(names(&running.next().await), ["a:2", "b:2"]);
}

#[test]
fn a_path_that_is_no_file_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    assert_eq!(
        refused(&at("missing")),
        "No such file or directory (os error 2)"
    );
    assert_eq!(refused(directory.path()), "it is a directory, not a file");
    assert_eq!(
        refused(Path::new("/dev/zero")),
        "it is a device, not a file"
    );
    let _socket = UnixListener::bind(at("socket")).unwrap();
    assert_eq!(refused(&at("socket")), "it is a socket, not a file");
    assert!(
        Command::new("mkfifo")
            .arg(at("fifo"))
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(refused(&at("fifo")), "it is a FIFO, not a file");
    symlink("loop", at("loop")).unwrap();
    assert!(refused(&at("loop")).starts_with("Too many levels of symbolic links"));
    symlink("nowhere", at("dangling")).unwrap();
    assert!(refused(&at("dangling")).starts_with("No such file"));
}

#[test]
fn invalid_text_is_refused_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("targets");
    fs::write(&file, b"- targets:\n  - a:1\n  - \xff:2\n").unwrap();
    assert_eq!(refused(&file), "line 3: not UTF-8");
    fs::write(&file, "").unwrap();
    assert_eq!(
        refused(&file),
        "it is empty: a list of no targets is written []"
    );
    // A sparse file takes no space.
    let sparse = fs::File::create(&file).unwrap();
    sparse.set_len(10_000_001).unwrap();
    assert_eq!(refused(&file), "it is larger than 10 MB");
    sparse.set_len(1 << 33).unwrap();
    assert_eq!(refused(&file), "it is larger than 10 MB");
    fs::write(&file, "#".repeat(10_000_000)).unwrap();
    assert_eq!(
        refused(&file),
        "it is empty: a list of no targets is written []"
    );
}

/// Root may read everything, so as root the test runs itself as another user.
#[test]
fn an_unreadable_file_is_refused() {
    use std::os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    };
    const NOBODY: u32 = 65534;
    let (directory, file) = directory("targets.yml", &["a:1"]);
    if fs::metadata(&file).unwrap().uid() == 0 {
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), readable).unwrap();
        let test = directory.path().join("test");
        fs::copy(std::env::current_exe().unwrap(), &test).unwrap();
        let mut again = Command::new(&test);
        again.args(["--exact", "an_unreadable_file_is_refused"]);
        let again = again
            .current_dir("/")
            .env("TMPDIR", "/tmp")
            .uid(NOBODY)
            .gid(NOBODY);
        let output = again.output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && stdout.contains("1 passed"),
            "{stdout}"
        );
        return;
    }
    let mut config = of([file.clone()]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(refused(&file), "Permission denied (os error 13)");
    // The permission to read is removed and restored.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    config.poll = Duration::from_millis(20);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut running = Running::start(config).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
        let status = running.status(|status| !status.successful).await;
        let error = status.error.unwrap();
        assert!(
            matches!(&*error, LoadError::Read { path, .. } if **path == *file),
            "{error}"
        );
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        running.status(|status| status.successful).await;
        assert!(running.is_quiet());
    });
}

/// A FIFO in place of a file must not block the source.
#[tokio::test]
async fn a_fifo_in_the_place_of_a_file_hangs_nothing() {
    let (directory, file) = directory("targets.yml", &["a:1"]);
    let mut running = Running::start(of([file.clone()])).unwrap();
    let fifo = directory.path().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    fs::rename(&fifo, &file).unwrap();
    let error = soon(running.handle.reload()).await.unwrap_err().to_string();
    assert!(
        error.ends_with("targets.yml: it is a FIFO, not a file"),
        "{error}"
    );
    replace(&file, &list(&["b:1"]));
    assert_eq!(names(&running.next().await), ["b:1"]);
}

#[cfg(feature = "discovery")]
#[tokio::test]
async fn no_duration_is_too_long() {
    let (_directory, file) = directory("targets.yml", &["a:1", "dns+localhost:1"]);
    let mut config = of([file.clone()]);
    config.poll = Duration::MAX;
    (config.dns_refresh, config.dns_stale) = (Duration::MAX, Duration::MAX);
    let mut running = Running::start(config).unwrap();
    let found = running.next().await;
    assert!(found.len() > 1, "{:?}", names(&found));
    // Only a reload reads the file.
    fs::write(&file, list(&["b:1"])).unwrap();
    running.handle.reload().await.unwrap();
    assert_eq!(names(&running.next().await), ["b:1"]);
}
