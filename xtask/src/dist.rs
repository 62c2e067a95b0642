//! `cargo xtask dist`: builds the artifacts of a release.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;

use testkit::report::{Outcome, Report};
use testkit::skip::skip;

pub(crate) mod archive;
mod artifact;
mod build;
mod digest;
mod files;
mod frameworks;
mod image;
mod packages;
mod release;
mod sbom;
mod target;

use archive::{Entry, gzip, tar, zip};
use artifact::Artifact;
use release::{BRIEF, PACKAGE, Release, folder};
use target::{System, Target};

const DESCRIPTION: &str =
    "Measure TCP latency and loss between hosts, continuously, for Prometheus";
const LICENCE: &str = "MIT OR Apache-2.0";
/// The name in a larger report.
pub(crate) const NAME: &str = "dist";

#[derive(Args)]
pub(crate) struct Options {
    /// The output folder instead of target/dist
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The artifacts; all that this machine can make if none is named. linux, windows, macos, deb and
    /// rpm stand for all machines
    #[arg(value_name = "ARTIFACT", value_parser = artifact::word)]
    words: Vec<String>,
}

/// Builds the artifacts named by the options, or all that can be built on this machine.
pub(crate) fn run(report: &mut Report, options: &Options) {
    match Release::of_this_commit(options.out.as_deref()) {
        Ok(release) => make_all(release, &options.words, report),
        Err(error) => report.add("dist", Err(error).into(), Duration::ZERO),
    }
}

/// Builds the artifacts for the end-to-end scenarios, as part of a larger report. They have a separate
/// folder, since the image is for one architecture only.
pub(crate) fn add_to(report: &mut Report) {
    match Release::of_this_commit(Some(&folder(BRIEF))) {
        Ok(release) => {
            let builder = Builder::new(release, &target::LINUX[..1]);
            make(
                builder,
                artifact::BRIEF.map(|one| (one, false)),
                NAME,
                report,
            );
        }
        Err(error) => report.add(NAME, Err(error).into(), Duration::ZERO),
    }
}

/// Returns clippy commands for each system except Linux, for one architecture, since the code does not
/// depend on it.
pub(crate) fn clippy_for_other_systems() -> Result<Vec<Command>> {
    [target::WINDOWS, target::MACOS[0]]
        .into_iter()
        .map(build::clippy)
        .collect()
}

fn make_all(release: Release, words: &[String], report: &mut Report) {
    if Release::uncommitted().is_some() {
        println!("!!! the artifacts include uncommitted changes");
    }
    let chosen = artifact::all().into_iter().filter_map(|artifact| {
        let named = words.iter().any(|word| artifact.matches(word));
        (named || words.is_empty()).then_some((artifact, named))
    });
    make(Builder::new(release, &target::LINUX), chosen, "", report);
}

/// Builds the artifacts, each with whether it was requested by name. The report lists them with their
/// names, prefixed with `part`.
fn make(
    mut builder: Builder,
    chosen: impl IntoIterator<Item = (Artifact, bool)>,
    part: &str,
    report: &mut Report,
) {
    let entry = |name: &str| match part {
        "" => name.to_owned(),
        part => format!("{part}: {name}"),
    };
    let mut made = Vec::new();
    for (artifact, named) in chosen {
        let name = entry(&artifact.name());
        println!("\n==> {name}");
        let start = Instant::now();
        let outcome = match builder.make(artifact).into() {
            // A requested artifact that can't be built is a failure.
            Outcome::Skipped(why) if named => Outcome::Failed(why),
            outcome => outcome,
        };
        if matches!(outcome, Outcome::Passed) {
            made.push(artifact);
        }
        report.add(&name, outcome, start.elapsed());
    }
    report.step(&entry(digest::SUMS), || {
        fs::create_dir_all(&builder.release.out)?;
        digest::write_sums(&builder.release.out, PACKAGE)?;
        builder.show(&made)
    });
}

/// Parts shared by several artifacts, built once.
struct Builder {
    release: Release,
    /// The platforms of the image.
    platforms: &'static [Target],
    binaries: BTreeMap<Target, std::result::Result<PathBuf, Outcome>>,
    extras: Vec<Entry>,
}

impl Builder {
    fn new(release: Release, platforms: &'static [Target]) -> Self {
        Self {
            release,
            platforms,
            binaries: BTreeMap::new(),
            extras: Vec::new(),
        }
    }

