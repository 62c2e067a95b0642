//! Reading files and detecting their changes.
//!
//! Their content is compared, not their times and sizes: the files are small, clocks of file
//! systems tick slowly, and a renewed certificate may keep both.

use std::{
    io,
    path::{Path, PathBuf},
};

use ring::digest;

/// The maximum size of a file; certificates take kilobytes.
const MAX_SIZE: u64 = 1_000_000;

/// Reads files, and records their content.
pub(crate) struct Files {
    paths: Vec<PathBuf>,
    content: digest::Context,
}

/// The files that were read, with a digest of their content.
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

    /// Reads a file.
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

    /// The files read so far.
    pub(crate) fn seen(self) -> Seen {
        Seen {
            paths: self.paths,
            digest: self.content.finish(),
        }
    }
}

impl Seen {
    /// Whether the files have the same content now.
    pub(crate) fn holds(&self) -> bool {
        let mut files = Files::new();
        for path in &self.paths {
            // An error is part of the content.
            let _ = files.read(path);
        }
        files.seen().digest.as_ref() == self.digest.as_ref()
    }
}
