//! Patterns of targets files: files that are added and removed, and targets of one name.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{fs, path::Path};

use common::{DEFAULTS, Running, config, names, soon};
use tcp_echo_targets::{Config, FilePattern, Source, Spec};
use tempfile::TempDir;

/// The files of a directory, which are replaced atomically.
struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, text: &str) {
        let beside = self.0.path().join(".new");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.0.path().join(name)).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.0.path().join(name)).unwrap();
    }

    fn config(&self, patterns: &[&str]) -> Config {
        let path = |pattern: &&str| FilePattern::new(self.0.path().join(pattern)).unwrap();
        let mut config = config();
        config.files = patterns.iter().map(path).collect();
        config
    }

    fn start(&self, patterns: &[&str]) -> Running {
        Running::start(self.config(patterns)).unwrap()
    }
}

#[tokio::test]
async fn files_come_and_go_with_their_targets() {
    let directory = Directory::new();
    let mut running = directory.start(&["*.yml", "later/*.yml"]);
    assert!(running.first.is_empty());
    assert!(running.handle.status().successful);
    directory.put("b.yml", "- targets: [b:1]");
    assert_eq!(names(&running.next().await), ["b:1"]);
    directory.put("a.yml", "- targets: [a:1]");
    directory.put("a.conf", "nonsense");
    assert_eq!(names(&running.next().await), ["a:1", "b:1"]);
    directory.remove("b.yml");
    assert_eq!(names(&running.next().await), ["a:1"]);
    // A directory that does not exist yet.
    let later = directory.0.path().join("later");
    fs::create_dir(&later).unwrap();
    fs::write(later.join("c.yml"), "- targets: [c:1]").unwrap();
    running.until(&["a:1", "c:1"]).await;
    fs::remove_dir_all(&later).unwrap();
    assert_eq!(names(&running.next().await), ["a:1"]);
    assert!(running.handle.status().successful);
}

#[tokio::test]
async fn a_broken_file_keeps_what_it_listed_and_stops_no_other() {
    let directory = Directory::new();
    directory.put("a.yml", "- targets: [a:1]");
    directory.put("b.yml", "- targets: [b:1]");
    directory.put("broken.yml", "- targets: [c]");
    let mut running = directory.start(&["*.yml"]);
    assert_eq!(names(&running.first), ["a:1", "b:1"]);
    let status = running.status(|status| !status.successful).await;
    let error = status.error.unwrap().to_string();
    assert!(
        error.contains("broken.yml: line 1, column 13 (entry 1, target 1): \"c\": "),
        "{error}"
    );
    directory.put("b.yml", "- targets: [b:2]\n- {}");
    let error = soon(running.handle.reload()).await.unwrap_err().to_string();
    assert!(
        error.contains("b.yml: line 2, column 3 (entry 2): it has neither"),
        "{error}"
    );
    directory.put("a.yml", "- targets: [a:2]");
    assert_eq!(names(&running.next().await), ["a:2", "b:1"]);
    directory.put("b.yml", "- targets: [b:3]");
    assert_eq!(names(&running.next().await), ["a:2", "b:3"]);
    assert!(!running.handle.status().successful);
    directory.put("broken.yml", "[]");
    running.status(|status| status.successful).await;
}

/// A file is given by its path and by a pattern: it is read once, for the path.
#[tokio::test]
async fn a_file_given_by_its_path_keeps_its_targets_when_removed() {
    let directory = Directory::new();
    directory.put("a.yml", "- targets: [a:1]");
    directory.put("b.yml", "- targets: [b:1]");
    let mut running = directory.start(&["a.yml", "*.yml"]);
    assert_eq!(names(&running.first), ["a:1", "b:1"]);
    directory.remove("a.yml");
    let status = running.status(|status| !status.successful).await;
    assert!(
        status
            .error
            .unwrap()
            .to_string()
            .contains("a.yml: No such file")
    );
    directory.put("b.yml", "- targets: [b:2]");
    assert_eq!(names(&running.next().await), ["a:1", "b:2"]);
    directory.put("a.yml", "- targets: [a:2]");
    assert_eq!(names(&running.next().await), ["a:2", "b:2"]);
    assert!(running.handle.status().successful);
}

