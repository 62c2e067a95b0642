//! The file that keeps episodes over a restart.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::{join::MAX_ENDED, record::Json, record::Record, rfc3339};

/// The largest file that is read. A file of 1,000 episodes has 200 kB.
const MAX_SIZE: u64 = 16 << 20;

const FORMAT: &str = "tcp-echo-metrics episodes 1";

/// A file that keeps episodes over a restart. It is replaced as a whole, so that a reader sees the
/// old one or the new one.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// Whether what was at the path was of this format, or nothing. Another file is left alone.
    is_ours: bool,
    /// The last error, which was logged.
    failed: Mutex<Option<String>>,
}

/// The episodes of an earlier process.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// All of them have ended. The oldest end is the first.
    pub records: Vec<Record>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content<E> {
    format: String,
    written: String,
    episodes: E,
}

/// Why a file is no state file.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Read(#[from] tcp_echo_file::ReadError),
    #[error("it has another content: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it has another content: its format is {0:?}, not {FORMAT:?}")]
    Format(String),
    #[error("it has another content: {0:?} is no time")]
    Written(String),
}

impl StateFile {
    /// Reads the file, if there is one, and prepares to write it.
    ///
    /// Episodes that lasted when it was written end then. A file of another format, or one that can't
    /// be read, is a warning in the log; it is never written to.
    pub fn load(path: impl Into<PathBuf>) -> (Self, Loaded) {
        let path = path.into();
        let (is_ours, loaded) = match read(&path) {
            Ok(None) => (true, Loaded::default()),
            Ok(Some(loaded)) => {
                let episodes = loaded.records.len();
                info!(path = %path.display(), episodes, "episodes were read");
                (true, loaded)
            }
            Err(error) => {
                warn!(
                    path = %path.display(), %error,
                    "this is no file of episodes; it is left alone, and episodes are not kept over a \
                     restart: move it away, or name another file with -state"
                );
                (false, Loaded::default())
            }
        };
        let failed = Mutex::default();
        (
            Self {
                path,
                is_ours,
                failed,
            },
            loaded,
        )
    }

    /// Replaces the file. A failure is logged once, and again after a success.
    pub fn save(&self, newest: &[Record]) {
        if !self.is_ours {
            return;
        }
        let result = write(&self.path, newest, SystemTime::now());
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => {
                if failed.take().is_some() {
                    info!(path = %self.path.display(), "episodes are written again");
                }
            }
            Err(error) => {
                let error = error.to_string();
                if failed.as_ref() != Some(&error) {
                    warn!(
                        path = %self.path.display(), error,
                        "cannot write the file of episodes; trying again"
                    );
                }
                *failed = Some(error);
            }
        }
    }
}

