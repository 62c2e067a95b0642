//! Runs the container image with chroot, without a container engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::context::Context;
use testkit::shell::{output, program, target_dir};

use super::{CI_DIST, artifact, probes_itself};

/// The user of the image, which has no entry in the host's passwd.
const USER: &str = "65532:65532";

/// Runs the image's entry point in its unpacked file system, as an unprivileged user.
pub(super) fn run_in_chroot(context: &Context) -> Result<()> {
    let archive = artifact("-image.tar")?;
    let all_architectures = !archive.starts_with(target_dir().join(CI_DIST));
    let architectures: &[&str] = if all_architectures {
        &["amd64", "arm64"]
    } else {
        &["amd64"]
    };
    for &architecture in architectures {
        let copy = context.folder().join(architecture);
        let mut skopeo = program(
            "skopeo",
            &["copy", "--quiet", "--override-arch", architecture],
        );
        skopeo
            .arg(format!("oci-archive:{}", archive.display()))
            .arg(format!("dir:{}", copy.display()));
        output(&mut skopeo)?;
        let manifest = json(&copy.join("manifest.json"))?;
        let blob = |descriptor: &Value| -> Result<PathBuf> {
            let digest = descriptor["digest"].as_str().context("no digest")?;
            Ok(copy.join(digest.trim_start_matches("sha256:")))
        };
        let config = json(&blob(&manifest["config"])?)?;
        ensure!(config["architecture"] == architecture, "{config}");
        ensure!(config["config"]["User"] == USER, "{config}");
        if architecture != "amd64" {
            continue;
        }
        let system = context.folder().join("system");
        fs::create_dir(&system)?;
        for layer in manifest["layers"].as_array().context("no layers")? {
            let mut tar = program("tar", &["-xzf"]);
            output(tar.arg(blob(layer)?).arg("-C").arg(&system))?;
        }
        let entry = config["config"]["Entrypoint"][0].as_str();
        let mut command = Command::new("chroot");
        command
            .arg(format!("--userspec={USER}"))
            .arg(&system)
            .arg(entry.context("no entry point")?);
        // The unprivileged user must be able to enter the folder.
        output(program("chmod", &["a+rx"]).arg(context.folder()))?;
        probes_itself(context, command, "the image")?;
    }
    Ok(())
}

fn json(file: &Path) -> Result<Value> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}
