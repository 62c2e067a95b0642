//! Reproducible archives: sorted, with a single modification time, no owners, and two modes.

use std::collections::BTreeSet;
use std::io::{Cursor, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use flate2::{Compression, GzBuilder};
use tar::{EntryType, Header};
use time::OffsetDateTime;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

/// A file in an archive.
#[derive(Clone)]
pub(crate) struct Entry {
    /// The path in the archive, with slashes.
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) executable: bool,
}

impl Entry {
    pub(crate) fn new(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            bytes: bytes.into(),
            executable: false,
        }
    }

    pub(crate) fn executable(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            executable: true,
            ..Self::new(path, bytes)
        }
    }

    fn mode(&self) -> u32 {
        if self.executable { 0o755 } else { 0o644 }
    }
}

/// Creates a tar archive with entries for the folders; everything is owned by root.
pub(crate) fn tar(entries: &[Entry], time: OffsetDateTime) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = Header::new_ustar();
    header.set_mtime(time.unix_timestamp().try_into()?);
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    for folder in folders(entries) {
        let mut header = header.clone();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        archive.append_data(&mut header, folder, &[][..])?;
    }
    for entry in sorted(entries)? {
        let mut header = header.clone();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(entry.mode());
        header.set_size(entry.bytes.len().try_into()?);
        archive.append_data(&mut header, &entry.path, &*entry.bytes)?;
    }
    Ok(archive.into_inner()?)
}

/// Compresses without a name and a time in the header.
pub(crate) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = GzBuilder::new().write(Vec::new(), Compression::best());
    stream.write_all(bytes)?;
    Ok(stream.finish()?)
}

pub(crate) fn zip(entries: &[Entry], time: OffsetDateTime) -> Result<Vec<u8>> {
    let year = time
        .year()
        .try_into()
        .context("a year that zip can't represent")?;
    let time = DateTime::from_date_and_time(
        year,
        time.month().into(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
    )?;
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for entry in sorted(entries)? {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(time)
            // Otherwise, on Windows, the archive would name that system.
            .system(System::Unix)
            .unix_permissions(entry.mode());
        archive.start_file(entry.path.as_str(), options)?;
        archive.write_all(&entry.bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

fn sorted(entries: &[Entry]) -> Result<Vec<&Entry>> {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by_key(|entry| &entry.path);
    for pair in sorted.windows(2) {
        ensure!(
            pair[0].path != pair[1].path,
            "duplicate entry {}",
            pair[0].path
        );
    }
    Ok(sorted)
}

/// Returns the parent folders of the files, each before its contents, with a trailing slash.
fn folders(entries: &[Entry]) -> BTreeSet<String> {
    entries
        .iter()
        .flat_map(|entry| Path::new(&entry.path).ancestors().skip(1))
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| format!("{}/", folder.display()).replace('\\', "/"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const TIME: i64 = 1_700_000_001;

    fn time() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(TIME).unwrap()
    }

    fn entries() -> Vec<Entry> {
        vec![
            Entry::new("x/b/text", "text"),
            Entry::executable("x/a", vec![7; 100_000]),
        ]
    }

    #[test]
    fn a_tar_has_one_time_no_owners_and_two_modes() {
        let bytes = tar(&entries(), time()).unwrap();
        let mut archive = tar::Archive::new(&*bytes);
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header().clone();
            assert_eq!(header.mtime().unwrap(), 1_700_000_001);
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let path = entry.path().unwrap().display().to_string();
            found.push((path, header.mode().unwrap(), content.len()));
        }
        let expected = [
            ("x/", 0o755, 0),
            ("x/b/", 0o755, 0),
            ("x/a", 0o755, 100_000),
            ("x/b/text", 0o644, 4),
        ];
        assert_eq!(
            found,
            expected.map(|(path, mode, size)| (path.to_owned(), mode, size))
        );
    }

    #[test]
    fn a_zip_can_be_read() {
        let bytes = zip(&entries(), time()).unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
        let names: Vec<_> = archive.file_names().map(Result::unwrap).collect();
        assert_eq!(names, ["x/a", "x/b/text"]);
        let mut file = archive.by_name("x/b/text").unwrap();
        assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(0o644));
        // The format has a resolution of two seconds.
        let time = file.last_modified().unwrap().to_string();
        assert_eq!(time, "2023-11-14 22:13:20");
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
    }

    #[test]
    fn the_order_of_files_does_not_matter() {
        let (there, mut back) = (entries(), entries());
        back.reverse();
        assert_eq!(tar(&there, time()).unwrap(), tar(&back, time()).unwrap());
        assert_eq!(zip(&there, time()).unwrap(), zip(&back, time()).unwrap());
    }

    #[test]
    fn duplicate_paths_are_rejected() {
        let twice = [Entry::new("a", "1"), Entry::new("a", "2")];
        assert!(tar(&twice, time()).is_err());
        assert!(zip(&twice, time()).is_err());
    }

    #[test]
    fn gzip_has_no_time() {
        let bytes = gzip(b"text").unwrap();
        assert_eq!(bytes[4..8], [0; 4]);
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*bytes)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "text");
    }
}
