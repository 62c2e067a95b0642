//! The flags that a service is installed with.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::path::Path;

use tcp_echo_metrics::cli::{self, Config};
use tcp_echo_service::{ServiceError, Spec};

fn spec_of(config: &Config) -> Result<Spec, ServiceError> {
    let program = Path::new("/usr/local/bin/tcp-echo-metrics");
    Spec::new(&config.service_options, &config.command_line(), program)
}

fn spec(args: &[&str]) -> Result<Spec, ServiceError> {
    spec_of(&cli::parse(args, |_| None).unwrap())
}

#[test]
fn a_service_is_installed_with_the_flags_given() {
    let args = [
        "-svc",
        "install",
        "-svc-name=x",
        "-svc-account",
        "echo",
        "-mode",
        "both",
        "-target=a=:1",
    ];
    let spec = spec(&args).unwrap();
    assert_eq!(
        spec.arguments,
        ["--svc=run", "--mode=both", "--target=a=:1"]
    );
    assert_eq!((&*spec.name, spec.account.as_deref()), ("x", Some("echo")));
    assert!(!spec.user && !spec.low_port);
}

#[test]
fn a_service_is_installed_with_the_flags_in_the_environment() {
    let variable = |name: &str| (name == "TCP_ECHO_TARGET").then(|| "a=:1,b=:2".into());
    let config = cli::parse(["-svc=install"], variable).unwrap();
    assert_eq!(
        spec_of(&config).unwrap().arguments,
        ["--svc=run", "--target=a=:1", "--target=b=:2"]
    );
}

#[test]
fn privileges_are_for_ports_that_are_listened_on() {
    for (args, low) in [
        (&["-listen=:7"][..], true),
        (&["-metrics=:80"], true),
        (&["-listen=:1024"], false),
        (&["-listen=:0"], false),
        (&["-mode=client", "-listen=:7"], false),
        (&["-mode=client", "-target=x:7"], false),
    ] {
        assert_eq!(spec(args).unwrap().low_port, low, "{args:?}");
    }
}

#[test]
fn files_among_the_flags_are_recognized() {
    let file = std::path::absolute("a.yml").unwrap();
    let spec = spec(&["-targets=a.yml"]).unwrap();
    assert_eq!(spec.files, [file.to_str().unwrap()]);
}

#[test]
fn line_breaks_are_refused() {
    let error = spec(&["-target", "a\nExecStartPre x=h:4000"]).unwrap_err();
    assert!(error.to_string().contains(r"\n"), "{error}");
}
