//! A container image in an archive of the OCI image layout, built from a static binary without a
//! daemon.
//!
//! <https://github.com/opencontainers/image-spec/blob/v1.1.1/spec.md>

use anyhow::Result;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::archive::{File, Files, gzip, tar};
use super::release::{PACKAGE, Release, sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const DESCRIPTION: &str =
    "Measure TCP latency and loss between hosts, continuously, for Prometheus";
const LICENCE: &str = "MIT OR Apache-2.0";
/// The conventional unprivileged user of images without a passwd file.
const NOBODY: &str = "65532:65532";

/// The image for one architecture.
pub(super) struct Platform {
    /// The architecture in Go's spelling: `amd64`, `arm64`.
    pub(super) architecture: &'static str,
    pub(super) files: Files,
}

/// Builds an archive with an index of all platforms.
pub(super) fn archive(release: &Release, platforms: &[Platform]) -> Result<Vec<u8>> {
    let mut blobs = Files::new();
    let mut manifests = Vec::new();
    for platform in platforms {
        let mut manifest = manifest(release, platform, &mut blobs)?;
        manifest["platform"] = json!({"architecture": platform.architecture, "os": "linux"});
        if platform.architecture == "arm64" {
            manifest["platform"]["variant"] = "v8".into();
        }
        manifests.push(manifest);
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": manifests,
        "annotations": labels(release)?,
    });
    let mut all = store(&mut blobs, INDEX, index.to_string());
    all["annotations"] = json!({"org.opencontainers.image.ref.name": release.version});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [all]});
    let layout = json!({"imageLayoutVersion": "1.0.0"});
    for (name, document) in [("index.json", index), ("oci-layout", layout)] {
        blobs.insert(name.to_owned(), File::plain(document.to_string()));
    }
    tar(&blobs, release.time)
}

fn manifest(release: &Release, platform: &Platform, blobs: &mut Files) -> Result<Value> {
    let layer = tar(&platform.files, release.time)?;
    let config = json!({
        "created": release.time.format(&Rfc3339)?,
        "architecture": platform.architecture,
        "os": "linux",
        "config": {
            "User": NOBODY,
            "ExposedPorts": {"2112/tcp": {}, "4000/tcp": {}},
            "Entrypoint": [format!("/usr/bin/{PACKAGE}")],
            "WorkingDir": "/",
            "Labels": labels(release)?,
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))]},
        "history": [{
            "created": release.time.format(&Rfc3339)?,
            "created_by": "cargo xtask dist",
        }],
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": store(blobs, CONFIG, config.to_string()),
        "layers": [store(blobs, LAYER, gzip(&layer)?)],
        "annotations": labels(release)?,
    });
    Ok(store(blobs, MANIFEST, manifest.to_string()))
}

/// Returns the labels, named as the annotations of the specification.
fn labels(release: &Release) -> Result<Value> {
    Ok(json!({
        "org.opencontainers.image.title": PACKAGE,
        "org.opencontainers.image.description": DESCRIPTION,
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.revision": release.revision,
        "org.opencontainers.image.licenses": LICENCE,
        "org.opencontainers.image.created": release.time.format(&Rfc3339)?,
    }))
}

/// Stores a blob; returns its descriptor.
fn store(blobs: &mut Files, kind: &str, bytes: impl Into<Vec<u8>>) -> Value {
    let bytes = bytes.into();
    let digest = sha256(&bytes);
    let descriptor = json!({
        "mediaType": kind,
        "digest": format!("sha256:{digest}"),
        "size": bytes.len(),
    });
    blobs.insert(format!("blobs/sha256/{digest}"), File::plain(bytes));
    descriptor
}