/// A target moves from one file to another, in the wrong order.
#[tokio::test]
async fn a_target_that_two_files_list_is_that_of_the_first() {
    let directory = Directory::new();
    directory.put("a.yml", "- targets: [a:1]");
    directory.put("b.yml", "- targets: [b:1, c:1]");
    let mut running = directory.start(&["*.yml"]);
    directory.put("a.yml", "- targets: [a:2, c:1]");
    assert_eq!(names(&running.next().await), ["a:2", "b:1", "c:1"]);
    let status = running.status(|status| !status.successful).await;
    let error = status.error.unwrap().to_string();
    let (second, first) = error
        .split_once(": there is a target \"c:1\" already, ")
        .unwrap();
    assert!(
        second.ends_with("b.yml: line 1, column 18 (entry 1, target 2)"),
        "{error}"
    );
    assert!(
        first.contains("a.yml: line 1, column 18 (entry 1, target 2): give one"),
        "{error}"
    );
    directory.put("b.yml", "- targets: [b:1]");
    running.status(|status| status.successful).await;
    assert!(running.is_quiet());
}

#[tokio::test]
async fn one_name_twice_with_other_labels() {
    let directory = Directory::new();
    directory.put(
        "a.yml",
        "- targets: [a:1]\n  labels: {team: x, rack: \"7\"}\n- targets: [a:1]\n  labels: {team: y}\n- targets: [a:1]\n",
    );
    let mut config = directory.config(&["a.yml"]);
    let given: Spec = Spec::new("b:1".parse().unwrap(), DEFAULTS.session().unwrap());
    config.targets.push(
        given
            .clone()
            .named("a:1")
            .with_labels([("team".to_owned(), "z".to_owned())].into()),
    );
    let source = Source::load(config).unwrap();
    let targets: Vec<_> = source.targets().iter().collect();
    let named: Vec<_> = targets.iter().map(|target| &**target.name()).collect();
    let expected = [
        "a:1",
        r#"a:1{rack="7",team="x"}"#,
        r#"a:1{team="y"}"#,
        "a:1{}",
    ];
    assert_eq!(named, expected);
    for target in &targets {
        assert_eq!(&**target.series_name(), "a:1");
    }
    assert_eq!(targets[0].address().to_string(), "b:1");
    assert_eq!(targets[2].labels()["team"], "y");
    // Both entries are the same.
    let refused = |text: &str| {
        directory.put("a.yml", text);
        let loaded = Source::load(directory.config(&["a.yml"]));
        loaded.err().unwrap().to_string()
    };
    let labels = "labels: {team: x}";
    let error = refused(&format!(
        "- targets: [a:1]\n- targets: [a:1]\n  {labels}\n- address: a:1\n  {labels}\n"
    ));
    let (second, first) = error
        .split_once(" there is a target \"a:1\" already, ")
        .unwrap();
    assert!(
        second.ends_with("a.yml: line 4, column 12 (entry 3):"),
        "{error}"
    );
    assert!(
        first.contains("a.yml: line 2, column 13 (entry 2, target 1): give"),
        "{error}"
    );
}

#[test]
fn what_is_named_is_refused_at_once_and_what_a_pattern_matches_is_not() {
    let directory = Directory::new();
    directory.put("a.yml", "nonsense");
    assert!(Source::load(directory.config(&["a.yml"])).is_err());
    assert!(Source::load(directory.config(&["none.yml"])).is_err());
    let source = Source::load(directory.config(&["*.yml"])).unwrap();
    assert!(source.targets().is_empty());
    let status = source.handle().status();
    let error = status.error.unwrap().to_string();
    assert!(
        Path::new(&error).ends_with("a.yml: line 1, column 1: expected a list"),
        "{error}"
    );
}
