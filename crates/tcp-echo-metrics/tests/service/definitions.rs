//! The definitions of services as files: as snapshots, and to those who read them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use tcp_echo_metrics::cli;
use tcp_echo_metrics::service::{Definition, Spec, packaged_unit};

const PROGRAM: &str = "/usr/local/bin/tcp-echo-metrics";

/// Flags that are hard to write down: of each kind of file that has its own idea of
/// quotes, specifiers and variables.
const HARD: [&str; 5] = [
    "-mode=both",
    "-target=a b=10.0.0.5:4000",
    "-target=%n $HOME ${HOME} `id` \\ ' \" <&>;#=[::1]:4000",
    "-listen=:7",
    "-interval=10ms",
];

fn spec(args: &[&str]) -> Spec {
    let config = cli::parse(args, |_| None).unwrap();
    Spec::new(&config, Path::new(PROGRAM)).unwrap()
}

#[test]
fn definitions_are_written_so() {
    for (name, kind) in [
        ("systemd", Definition::Systemd),
        ("openrc", Definition::OpenRc),
        ("rcd", Definition::Rcd),
        ("launchd", Definition::Launchd),
    ] {
        insta::assert_snapshot!(format!("{name}_plain"), kind.render(&spec(&[])).unwrap());
        insta::assert_snapshot!(format!("{name}_hard"), kind.render(&spec(&HARD)).unwrap());
        let account = ["-svc-account=echo", "-svc-name=echo-2.x", "-mode=client"];
        insta::assert_snapshot!(
            format!("{name}_account"),
            kind.render(&spec(&account)).unwrap()
        );
    }
    let user = spec(&["-svc-user"]);
    for (name, kind) in [
        ("systemd_user", Definition::Systemd),
        ("launchd_user", Definition::Launchd),
    ] {
        insta::assert_snapshot!(name, kind.render(&user).unwrap());
    }
}

/// A script's file, checked by the shell that is to run it, and by shellcheck where
/// there is one.
fn checked_script(folder: &Path, kind: Definition, spec: &Spec) -> PathBuf {
    let path = folder.join("script");
    fs::write(&path, kind.render(spec).unwrap()).unwrap();
    let syntax = Command::new("sh").arg("-n").arg(&path).output().unwrap();
    assert!(syntax.status.success(), "{syntax:?}");
    // SC1091: /etc/rc.subr isn't here. SC2034: it, or OpenRC, reads the variables.
    // SC1003, SC2016: what looks like an escape or a variable is a value of a flag.
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

/// What a command line comes to that the script leaves in `command_args`, evaluated as
/// `OpenRC` and rc.subr evaluate it.
fn evaluated(path: &Path) -> Vec<String> {
    let program = format!(
        "run_rc_command() {{ :; }}; load_rc_config() {{ :; }}; . {}; \
         eval \"printf '%s\\n' $command_args\"",
        path.display()
    );
    // What a script reads of its system is empty here.
    let program = program.replace(". /etc", ": /etc");
    let output = Command::new("sh").args(["-c", &program]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{:?}", output.stderr);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn scripts_are_sound_and_pass_on_every_argument() {
    let folder = tempfile::tempdir().unwrap();
    for flags in [&HARD[..], &[], &["-svc-account=echo", "-svc-name=a.b-c"]] {
        let spec = spec(flags);
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
fn property_lists_give_back_every_argument() {
    for flags in [&HARD[..], &["-svc-user"]] {
        let spec = spec(flags);
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

/// Python's own reader of property lists agrees, where there is a Python.
#[test]
fn property_lists_are_read_by_others() {
    let spec = spec(&HARD);
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

/// The files under `deploy` are what the program would write. `UPDATE_DEPLOY=1` writes
/// them anew.
#[test]
fn deployed_files_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let plain = spec(&[]);
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
