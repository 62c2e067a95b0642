//! The task that writes the state file.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tcp_echo_episodes::{Episodes, Loaded, StateFile};
use tcp_echo_prober::{
    Cause, Episode, Event, Observer as _, Paths, Sensor as _, Session, SessionConfig, Target,
};

fn episodes_of(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.matches("\"cause\"").count()
}

async fn wait_for(path: &Path, episodes: usize) {
    let written = async {
        while episodes_of(path) != episodes {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), written).await;
    assert!(waited.is_ok(), "{episodes} in {}", path.display());
}

#[tokio::test]
async fn what_happens_is_written_soon_and_read_by_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let config = SessionConfig::new(Duration::from_secs(1), Duration::from_secs(1)).unwrap();
    let target = Target::new("127.0.0.1:4000".parse().unwrap(), config.clone()).named("a");
    let now = Instant::now();
    let session = Session::new(&config, now);
    let begun = |cause| {
        Event::Episode(Episode {
            began: now.checked_sub(Duration::from_secs(9)).unwrap(),
            ended: None,
            cause,
            slots_lost: 5,
        })
    };

    let (file, loaded) = StateFile::load(&path);
    assert!(loaded.records.is_empty());
    let file = Arc::new(file);
    let first = Episodes::resumed(Paths::default(), loaded);
    let task = tokio::spawn(first.clone().run(Some(Arc::clone(&file))));
    let mut sensor = first.attach(&target);
    sensor.on_event(&begun(Cause::Dns), &session);
    wait_for(&path, 1).await;
    let mut other = first.attach(&target.clone().named("b"));
    other.on_event(&begun(Cause::Refused), &session);
    wait_for(&path, 2).await;
    task.abort();

    let (_, loaded) = StateFile::load(&path);
    assert!(loaded.records.iter().all(|record| record.ended.is_some()));
    let second = Episodes::resumed(Paths::default(), loaded);
    let causes: Vec<_> = second.newest().iter().map(|record| record.cause).collect();
    assert!(causes.contains(&Cause::Dns) && causes.contains(&Cause::Refused));
    assert!(
        second.totals().is_empty(),
        "counters begin with the process"
    );
    drop((sensor, other));
    first.save(&file);
    let (_, loaded): (_, Loaded) = StateFile::load(&path);
    assert_eq!(loaded.records.len(), 2);
}
