//! `cargo xtask dist`: builds the artifacts of a release.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;

use crate::shell::target_dir;
use testkit::report::{Outcome, Report};
use testkit::skip::skip;

pub(crate) mod archive;
mod artifact;
pub(crate) mod build;
mod files;
mod image;
mod packages;
mod release;
mod sbom;
mod target;

use archive::{File, Files, gzip, tar, zip};
use artifact::Artifact;
use release::{PACKAGE, Release, SUMS};
use target::{System, Target};

/// The name in the report.
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
pub(crate) fn run(report: &mut Report, options: Options) {
    if release::is_uncommitted() {
        println!("!!! the artifacts include uncommitted changes");
    }
    let mut artifacts = artifact::all();
    let named = !options.words.is_empty();
    if named {
        artifacts.retain(|one| options.words.iter().any(|word| one.matches(word)));
    }
    let out = options.out.unwrap_or_else(|| target_dir().join("dist"));
    make(report, out, &artifacts, named);
}

/// Builds the artifacts for the end-to-end scenarios. They have a separate folder, since the image is for
/// one architecture only.
pub(crate) fn brief(report: &mut Report) {
    let out = target_dir().join("dist-brief");
    make(report, out, &artifact::BRIEF, false);
}

/// Builds the artifacts. One that is requested by name and can't be built is a failure.
fn make(report: &mut Report, out: PathBuf, artifacts: &[Artifact], named: bool) {
    let mut builder = match Release::of_this_commit(out) {
        Ok(release) => Builder {
            release,
            binaries: BTreeMap::new(),
            beside: None,
        },
        Err(error) => {
            report.step::<()>(NAME, || Err(error));
            return;
        }
    };
    let mut made = Vec::new();
    for &artifact in artifacts {
        made.extend(report.step(&format!("{NAME}: {}", artifact.name()), || {
            let made = builder.make(artifact);
            // No longer a skip.
            made.map_err(|error| if named { anyhow!("{error:#}") } else { error })
        }));
    }
    report.step(&format!("{NAME}: {SUMS}"), || {
        builder.release.write_sums()?;
        builder.show(&made)
    });
}

/// Parts shared by several artifacts, built once.
struct Builder {
    release: Release,
    binaries: BTreeMap<Target, Result<PathBuf, Outcome>>,
    /// The files beside the binary.
    beside: Option<Files>,
}

impl Builder {
    /// Makes an artifact; returns its path.
    fn make(&mut self, artifact: Artifact) -> Result<PathBuf> {
        fs::create_dir_all(&self.release.out)?;
        let file = self.release.out.join(artifact.file(&self.release.version));
        // The artifact of an earlier run must not remain if the build fails.
        if file.exists() {
            fs::remove_file(&file)?;
        }
        match artifact {
            Artifact::Archive(target) => fs::write(&file, self.archive(target)?)?,
            Artifact::Deb(target) => {
                self.stage_package(target)?;
                packages::deb(&self.release, target, &file)?;
            }
            Artifact::Rpm(target) => {
                self.stage_package(target)?;
                packages::rpm(&self.release, target, &file)?;
            }
            Artifact::Image(platforms) => fs::write(&file, self.image(platforms)?)?,
            Artifact::Sbom => fs::write(&file, sbom::document(self.release.time)?)?,
        }
        ensure!(file.is_file(), "{} was not written", file.display());
        Ok(file)
    }

    fn archive(&mut self, target: Target) -> Result<Vec<u8>> {
        let mut files = self.binary_as(target, target.program(PACKAGE))?;
        files.extend(self.beside()?);
        let folder = artifact::folder(target, &self.release.version);
        let in_folder = |(path, file)| (format!("{folder}/{path}"), file);
        let files = files.into_iter().map(in_folder).collect();
        match target.system {
            System::Windows => zip(&files, self.release.time),
            System::Linux | System::MacOs => gzip(&tar(&files, self.release.time)?),
        }
    }

    fn stage_package(&mut self, target: Target) -> Result<()> {
        let binary = self.binary(target)?;
        let beside = self.beside()?;
        files::stage_package(&self.release, target, &binary, beside)
    }

    fn image(&mut self, targets: &[Target]) -> Result<Vec<u8>> {
        let mut platforms = Vec::new();
        for &target in targets {
            let mut files = self.binary_as(target, format!("usr/bin/{PACKAGE}"))?;
            for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
                let licence = File::plain(release::read(name)?);
                files.insert(format!("licenses/{name}"), licence);
            }
            platforms.push(image::Platform {
                architecture: target.machine.short(),
                files,
            });
        }
        image::archive(&self.release, &platforms)
    }

    /// Returns the binary for a target as a file with this path in an archive.
    fn binary_as(&mut self, target: Target, path: String) -> Result<Files> {
        let binary = fs::read(self.binary(target)?)?;
        Ok([(path, File::executable(binary))].into())
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

    fn beside(&mut self) -> Result<Files> {
        if let Some(files) = &self.beside {
            return Ok(files.clone());
        }
        // Use a release binary if it runs on this machine; all print the same.
        let own = self.binaries.iter().find(|(target, _)| target.is_host());
        let binary = match own {
            Some((_, Ok(binary))) => binary.clone(),
            _ => files::binary_for_host()?,
        };
        Ok(self.beside.insert(files::beside(&binary)?).clone())
    }

    /// Prints the sizes of the artifacts and of their binaries.
    fn show(&self, made: &[PathBuf]) -> Result<()> {
        for file in made.iter().chain(self.binaries.values().flatten()) {
            println!(
                "    {:>10} bytes  {}",
                fs::metadata(file)?.len(),
                file.display()
            );
        }
        println!("    max {} bytes for a binary", build::MAX_BYTES);
        Ok(())
    }
}