    fn make(&mut self, artifact: Artifact) -> Result<()> {
        let file = self.release.out(&artifact.file(&self.release));
        fs::create_dir_all(&self.release.out)?;
        // The artifact of an earlier run must not remain if the build fails.
        if file.exists() {
            fs::remove_file(&file)?;
        }
        match artifact {
            Artifact::Archive(target) => fs::write(&file, self.archive(artifact, target)?)?,
            Artifact::Deb(machine) => {
                let target = self.packaged(machine)?;
                packages::deb(&self.release, target, &file)?;
            }
            Artifact::Rpm(machine) => {
                let target = self.packaged(machine)?;
                packages::rpm(&self.release, target, &file)?;
            }
            Artifact::Image => fs::write(&file, self.image()?)?,
            Artifact::Sbom => fs::write(&file, self.sbom()?)?,
        }
        ensure!(file.is_file(), "{} was not written", file.display());
        Ok(())
    }

    fn archive(&mut self, artifact: Artifact, target: Target) -> Result<Vec<u8>> {
        let binary = fs::read(self.binary(target)?)?;
        let mut entries = self.extras()?.to_vec();
        entries.push(Entry::executable(
            format!("{PACKAGE}{}", target.exe()),
            binary,
        ));
        let folder = artifact.folder(&self.release);
        for entry in &mut entries {
            entry.path = format!("{folder}/{}", entry.path);
        }
        match target.system {
            System::Windows => zip(&entries, self.release.time),
            System::Linux | System::MacOs => gzip(&tar(&entries, self.release.time)?),
        }
    }

    /// Prepares the files for a package; returns its target.
    fn packaged(&mut self, machine: target::Machine) -> Result<Target> {
        let target = Target {
            system: System::Linux,
            machine,
        };
        let binary = self.binary(target)?;
        let extras = self.extras()?.to_vec();
        files::stage_package(&self.release, target, &binary, &extras)?;
        Ok(target)
    }

    fn image(&mut self) -> Result<Vec<u8>> {
        let mut platforms = Vec::new();
        for &target in self.platforms {
            let binary = fs::read(self.binary(target)?)?;
            let mut files = vec![Entry::executable(format!("usr/bin/{PACKAGE}"), binary)];
            for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
                files.push(Entry::new(format!("licenses/{name}"), release::read(name)?));
            }
            platforms.push(image::Platform {
                architecture: target.machine.short(),
                files,
            });
        }
        let about = image::Metadata {
            name: PACKAGE,
            description: DESCRIPTION,
            version: &self.release.version,
            revision: &self.release.revision,
            licence: LICENCE,
            time: self.release.time,
        };
        image::archive(&about, &platforms)
    }

    fn sbom(&self) -> Result<String> {
        let lock = String::from_utf8(release::read("Cargo.lock")?)?;
        let targets = target::ALL.map(Target::triple);
        sbom::Sbom::of(PACKAGE, &targets, &lock)?.document(self.release.time)
    }

    fn binary(&mut self, target: Target) -> Result<PathBuf> {
        let release = &self.release;
        let built = self.binaries.entry(target).or_insert_with(|| {
            build::build(release, target).map_err(|error| Outcome::from(Err(error)))
        });
        match built {
            Ok(path) => Ok(path.clone()),
            Err(Outcome::Skipped(why)) => skip(why.clone()),
            Err(outcome) => bail!("no binary for {}: {outcome:?}", target.name()),
        }
    }

    fn extras(&mut self) -> Result<&[Entry]> {
        if self.extras.is_empty() {
            // Use a release binary if it runs on this machine; all print the same.
            let own = self.binaries.iter().find(|(target, _)| target.is_host());
            let binary = match own {
                Some((_, Ok(binary))) => binary.clone(),
                _ => files::binary_for_host()?,
            };
            self.extras = files::extra_files(&binary)?;
        }
        Ok(&self.extras)
    }

    /// Prints the sizes of the artifacts and of their binaries.
    fn show(&self, made: &[Artifact]) -> Result<()> {
        println!("    in {}", self.release.out.display());
        for artifact in made {
            let name = artifact.file(&self.release);
            let bytes = fs::metadata(self.release.out(&name))?.len();
            println!("    {bytes:>10} bytes  {name}");
        }
        for (target, built) in &self.binaries {
            if let Ok(path) = built {
                let bytes = fs::metadata(path)?.len();
                let max = build::MAX_BYTES;
                println!(
                    "    {bytes:>10} bytes  the binary for {}, max {max}",
                    target.name()
                );
            }
        }
        Ok(())
    }
}
