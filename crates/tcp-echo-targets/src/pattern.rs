//! Patterns of targets files.

use std::{
    fmt,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    str::FromStr,
};

use glob::{MatchOptions, Pattern};

/// A targets file, or all files of a directory that match a pattern.
///
/// In the last part of the path `*` stands for any characters, `?` for one, and beside
/// them `[a-z]` for one of these; a dot at the beginning is matched by a dot alone, so
/// that hidden files are left out. A path without `*` and `?` is one file.
///
/// ```
/// use tcp_echo_targets::FilePattern;
///
/// let one: FilePattern = "targets.yml".parse()?;
/// assert!(!one.is_glob());
/// let all: FilePattern = "/etc/targets/*.json".parse()?;
/// assert!(all.is_glob());
/// assert_eq!(
///     "/etc/*/targets.json".parse::<FilePattern>().unwrap_err().to_string(),
///     "'*' and '?' go in the last part of the path alone, as in /etc/targets/*.json"
/// );
/// # Ok::<(), tcp_echo_targets::FilePatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePattern {
    path: PathBuf,
    name: Option<Pattern>,
}

/// Why a path is no [`FilePattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilePatternError {
    /// The path is empty.
    #[error("the path of a file is missing")]
    Empty,
    /// A pattern in the path of the directory.
    #[error("'*' and '?' go in the last part of the path alone, as in /etc/targets/*.json")]
    Directory,
    /// The pattern breaks the rules of patterns.
    #[error("not a pattern of file names: {0}")]
    Pattern(&'static str),
    /// The pattern is no text.
    #[error("a pattern of file names must be UTF-8")]
    NotUtf8,
}

/// As a shell matches names, but for letters, whose case counts everywhere.
const RULES: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

impl FilePattern {
    /// Parses a path as a pattern.
    ///
    /// # Errors
    /// [`FilePatternError`].
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, FilePatternError> {
        let path = path.into();
        if path.as_os_str().is_empty() {
            return Err(FilePatternError::Empty);
        }
        let has_pattern = |path: &Path| path.as_os_str().to_string_lossy().contains(['*', '?']);
        if path.parent().is_some_and(has_pattern) {
            return Err(FilePatternError::Directory);
        }
        let name = match path.file_name() {
            Some(name) if has_pattern(Path::new(name)) => {
                let name = name.to_str().ok_or(FilePatternError::NotUtf8)?;
                let name = Pattern::new(name);
                Some(name.map_err(|error| FilePatternError::Pattern(error.msg))?)
            }
            _ => None,
        };
        Ok(Self { path, name })
    }

    /// The path as written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a pattern, which may match any number of files.
    pub const fn is_glob(&self) -> bool {
        self.name.is_some()
    }

    /// The files that match now, sorted by name. A file that is named by its path always does.
    pub(crate) fn files(&self) -> io::Result<Vec<PathBuf>> {
        let Some(pattern) = &self.name else {
            return Ok(vec![self.path.clone()]);
        };
        let directory = self.path.parent().unwrap_or(Path::new(""));
        let here = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            directory
        };
        let entries = match std::fs::read_dir(here) {
            // The directory may be created later.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            entries => entries?,
        };
        let mut files = vec![];
        for entry in entries {
            let name = entry?.file_name();
            let matches = |name: &str| pattern.matches_with(name, RULES);
            let path = directory.join(&name);
            if name.to_str().is_some_and(matches) && !path.is_dir() {
                files.push(path);
            }
        }
        files.sort_unstable();
        Ok(files)
    }
}

impl FromStr for FilePattern {
    type Err = FilePatternError;

    fn from_str(text: &str) -> Result<Self, FilePatternError> {
        Self::new(text)
    }
}

/// As it was written.
impl fmt::Display for FilePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_one_file_and_what_is_a_pattern() {
        for (path, is_glob) in [
            ("targets.yml", false),
            ("targets[eu].yml", false),
            ("/", false),
            ("..", false),
            ("*", true),
            ("dir[1]/*.json", true),
            ("dir/t?.[jy]*", true),
        ] {
            let pattern: FilePattern = path.parse().unwrap();
            assert_eq!(pattern.is_glob(), is_glob, "{path}");
            assert_eq!(pattern.to_string(), path);
        }
        for (path, error) in [
            ("", FilePatternError::Empty),
            ("*/a.json", FilePatternError::Directory),
            ("/a?/b/*.json", FilePatternError::Directory),
        ] {
            assert_eq!(path.parse::<FilePattern>(), Err(error), "{path}");
        }
        for path in ["**.json", "a[*.json"] {
            let error = path.parse::<FilePattern>().unwrap_err();
            assert!(matches!(error, FilePatternError::Pattern(_)), "{path}");
        }
    }

    #[test]
    fn a_pattern_matches_files_of_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["b.json", "a.json", ".a.json", "a.yml", "a.json.swp"] {
            fs::write(at(name), "[]").unwrap();
        }
        fs::create_dir(at("c.json")).unwrap();
        let files = |pattern: &str| {
            let pattern = FilePattern::new(at(pattern)).unwrap();
            let files = pattern.files().unwrap().into_iter();
            let names = files.map(|file| file.strip_prefix(directory.path()).unwrap().to_owned());
            let names = names.map(|name| name.to_str().unwrap().to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(files("*.json"), ["a.json", "b.json"]);
        assert_eq!(files("?.[jy]*[ln]"), ["a.json", "a.yml", "b.json"]);
        assert_eq!(files("*.conf"), [] as [String; 0]);
        assert_eq!(files("c.json/*"), [] as [String; 0]);
        assert_eq!(files("none/*.json"), [] as [String; 0]);
        assert_eq!(files("none.json"), ["none.json"]);
    }
}
