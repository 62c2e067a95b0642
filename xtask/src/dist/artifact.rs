//! The artifacts of a release.

use super::release::{PACKAGE, Release};
use super::target::{self, Machine, System, Target};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Artifact {
    /// The binary with documents, manual page and completions.
    Archive(Target),
    Deb(Machine),
    Rpm(Machine),
    /// A container image for both architectures.
    Image,
    /// The software bill of materials of the binaries.
    Sbom,
}

/// Returns all artifacts.
pub(super) fn all() -> Vec<Artifact> {
    let machines = [Machine::X86, Machine::Arm];
    let mut all: Vec<_> = target::ALL.map(Artifact::Archive).into();
    all.extend(machines.map(Artifact::Deb));
    all.extend(machines.map(Artifact::Rpm));
    all.extend([Artifact::Image, Artifact::Sbom]);
    all
}

/// Parses a word of the command line.
pub(super) fn word(word: &str) -> Result<String, String> {
    if all().iter().any(|one| one.matches(word)) {
        return Ok(word.to_owned());
    }
    let names: Vec<_> = all().into_iter().map(Artifact::name).collect();
    Err(format!("there are {}", names.join(", ")))
}

/// Returns the artifacts for end-to-end scenarios on `x86_64`. The others would take as long again.
pub(super) const BRIEF: [Artifact; 3] = [
    Artifact::Archive(target::LINUX[0]),
    Artifact::Deb(Machine::X86),
    Artifact::Image,
];

impl Artifact {
    /// Returns the name on the command line.
    pub(super) fn name(self) -> String {
        match self {
            Self::Archive(target) => target.name(),
            Self::Deb(machine) => format!("deb-{}", machine.name()),
            Self::Rpm(machine) => format!("rpm-{}", machine.name()),
            Self::Image => "image".to_owned(),
            Self::Sbom => "sbom".to_owned(),
        }
    }

    /// Returns whether `word` selects it: the name, or its part before the architecture.
    pub(super) fn matches(self, word: &str) -> bool {
        let name = self.name();
        name == word || name.split_once('-').is_some_and(|(kind, _)| kind == word)
    }

    /// Returns the file name.
    pub(super) fn file(self, release: &Release) -> String {
        let version = &release.version;
        match self {
            Self::Archive(target) => format!("{}.{}", self.folder(release), extension(target)),
            // In the naming schemes of the two systems, with package revision 1.
            Self::Deb(machine) => format!("{PACKAGE}_{version}-1_{}.deb", machine.short()),
            Self::Rpm(machine) => format!("{PACKAGE}-{version}-1.{}.rpm", machine.name()),
            Self::Image => format!("{PACKAGE}-{version}-image.tar"),
            Self::Sbom => format!("{PACKAGE}-{version}.cdx.json"),
        }
    }

    /// Returns the top-level folder of an archive.
    pub(super) fn folder(self, release: &Release) -> String {
        format!("{PACKAGE}-{}-{}", release.version, self.name())
    }
}

fn extension(target: Target) -> &'static str {
    match target.system {
        System::Windows => "zip",
        System::Linux | System::MacOs => "tar.gz",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use time::OffsetDateTime;

    use super::*;

    /// The document on installing.
    const INSTALLING: &str = include_str!("../../../docs/install.md");

    fn of_version(version: &str) -> Release {
        Release {
            version: version.to_owned(),
            revision: String::new(),
            time: OffsetDateTime::UNIX_EPOCH,
            out: PathBuf::new(),
            work: PathBuf::new(),
        }
    }

    #[test]
    fn every_artifact_is_documented() {
        let release = of_version("VERSION");
        for artifact in all() {
            let file = artifact.file(&release);
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
        let release = of_version("VERSION");
        let made: BTreeSet<String> = all()
            .into_iter()
            .flat_map(|one| [one.file(&release), one.folder(&release)])
            .collect();
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

    fn selected_by(word: &str) -> Vec<String> {
        let meant = all().into_iter().filter(|one| one.matches(word));
        meant.map(Artifact::name).collect()
    }

    #[test]
    fn names_and_kinds_select_artifacts() {
        assert_eq!(selected_by("linux"), ["linux-x86_64", "linux-aarch64"]);
        assert_eq!(selected_by("deb-aarch64"), ["deb-aarch64"]);
        assert_eq!(selected_by("sbom"), ["sbom"]);
        assert!(selected_by("x86_64").is_empty());
        assert!(selected_by("").is_empty());
    }

    #[test]
    fn names_differ() {
        let names: BTreeSet<_> = all().into_iter().map(Artifact::name).collect();
        assert_eq!(names.len(), all().len());
    }
}
