//! The artifacts of a release.

use super::release::PACKAGE;
use super::target::{self, System, Target};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Artifact {
    /// The binary with documents, manual page and completions.
    Archive(Target),
    Deb(Target),
    Rpm(Target),
    /// A container image for these platforms.
    Image(&'static [Target]),
    /// The software bill of materials of the binaries.
    Sbom,
}

/// Returns all artifacts.
pub(super) fn all() -> Vec<Artifact> {
    let mut all: Vec<_> = target::ALL.map(Artifact::Archive).into();
    all.extend(target::LINUX.map(Artifact::Deb));
    all.extend(target::LINUX.map(Artifact::Rpm));
    all.extend([Artifact::Image(&target::LINUX), Artifact::Sbom]);
    all
}

/// The artifacts for end-to-end scenarios on `x86_64`. The others would take as long again.
pub(super) const BRIEF: [Artifact; 3] = [
    Artifact::Archive(target::LINUX[0]),
    Artifact::Deb(target::LINUX[0]),
    Artifact::Image(&[target::LINUX[0]]),
];

/// Parses a word of the command line.
pub(super) fn word(word: &str) -> Result<String, String> {
    if all().iter().any(|one| one.matches(word)) {
        return Ok(word.to_owned());
    }
    let names: Vec<_> = all().into_iter().map(Artifact::name).collect();
    Err(format!("there are {}", names.join(", ")))
}

impl Artifact {
    /// Returns the name on the command line.
    pub(super) fn name(self) -> String {
        match self {
            Self::Archive(target) => target.name(),
            Self::Deb(target) => format!("deb-{}", target.machine.name()),
            Self::Rpm(target) => format!("rpm-{}", target.machine.name()),
            Self::Image(_) => "image".to_owned(),
            Self::Sbom => "sbom".to_owned(),
        }
    }

    /// Returns whether `word` selects it: the name, or its part before the architecture.
    pub(super) fn matches(self, word: &str) -> bool {
        let name = self.name();
        name == word || name.split_once('-').is_some_and(|(kind, _)| kind == word)
    }

    /// Returns the file name.
    pub(super) fn file(self, version: &str) -> String {
        match self {
            Self::Archive(target) => {
                let extension = match target.system {
                    System::Windows => "zip",
                    System::Linux | System::MacOs => "tar.gz",
                };
                format!("{}.{extension}", folder(target, version))
            }
            // In the naming schemes of the two systems, with package revision 1.
            Self::Deb(target) => format!("{PACKAGE}_{version}-1_{}.deb", target.machine.short()),
            Self::Rpm(target) => format!("{PACKAGE}-{version}-1.{}.rpm", target.machine.name()),
            Self::Image(_) => format!("{PACKAGE}-{version}-image.tar"),
            Self::Sbom => format!("{PACKAGE}-{version}.cdx.json"),
        }
    }
}

/// Returns the top-level folder of an archive.
pub(super) fn folder(target: Target, version: &str) -> String {
    format!("{PACKAGE}-{version}-{}", target.name())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The document on installing.
    const INSTALLING: &str = include_str!("../../../docs/install.md");

    #[test]
    fn every_artifact_is_documented() {
        for artifact in all() {
            let file = artifact.file("VERSION");
            // For the second architecture, the document has only the end of the file name.
            let named = (0..file.len())
                .filter_map(|start| file.get(start..))
                .filter(|end| end.starts_with(['_', '-', '.']) && end.contains('6'))
                .any(|end| INSTALLING.contains(&format!("`{end}`")));
            assert!(named || INSTALLING.contains(&file), "{file}");
        }
    }

    #[test]
    fn every_documented_artifact_is_built() {
        let files = all().into_iter().map(|one| one.file("VERSION"));
        let folders = target::ALL.map(|target| folder(target, "VERSION"));
        let made: BTreeSet<String> = files.chain(folders).collect();
        let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let names: Vec<_> = INSTALLING
            .split(|c| !is_of_a_name(c))
            .filter(|word| word.starts_with(PACKAGE) && word.contains("VERSION"))
            .collect();
        assert!(names.len() > 10, "{names:?}");
        for name in names {
            assert!(made.contains(name), "{name}");
        }
    }

    #[test]
    fn names_and_kinds_select_artifacts() {
        let selected_by = |word: &str| -> Vec<String> {
            let meant = all().into_iter().filter(|one| one.matches(word));
            meant.map(Artifact::name).collect()
        };
        assert_eq!(selected_by("linux"), ["linux-x86_64", "linux-aarch64"]);
        assert_eq!(selected_by("deb-aarch64"), ["deb-aarch64"]);
        assert_eq!(selected_by("sbom"), ["sbom"]);
        assert!(selected_by("x86_64").is_empty());
        assert!(selected_by("").is_empty());
    }
}
