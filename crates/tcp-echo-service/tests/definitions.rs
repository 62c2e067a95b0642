//! The definitions of services: as snapshots, and as their readers parse them.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of tests fails as a test does"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use tcp_echo_service::{CommandLine, Definition, ServiceOptions, Spec, packaged_unit};

const PROGRAM: &str = "/usr/local/bin/tcp-echo-metrics";

/// The name of the service by default.
const NAME: &str = "tcp-echo-metrics";

/// Arguments that are hard to quote: for each format with its own rules for quotes, specifiers
/// and variables.
const HARD: [&str; 5] = [
    "--mode=both",
    "--target=a b=10.0.0.5:4000",
    "--target=%n $HOME ${HOME} `id` \\ ' \" <&>;#=[::1]:4000",
    "--listen=:7",
    "--interval=10ms",
];

fn spec_of(options: &ServiceOptions, arguments: &[&str], port: u16) -> Spec {
    let command_line = arguments
        .iter()
        .fold(CommandLine::new(), |line, argument| line.arg(*argument));
    let command_line = command_line.listens_on(2112).listens_on(port);
    Spec::new(options, &command_line, Path::new(PROGRAM)).unwrap()
}

fn plain() -> Spec {
    spec_of(&ServiceOptions::new(NAME), &[], 4000)
}

fn hard() -> Spec {
    spec_of(&ServiceOptions::new(NAME), &HARD, 7)
}

fn with_account(name: &str) -> Spec {
    let mut options = ServiceOptions::new(name);
    options.account = Some("echo".to_owned());
    spec_of(&options, &["--mode=client"], 0)
}

fn of_user() -> Spec {
    let mut options = ServiceOptions::new(NAME);
    options.user = true;
    spec_of(&options, &[], 4000)
}

#[test]
fn definitions_match_their_snapshots() {
    for (name, kind) in [
        ("systemd", Definition::Systemd),
        ("openrc", Definition::OpenRc),
        ("rcd", Definition::Rcd),
        ("launchd", Definition::Launchd),
    ] {
        for (suffix, spec) in [
            ("plain", plain()),
            ("hard", hard()),
            ("account", with_account("echo-2.x")),
        ] {
            insta::assert_snapshot!(format!("{name}_{suffix}"), kind.render(&spec).unwrap());
        }
    }
    let user = of_user();
    for (name, kind) in [
        ("systemd_user", Definition::Systemd),
        ("launchd_user", Definition::Launchd),
    ] {
        insta::assert_snapshot!(name, kind.render(&user).unwrap());
    }
}

/// Writes a script to a file, and checks it with the shell, and with shellcheck where it is
/// installed.
fn checked_script(folder: &Path, kind: Definition, spec: &Spec) -> PathBuf {
    let path = folder.join("script");
    fs::write(&path, kind.render(spec).unwrap()).unwrap();
    let syntax = Command::new("sh").arg("-n").arg(&path).output().unwrap();
    assert!(syntax.status.success(), "{syntax:?}");
    // SC1091: /etc/rc.subr is missing here. SC2034: it, or OpenRC, reads the variables.
    // SC1003, SC2016: values of flags look like escapes and variables.
    let shellcheck = Command::new("shellcheck")
        .args(["--shell=sh", "--exclude=SC1091,SC2034,SC1003,SC2016"])
        .arg(&path)
        .output();
    if let Ok(output) = shellcheck {
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
    }
    path
}

/// The words of `command_args` in the script, evaluated as `OpenRC` and rc.subr do.
fn evaluated(path: &Path) -> Vec<String> {
    let program = format!(
        "run_rc_command() {{ :; }}; load_rc_config() {{ :; }}; . {}; \
         eval \"printf '%s\\n' $command_args\"",
        path.display()
    );
    // The files of the system that a script reads are missing here.
    let program = program.replace(". /etc", ": /etc");
    let output = Command::new("sh").args(["-c", &program]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{:?}", output.stderr);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn scripts_are_valid_and_pass_every_argument() {
    let folder = tempfile::tempdir().unwrap();
    for spec in [hard(), plain(), with_account("a.b-c")] {
        let openrc = checked_script(folder.path(), Definition::OpenRc, &spec);
        assert_eq!(evaluated(&openrc), spec.arguments);

        let rcd = checked_script(folder.path(), Definition::Rcd, &spec);
        let text = fs::read_to_string(&rcd).unwrap();
        fs::write(&rcd, text.replace(". /etc/rc.subr", ":")).unwrap();
        let words = evaluated(&rcd);
        let program = words.iter().position(|word| word == PROGRAM).unwrap();
        assert_eq!(words[program + 1..], spec.arguments);
    }
}

#[test]
fn property_lists_have_every_argument() {
    for spec in [hard(), of_user()] {
        let text = Definition::Launchd.render(&spec).unwrap();
        let value = plist::Value::from_reader_xml(text.as_bytes()).unwrap();
        let entries = value.as_dictionary().unwrap();
        let arguments = entries["ProgramArguments"].as_array().unwrap();
        let arguments: Vec<_> = arguments
            .iter()
            .map(|one| one.as_string().unwrap())
            .collect();
        let expected: Vec<&str> = std::iter::once(PROGRAM)
            .chain(spec.arguments.iter().map(String::as_str))
            .collect();
        assert_eq!(arguments, expected);
        assert_eq!(entries["Label"].as_string(), Some("tcp-echo-metrics"));
        assert_eq!(entries["RunAtLoad"].as_boolean(), Some(true));
    }
}

/// Python's reader of property lists agrees, where Python is installed.
#[test]
fn python_reads_the_same_property_list() {
    let spec = hard();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.plist");
    fs::write(&path, Definition::Launchd.render(&spec).unwrap()).unwrap();
    let script = "import json, plistlib, sys\n\
                  print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))['ProgramArguments'][1:]))";
    let Ok(output) = Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .output()
    else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let arguments: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(arguments, spec.arguments);
}

/// The files under `deploy` are those that the program would write. `UPDATE_DEPLOY=1` rewrites
/// them.
#[test]
fn deployed_files_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let plain = plain();
    for (file, text) in [
        ("systemd/tcp-echo-metrics.service", packaged_unit()),
        (
            "openrc/tcp-echo-metrics",
            Definition::OpenRc.render(&plain).unwrap(),
        ),
        (
            "rc.d/tcp-echo-metrics",
            Definition::Rcd.render(&plain).unwrap(),
        ),
        (
            "launchd/tcp-echo-metrics.plist",
            Definition::Launchd.render(&plain).unwrap(),
        ),
    ] {
        let path = folder.join(file);
        if env::var_os("UPDATE_DEPLOY").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap();
        assert_eq!(
            found,
            text,
            "{}: run it with UPDATE_DEPLOY=1",
            path.display()
        );
    }
}
