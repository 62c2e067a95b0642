//! Files of /proc about this process. They stay open, so that they can be read even when the
//! process has no file descriptor left.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    sync::{Mutex, PoisonError},
};

use rustix::fs::Dir;

use super::stat::{self, Stat};

/// More than the one line of /proc/self/stat.
const MAX_STAT_LEN: usize = 4096;

/// The open files, and values that never change. A file that could not be opened is `None`.
#[derive(Debug)]
pub(super) struct ProcFiles {
    stat: Option<File>,
    fds: Option<Mutex<Dir>>,
    boot_time: Option<u64>,
}

impl Default for ProcFiles {
    fn default() -> Self {
        let fds = File::open("/proc/self/fd").ok();
        Self {
            stat: File::open("/proc/self/stat").ok(),
            fds: fds.and_then(|fds| Dir::new(fds).ok()).map(Mutex::new),
            boot_time: fs::read_to_string("/proc/stat")
                .ok()
                .and_then(|text| stat::boot_time(&text)),
        }
    }
}

impl ProcFiles {
    /// Reads the process's times and sizes.
    pub(super) fn stat(&self) -> Option<Stat> {
        let mut line = [0; MAX_STAT_LEN];
        // A read at offset 0 has the kernel generate the contents again.
        let len = self.stat.as_ref()?.read_at(&mut line, 0).ok()?;
        Stat::parse(&line[..len])
    }

    /// Returns when the system booted, in Unix seconds.
    pub(super) fn boot_time(&self) -> Option<u64> {
        self.boot_time
    }

    /// Counts the open file descriptors.
    pub(super) fn open_fds(&self) -> Option<u64> {
        let fds = self.fds.as_ref()?;
        let mut fds = fds.lock().unwrap_or_else(PoisonError::into_inner);
        // Since Linux 6.2 the size of the directory is the count; before that it is 0.
        match fds.stat().ok()?.st_size {
            0 => count_entries(&mut fds),
            open => u64::try_from(open).ok(),
        }
    }
}

/// Counts the entries of a directory, without itself and its parent.
fn count_entries(directory: &mut Dir) -> Option<u64> {
    directory.rewind();
    let mut entries = 0;
    for entry in directory {
        entry.ok()?;
        entries += 1;
    }
    u64::checked_sub(entries, 2)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn every_read_is_up_to_date() {
        let files = ProcFiles::default();
        let ticks = || files.stat().map(|stat| stat.cpu).unwrap();
        let (before, start) = (ticks(), Instant::now());
        while ticks() == before {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "{before} for ever"
            );
        }
    }

    #[test]
    fn entries_are_counted_each_time() {
        let folder = std::env::temp_dir().join(format!("entries-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let mut directory = Dir::new(File::open(&folder).unwrap()).unwrap();
        let counts = [0, 1, 2].map(|name| {
            let counts = count_entries(&mut directory);
            fs::write(folder.join(name.to_string()), "").unwrap();
            counts
        });
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(counts, [Some(0), Some(1), Some(2)]);
    }
}
