//! Reading files, and telling whether they still are as they were read.
//!
//! Their content is compared, not their times and sizes: they are small, clocks of file
//! systems tick slowly, and what renews certificates may keep both.

use std::{
    io,
    path::{Path, PathBuf},
};

use ring::digest;

/// The largest file that is read; certificates take kilobytes.
const MAX_SIZE: u64 = 1_000_000;

/// Reads files, and notes what was read.
pub(crate) struct Files {
    paths: Vec<PathBuf>,
    content: digest::Context,
}

/// Which files were read, and what was in them.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    paths: Vec<PathBuf>,
    digest: digest::Digest,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self {
            paths: Vec::new(),
            content: digest::Context::new(&digest::SHA256),
        }
    }

    /// The content of a file.
    pub(crate) fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let read = tcp_echo_file::read(path, MAX_SIZE).map(|content| content.bytes);
        match &read {
            Ok(bytes) => {
                self.content.update(&(bytes.len() as u64).to_le_bytes());
                self.content.update(bytes);
            }
            Err(error) => {
                self.content.update(&u64::MAX.to_le_bytes());
                self.content.update(error.to_string().as_bytes());
            }
        }
        self.paths.push(path.to_owned());
        Ok(read?)
    }

    /// What was read so far.
    pub(crate) fn seen(self) -> Seen {
        Seen {
            paths: self.paths,
            digest: self.content.finish(),
        }
    }
}

impl Seen {
    /// Whether reading the same files finds the same.
    pub(crate) fn holds(&self) -> bool {
        let mut files = Files::new();
        for path in &self.paths {
            // That it can't be read is noted too.
            let _ = files.read(path);
        }
        files.seen().digest.as_ref() == self.digest.as_ref()
    }
}
