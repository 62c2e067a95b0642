//! Reads the files that a configuration names.
//!
//! What stands at a path may be anything, and may be replaced at any time. [`read`] reads
//! regular files only and up to a size, so neither a FIFO without a writer nor a device
//! without an end stops the program.
//!
//! ```
//! use tcp_echo_file::{ReadError, read};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("web.yml");
//! std::fs::write(&path, "{}")?;
//! assert_eq!(read(&path, 1_000_000)?.bytes, b"{}");
//! assert!(matches!(read(&path, 1), Err(ReadError::TooLarge { .. })));
//! assert!(matches!(read(directory.path(), 1), Err(ReadError::NotAFile("a directory"))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::{
    fs::{File, FileType, Metadata, OpenOptions},
    io::{self, Read as _},
    path::Path,
};

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Content {
    /// All of it.
    pub bytes: Vec<u8>,
    /// What the system said of it before the first byte was read.
    pub metadata: Metadata,
}

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no regular file, but what this says: `a FIFO`, `a directory`.
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    /// It is too large.
    #[error("it is larger than {}", size(*max_size))]
    TooLarge {
        /// The largest size that is read, in bytes.
        max_size: u64,
    },
}

fn size(bytes: u64) -> String {
    if bytes >= 1_000_000 {
        format!("{} MB", bytes / 1_000_000)
    } else {
        format!("{bytes} bytes")
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error,
            other => Self::other(other),
        }
    }
}

/// The content of the regular file at `path`, of at most `max_size` bytes. Links are
/// followed. It blocks for as long as the file system does.
///
/// # Errors
/// [`ReadError`]. A FIFO, a device and the like are refused without being waited for,
/// also where one takes the file's place at this very moment.
pub fn read(path: &Path, max_size: u64) -> Result<Content, ReadError> {
    // Before it is opened, since that alone does something to a FIFO or a tape; and
    // after, since it may have been replaced in between.
    check(&std::fs::metadata(path)?, max_size)?;
    let file = open(path)?;
    let metadata = file.metadata()?;
    check(&metadata, max_size)?;
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // It may grow while it is read, and some files of the system tell no size.
    file.take(max_size.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_size {
        return Err(ReadError::TooLarge { max_size });
    }
    Ok(Content { bytes, metadata })
}

fn check(metadata: &Metadata, max_size: u64) -> Result<(), ReadError> {
    if !metadata.is_file() {
        return Err(ReadError::NotAFile(kind(metadata.file_type())));
    }
    if metadata.len() > max_size {
        return Err(ReadError::TooLarge { max_size });
    }
    Ok(())
}

#[cfg(unix)]
fn kind(file: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    match file {
        _ if file.is_dir() => "a directory",
        _ if file.is_fifo() => "a FIFO",
        _ if file.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn kind(file: FileType) -> &'static str {
    if file.is_dir() {
        "a directory"
    } else {
        "a device"
    }
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Opening a FIFO would wait for its writer, and reading some files for an event.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The error of reading `path`, as text.
    fn refused(path: &Path) -> String {
        read(path, 10).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let made = Command::new("mkfifo").arg(at("fifo")).status();
        assert!(made.unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink(at("fifo"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
        assert_eq!(refused(&at("fifo")), "it is a FIFO, not a file");
        assert_eq!(refused(&at("link")), "it is a FIFO, not a file");
        assert_eq!(refused(&at("socket")), "it is a socket, not a file");
        assert_eq!(refused(directory.path()), "it is a directory, not a file");
        for device in ["/dev/zero", "/dev/null", "/dev/tty"] {
            assert_eq!(refused(Path::new(device)), "it is a device, not a file");
        }
        assert!(matches!(read(&at("none"), 10), Err(ReadError::Io(_))));
        assert!(matches!(read(&at("loop"), 10), Err(ReadError::Io(_))));
    }

    #[test]
    fn a_fifo_that_takes_the_place_of_a_file_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let opened = open(&path).unwrap().metadata().unwrap();
        let checked = check(&opened, 10);
        assert!(matches!(checked, Err(ReadError::NotAFile("a FIFO"))));
    }

    #[test]
    fn a_size_is_the_most_whatever_the_system_says_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, [b'x'; 10]).unwrap();
        assert_eq!(read(&path, 10).unwrap().bytes, [b'x'; 10]);
        std::fs::write(&path, [b'x'; 11]).unwrap();
        assert_eq!(refused(&path), "it is larger than 10 bytes");
        let sparse = File::create(&path).unwrap();
        sparse.set_len(1 << 40).unwrap();
        let too_large = read(&path, 1_000_000).unwrap_err();
        assert_eq!(too_large.to_string(), "it is larger than 1 MB");
        if cfg!(target_os = "linux") {
            // It says that it is empty.
            assert_eq!(
                refused(Path::new("/proc/version")),
                "it is larger than 10 bytes"
            );
        }
    }
}
