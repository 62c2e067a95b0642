//! The inputs that are kept, without a fuzzer: those that cover the most, and those that
//! once made a target fail.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use tcp_echo_fuzz::TARGETS;

/// The files of a folder with their contents; none where there is no such folder.
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

fn run_all(name: &str) {
    let (_, run) = TARGETS.iter().find(|(own, _)| *own == name).unwrap();
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = inputs(&home.join("corpus").join(name));
    assert!(!corpus.is_empty(), "no inputs of {name} are kept");
    for (file, data) in corpus
        .into_iter()
        .chain(inputs(&home.join("found").join(name)))
    {
        // Shown where it fails.
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
fn every_target_is_tested_and_every_folder_is_of_a_target() {
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, TESTED);
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["corpus", "found"] {
        let folders = fs::read_dir(home.join(folder)).into_iter().flatten();
        for entry in folders {
            let name = entry.unwrap().file_name();
            assert!(names.contains(&name.to_str().unwrap()), "{name:?}");
        }
    }
}
