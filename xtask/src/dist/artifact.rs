//! What a release consists of.

use super::release::{PACKAGE, Release};
use super::target::{self, Machine, System, Target};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Artifact {
    /// The binary and what goes with it.
    Archive(Target),
    Deb(Machine),
    Rpm(Machine),
    /// A container image for both machines.
    Image,
    /// What the binaries are made of.
    Bill,
}

/// All of them.
pub(super) fn all() -> Vec<Artifact> {
    let machines = [Machine::X86, Machine::Arm];
    let mut all: Vec<_> = target::ALL.map(Artifact::Archive).into();
    all.extend(machines.map(Artifact::Deb));
    all.extend(machines.map(Artifact::Rpm));
    all.extend([Artifact::Image, Artifact::Bill]);
    all
}

/// Those that end-to-end scenarios run on the machine that most have: the others take as
/// long again.
pub(super) const BRIEF: [Artifact; 3] = [
    Artifact::Archive(target::LINUX[0]),
    Artifact::Deb(Machine::X86),
    Artifact::Image,
];

impl Artifact {
    /// What it is asked for by.
    pub(super) fn name(self) -> String {
        match self {
            Self::Archive(target) => target.name(),
            Self::Deb(machine) => format!("deb-{}", machine.name()),
            Self::Rpm(machine) => format!("rpm-{}", machine.name()),
            Self::Image => "image".to_owned(),
            Self::Bill => "sbom".to_owned(),
        }
    }

    /// Whether `word` asks for it: its name, or what comes before the machine in that.
    pub(super) fn is_meant_by(self, word: &str) -> bool {
        let name = self.name();
        name == word || name.split_once('-').is_some_and(|(kind, _)| kind == word)
    }

    /// What its file is called.
    pub(super) fn file(self, release: &Release) -> String {
        let version = &release.version;
        match self {
            Self::Archive(target) => format!("{}.{}", self.folder(release), extension(target)),
            // As the two systems name packages: with the package's own revision, 1.
            Self::Deb(machine) => format!("{PACKAGE}_{version}-1_{}.deb", machine.short()),
            Self::Rpm(machine) => format!("{PACKAGE}-{version}-1.{}.rpm", machine.name()),
            Self::Image => format!("{PACKAGE}-{version}-image.tar"),
            Self::Bill => format!("{PACKAGE}-{version}.cdx.json"),
        }
    }

    /// The one folder in an archive.
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

    /// What people read before they choose one.
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
    fn every_one_is_in_the_document_on_installing() {
        let release = of_version("VERSION");
        for artifact in all() {
            let file = artifact.file(&release);
            // The second of two machines is named by the end of its file's name.
            let named = (0..file.len())
                .filter_map(|start| file.get(start..))
                .filter(|end| end.starts_with(['_', '-', '.']) && end.contains('6'))
                .any(|end| INSTALLING.contains(&format!("`{end}`")));
            assert!(named || INSTALLING.contains(&file), "{file}");
        }
    }

    #[test]
    fn what_that_document_names_is_made() {
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

    fn meant_by(word: &str) -> Vec<String> {
        let meant = all().into_iter().filter(|one| one.is_meant_by(word));
        meant.map(Artifact::name).collect()
    }

    #[test]
    fn names_and_kinds_are_words() {
        assert_eq!(meant_by("linux"), ["linux-x86_64", "linux-aarch64"]);
        assert_eq!(meant_by("deb-aarch64"), ["deb-aarch64"]);
        assert_eq!(meant_by("sbom"), ["sbom"]);
        assert!(meant_by("x86_64").is_empty());
        assert!(meant_by("").is_empty());
    }

    #[test]
    fn names_differ() {
        let names: BTreeSet<_> = all().into_iter().map(Artifact::name).collect();
        assert_eq!(names.len(), all().len());
    }
}
