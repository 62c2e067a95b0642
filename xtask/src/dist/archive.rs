//! Reproducible archives: sorted, with a single modification time, no owners, and two modes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};
use tar::{EntryType, Header};
use time::OffsetDateTime;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

/// Files by their paths in an archive, with slashes.
pub(crate) type Files = BTreeMap<String, File>;

#[derive(Clone)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    mode: u32,
}

impl File {
    pub(crate) fn plain(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { bytes, mode: 0o644 }
    }

    pub(crate) fn executable(bytes: Vec<u8>) -> Self {
        Self { bytes, mode: 0o755 }
    }
}

/// Creates a tar archive with entries for the folders; everything is owned by root.
pub(crate) fn tar(files: &Files, time: OffsetDateTime) -> Result<Vec<u8>> {
    let mut header = Header::new_ustar();
    header.set_mtime(time.unix_timestamp().try_into()?);
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    let mut archive = tar::Builder::new(Vec::new());
    let mut append = |kind, mode, path: &str, bytes: &[u8]| -> Result<()> {
        let mut header = header.clone();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len().try_into()?);
        Ok(archive.append_data(&mut header, path, bytes)?)
    };
    for folder in folders(files) {
        append(EntryType::Directory, 0o755, &folder, &[])?;
    }
    for (path, file) in files {
        append(EntryType::Regular, file.mode, path, &file.bytes)?;
    }
    Ok(archive.into_inner()?)
}

/// Returns the parent folders of the files, each before its contents, with a trailing slash.
fn folders(files: &Files) -> BTreeSet<String> {
    files
        .keys()
        .flat_map(|path| Path::new(path).ancestors().skip(1))
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| format!("{}/", folder.display()).replace('\\', "/"))
        .collect()
}

/// Compresses without a name and a time in the header.
pub(crate) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = GzBuilder::new().write(Vec::new(), Compression::best());
    stream.write_all(bytes)?;
    Ok(stream.finish()?)
}

pub(crate) fn zip(files: &Files, time: OffsetDateTime) -> Result<Vec<u8>> {
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
    for (path, file) in files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(time)
            // Otherwise, on Windows, the archive would name that system.
            .system(System::Unix)
            .unix_permissions(file.mode);
        archive.start_file(path.as_str(), options)?;
        archive.write_all(&file.bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const TIME: i64 = 1_700_000_001;

    fn time() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(TIME).unwrap()
    }

    fn files() -> Files {
        let (text, binary) = (File::plain("text"), File::executable(vec![7; 100_000]));
        [("x/b/text", text), ("x/a", binary)]
            .map(|(path, file)| (path.to_owned(), file))
            .into()
    }

    #[test]
    fn a_tar_has_one_time_no_owners_and_two_modes() {
        let bytes = tar(&files(), time()).unwrap();
        let mut archive = tar::Archive::new(&*bytes);
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), 1_700_000_001);
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let path = entry.path().unwrap().display().to_string();
            found.push((path, header.mode().unwrap(), entry.size()));
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
        let bytes = zip(&files(), time()).unwrap();
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
}
