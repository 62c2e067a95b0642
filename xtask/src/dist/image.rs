//! A container image in an archive of the OCI image layout, built from a static binary without a
//! daemon.
//!
//! <https://github.com/opencontainers/image-spec/blob/v1.1.1/spec.md>

use anyhow::Result;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::archive::{Entry, gzip, tar};
use super::digest::sha256;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The conventional unprivileged user of images without a passwd file.
const NOBODY: &str = "65532:65532";

/// The metadata of an image.
pub(super) struct Metadata<'a> {
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) version: &'a str,
    pub(super) revision: &'a str,
    pub(super) licence: &'a str,
    pub(super) time: OffsetDateTime,
}

/// The image for one architecture.
pub(super) struct Platform {
    /// The architecture in Go's spelling: `amd64`, `arm64`.
    pub(super) architecture: &'static str,
    pub(super) files: Vec<Entry>,
}

/// Builds an archive with an index of all platforms.
pub(super) fn archive(metadata: &Metadata<'_>, platforms: &[Platform]) -> Result<Vec<u8>> {
    let mut blobs = Vec::new();
    let mut manifests = Vec::new();
    for platform in platforms {
        let mut manifest = manifest(metadata, platform, &mut blobs)?;
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
        "annotations": labels(metadata)?,
    });
    let mut all = store(&mut blobs, INDEX, serde_json::to_vec(&index)?);
    all["annotations"] = json!({"org.opencontainers.image.ref.name": metadata.version});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [all]});
    blobs.push(Entry::new("index.json", serde_json::to_vec(&index)?));
    blobs.push(Entry::new(
        "oci-layout",
        serde_json::to_vec(&json!({"imageLayoutVersion": "1.0.0"}))?,
    ));
    tar(&blobs, metadata.time)
}

fn manifest(metadata: &Metadata<'_>, platform: &Platform, blobs: &mut Vec<Entry>) -> Result<Value> {
    let layer = tar(&platform.files, metadata.time)?;
    let config = json!({
        "created": metadata.time.format(&Rfc3339)?,
        "architecture": platform.architecture,
        "os": "linux",
        "config": {
            "User": NOBODY,
            "ExposedPorts": {"2112/tcp": {}, "4000/tcp": {}},
            "Entrypoint": [format!("/usr/bin/{}", metadata.name)],
            "WorkingDir": "/",
            "Labels": labels(metadata)?,
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))]},
        "history": [{
            "created": metadata.time.format(&Rfc3339)?,
            "created_by": "cargo xtask dist",
        }],
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": store(blobs, CONFIG, serde_json::to_vec(&config)?),
        "layers": [store(blobs, LAYER, gzip(&layer)?)],
        "annotations": labels(metadata)?,
    });
    Ok(store(blobs, MANIFEST, serde_json::to_vec(&manifest)?))
}

/// Returns the labels, named as the annotations of the specification.
fn labels(metadata: &Metadata<'_>) -> Result<Value> {
    Ok(json!({
        "org.opencontainers.image.title": metadata.name,
        "org.opencontainers.image.description": metadata.description,
        "org.opencontainers.image.version": metadata.version,
        "org.opencontainers.image.revision": metadata.revision,
        "org.opencontainers.image.licenses": metadata.licence,
        "org.opencontainers.image.created": metadata.time.format(&Rfc3339)?,
    }))
}

/// Stores a blob; returns its descriptor.
fn store(blobs: &mut Vec<Entry>, kind: &str, bytes: Vec<u8>) -> Value {
    let digest = sha256(&bytes);
    let descriptor = json!({
        "mediaType": kind,
        "digest": format!("sha256:{digest}"),
        "size": bytes.len(),
    });
    let path = format!("blobs/sha256/{digest}");
    if blobs.iter().all(|blob| blob.path != path) {
        blobs.push(Entry::new(path, bytes));
    }
    descriptor
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use super::*;

    fn read(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = ::tar::Archive::new(archive);
        let mut files = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), bytes);
        }
        files
    }

    fn sample() -> Vec<u8> {
        let platform = |architecture, text: &str| Platform {
            architecture,
            files: vec![Entry::executable("usr/bin/echo", text)],
        };
        let metadata = Metadata {
            name: "echo",
            description: "Says it again",
            version: "1.2.3",
            revision: "abc",
            licence: "MIT",
            time: OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap(),
        };
        archive(
            &metadata,
            &[platform("amd64", "here"), platform("arm64", "there")],
        )
        .unwrap()
    }

    /// Returns the blob of a descriptor, after checking its size and digest.
    #[track_caller]
    fn follow<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
        let digest = descriptor["digest"].as_str().unwrap();
        let hex = digest.strip_prefix("sha256:").unwrap();
        let blob = &files[&format!("blobs/sha256/{hex}")];
        assert_eq!(sha256(blob), hex);
        assert_eq!(descriptor["size"].as_u64(), Some(blob.len() as u64));
        blob
    }

    #[test]
    fn the_index_has_every_platform() {
        let files = read(&sample());
        assert_eq!(files["oci-layout"], br#"{"imageLayoutVersion":"1.0.0"}"#);
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let index: Value = serde_json::from_slice(follow(&files, &index["manifests"][0])).unwrap();
        for (number, (architecture, text)) in [("amd64", "here"), ("arm64", "there")]
            .into_iter()
            .enumerate()
        {
            let descriptor = &index["manifests"][number];
            assert_eq!(descriptor["platform"]["architecture"], architecture);
            let manifest: Value = serde_json::from_slice(follow(&files, descriptor)).unwrap();
            let config = follow(&files, &manifest["config"]);
            let config: Value = serde_json::from_slice(config).unwrap();
            assert_eq!(config["architecture"], architecture);
            assert_eq!(config["config"]["User"], "65532:65532");
            let mut layer = Vec::new();
            flate2::read::GzDecoder::new(follow(&files, &manifest["layers"][0]))
                .read_to_end(&mut layer)
                .unwrap();
            let id = format!("sha256:{}", sha256(&layer));
            assert_eq!(config["rootfs"]["diff_ids"], json!([id]));
            assert_eq!(read(&layer)["usr/bin/echo"], text.as_bytes());
        }
    }

    #[test]
    fn there_are_no_unused_blobs() {
        let files = read(&sample());
        let blobs = files.keys().filter(|name| name.contains("sha256/"));
        // A layer, a configuration and a manifest each, the index, and the folder.
        assert_eq!(blobs.count(), 3 * 2 + 1 + 1);
    }

    #[test]
    fn the_archive_is_reproducible() {
        assert_eq!(sample(), sample());
    }
}
