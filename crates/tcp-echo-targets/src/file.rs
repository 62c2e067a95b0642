//! Reading a targets file.

use std::{
    fs::Metadata,
    path::Path,
    time::{Duration, SystemTime},
};

use tcp_echo_file::Content;

use crate::ReadError;

/// The largest targets file; room for some hundred thousand targets.
pub(crate) const MAX_SIZE: u64 = 10_000_000;

/// A file that changed this recently may change again with the same timestamp: file systems
/// tick in milliseconds, or old ones in two seconds.
const TICK: Duration = Duration::from_secs(3);

/// Identifies a state of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    len: u64,
    changed: SystemTime,
    identity: [u64; 2],
    settled: bool,
}

impl Fingerprint {
    /// Whether the file at `path` surely has not changed. Links are followed.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        let now = std::fs::metadata(path).and_then(|metadata| Self::of(&metadata));
        self.settled
            && now.is_ok_and(|now| {
                Self {
                    settled: true,
                    ..now
                } == *self
            })
    }

    fn of(metadata: &Metadata) -> std::io::Result<Self> {
        let changed = changed(metadata)?;
        let age = SystemTime::now().duration_since(changed);
        Ok(Self {
            len: metadata.len(),
            changed,
            identity: identity(metadata),
            settled: age.is_ok_and(|age| age > TICK),
        })
    }
}

/// The time of the last change of content or metadata.
#[cfg(unix)]
fn changed(metadata: &Metadata) -> std::io::Result<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    // Unlike the modification time, the change time can't be set by hand.
    let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
    let nanos = u64::try_from(metadata.ctime_nsec()).unwrap_or(0);
    let since = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos));
    let changed = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    changed.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

#[cfg(not(unix))]
fn changed(metadata: &Metadata) -> std::io::Result<SystemTime> {
    metadata.modified()
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> [u64; 2] {
    use std::os::unix::fs::MetadataExt;
    [metadata.dev(), metadata.ino()]
}

#[cfg(not(unix))]
fn identity(metadata: &Metadata) -> [u64; 2] {
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
    let created = metadata.created().ok().and_then(since);
    let created = created.map_or(0, |created| created.as_nanos());
    [0, u64::try_from(created).unwrap_or(0)]
}

/// Reads the file at `path`. Returns its text and its state.
pub(crate) fn read(path: &Path) -> Result<(String, Fingerprint), ReadError> {
    let Content { bytes, metadata } = tcp_echo_file::read(path, MAX_SIZE)?;
    let fingerprint = Fingerprint::of(&metadata)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, fingerprint)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let bytes = error.as_bytes().iter().take(valid);
            let line = bytes.filter(|byte| **byte == b'\n').count() + 1;
            Err(ReadError::NotUtf8 { line })
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_young_file_is_never_taken_for_settled() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("targets");
        std::fs::write(&path, "[]").unwrap();
        let (_, fingerprint) = read(&path).unwrap();
        assert!(!fingerprint.holds(&path));
        let settled = Fingerprint {
            settled: true,
            ..fingerprint
        };
        assert!(settled.holds(&path));
        // The same size and time of modification, and yet another.
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        while settled.holds(&path) {
            std::fs::write(&path, "[ ").unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(modified).unwrap();
        }
    }
}
