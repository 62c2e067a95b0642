//! Runs the stored inputs without a fuzzer: those with the most coverage, and those that once made a
//! target fail.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use flate2::read::GzDecoder;
use tcp_echo_fuzz::TARGETS;

/// Returns the files of a folder with their contents, or none without the folder.
fn inputs(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(files) = fs::read_dir(folder) else {
        return Vec::new();
    };
    files
        .map(|file| {
            let path = file.unwrap().path();
            (path.display().to_string(), fs::read(path).unwrap())
        })
        .collect()
}

/// Returns the inputs of a corpus archive.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = File::open(home.join(format!("corpus/{name}.tar.gz"))).unwrap();
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let read = |entry: io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        (entry.path().unwrap().display().to_string(), data)
    };
    archive.entries().unwrap().map(read).collect()
}

fn run_all(name: &str) {
    let (_, run) = TARGETS.iter().find(|(own, _)| *own == name).unwrap();
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "no inputs for {name}");
    let found = inputs(&home.join("found").join(name));
    for (file, data) in corpus.into_iter().chain(found) {
        // Shown if the test fails.
        println!("{file}");
        run(&data);
    }
}

macro_rules! each {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                run_all(stringify!($name));
            }
        )*
    };
}

each! {
    address
    decoder
    durations
    exposition
    flags
    http
    loss_window
    service
    session
    targets_file
    web_config
}

#[test]
fn every_target_is_tested_and_every_input_has_a_target() {
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, TESTED);
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["corpus", "found"] {
        let folders = fs::read_dir(home.join(folder)).into_iter().flatten();
        for entry in folders {
            let name = entry.unwrap().file_name();
            let target = name.to_str().unwrap().trim_end_matches(".tar.gz");
            assert!(names.contains(&target), "{name:?}");
        }
    }
}