/// `None` if there is no file, or an empty one.
fn read(path: &Path) -> Result<Option<Loaded>, LoadError> {
    let content = match tcp_echo_file::read(path, MAX_SIZE) {
        Ok(content) => content.bytes,
        Err(tcp_echo_file::ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    if content.is_empty() {
        return Ok(None);
    }
    let content: Content<Vec<Json>> = serde_json::from_slice(&content)?;
    if content.format != FORMAT {
        return Err(LoadError::Format(content.format));
    }
    let Some(written) = rfc3339::parse(&content.written) else {
        return Err(LoadError::Written(content.written));
    };
    // Of a later version there may be causes that this one does not know.
    let records = content.episodes.into_iter().filter_map(Json::record);
    let mut records: Vec<Record> = records.collect();
    for record in &mut records {
        let ended = record.ended.unwrap_or(written).max(record.began);
        record.ended = Some(ended);
    }
    records.sort_by_key(|record| record.ended);
    let excess = records.len().saturating_sub(MAX_ENDED);
    records.drain(..excess);
    Ok(Some(Loaded { records }))
}

fn write(path: &Path, newest: &[Record], now: SystemTime) -> io::Result<()> {
    let content = Content {
        format: FORMAT.to_owned(),
        written: rfc3339::format(now),
        episodes: newest.iter().map(Json::from).collect::<Vec<_>>(),
    };
    let mut bytes = serde_json::to_vec(&content)?;
    bytes.push(b'\n');
    let beside = beside(path);
    let written = write_new(&beside, &bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is left of it is of no use.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// A name next to the file, so that a rename replaces it.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // One of a process that was killed. A link there is removed, not followed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use proptest::prelude::*;
    use tcp_echo_prober::Cause;

    use super::*;

    fn record(seconds: u64, length: Option<u64>) -> Record {
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Record {
            target: Arc::from("a \"b\"\n"),
            began,
            ended: length.map(|length| began + Duration::from_secs(length)),
            cause: Cause::PacketLoss,
            slots_lost: 7,
            source_port: Some(40_000),
            last_hop: Some([10, 0, 0, 1].into()),
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_written_is_read_and_what_lasted_ends_then() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        assert!(read(&path).unwrap().is_none());
        write(&path, &[record(30, None), record(10, Some(5))], at(60)).unwrap();
        let loaded = read(&path).unwrap().unwrap();
        assert_eq!(loaded.records, [record(10, Some(5)), record(30, Some(30))]);
        let files = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(files, 1, "nothing is left beside it");
        // A clock that was set back.
        write(&path, &[record(90, None)], at(60)).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().records, [record(90, Some(0))]);
    }

    #[test]
    fn the_newest_thousand_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let many: Vec<_> = (0..1_500).map(|n| record(n, Some(1))).collect();
        write(&path, &many, at(5_000)).unwrap();
        let loaded = read(&path).unwrap().unwrap();
        assert_eq!(loaded.records, many[500..]);
    }

    #[test]
    fn another_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        for content in [
            "root:x:0:0::/root:/bin/sh\n",
            "{}",
            "[]",
            r#"{"format": "else", "written": "", "episodes": []}"#,
            r#"{"format": "tcp-echo-metrics episodes 1", "written": "now", "episodes": []}"#,
            r#"{"format": "tcp-echo-metrics episodes 1", "written": "2026-11-30T20:35:00.042Z", "#,
        ] {
            fs::write(&path, content).unwrap();
            let (state, loaded) = StateFile::load(&path);
            assert!(loaded.records.is_empty());
            state.save(&[record(1, None)]);
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        let (state, _) = StateFile::load(directory.path());
        state.save(&[record(1, None)]);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_file_is_one_to_write_to_and_unknown_causes_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        fs::write(&path, "").unwrap();
        let (state, _) = StateFile::load(&path);
        state.save(&[record(1, Some(1)), record(2, Some(1))]);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("packet_loss", "solar_flare", 1)).unwrap();
        let (_, loaded) = StateFile::load(&path);
        assert_eq!(loaded.records, [record(2, Some(1))]);
    }

    #[test]
    fn a_folder_that_is_gone_is_no_end() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let (state, _) = StateFile::load(folder.join("state.json"));
        fs::remove_dir(&folder).unwrap();
        state.save(&[]);
        assert!(state.failed.lock().unwrap().is_some());
        fs::create_dir(&folder).unwrap();
        state.save(&[]);
        assert!(state.failed.lock().unwrap().is_none());
        assert!(folder.join("state.json").exists());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Bytes of a file that are changed, cut off or put in.
        #[test]
        fn any_content_is_read_or_refused(
            at in 0_usize..600,
            cut in 0_usize..40,
            with in proptest::collection::vec(any::<u8>(), 0..8),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("state.json");
            let records = [record(10, Some(5)), record(1 << 40, None)];
            write(&path, &records, SystemTime::UNIX_EPOCH + Duration::from_secs(60)).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            let start = at.min(bytes.len());
            let end = (start + cut).min(bytes.len());
            bytes.splice(start..end, with);
            fs::write(&path, &bytes).unwrap();
            let (_, loaded) = StateFile::load(&path);
            prop_assert!(loaded.records.len() <= 2);
            prop_assert!(loaded.records.iter().all(|record| record.ended >= Some(record.began)));
        }
    }
}
